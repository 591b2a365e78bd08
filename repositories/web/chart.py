"""A line chart of stored bytes as SVG: its places in per cent, so that text keeps its size."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from repositories.models import StorageSample

# The drawing's own units; the page stretches it.
WIDTH, HEIGHT = 1000, 100
# The part of the chart's height between the top line and the bottom line, in per cent.
_TOP, _BOTTOM = 10, 84
_MOST_LINES = 4


class Line(NamedTuple):
    """A horizontal line at `y`, and the bytes that it stands for."""

    y: str
    bytes: int


class Mark(NamedTuple):
    """A day below the chart; `anchor` is the SVG text-anchor."""

    x: str
    anchor: str
    day: date


class Chart(NamedTuple):
    """What the template draws; `points` and `area` in units of WIDTH and HEIGHT."""

    samples: Sequence[StorageSample]
    points: str
    area: str
    lines: Sequence[Line]
    marks: Sequence[Mark]
    top: str
    height: str

    @property
    def first(self) -> StorageSample:
        return self.samples[0]

    @property
    def last(self) -> StorageSample:
        return self.samples[-1]


def chart_of(samples: Sequence[StorageSample]) -> Chart | None:
    """The chart of at least two days' samples, the oldest first; None for fewer."""
    if len(samples) < 2:
        return None
    step = step_for(max(sample.bytes for sample in samples))
    count = max(-(-max(sample.bytes for sample in samples) // step), 1)
    places = [_place(sample, samples, count * step) for sample in samples]
    points = " ".join(f"{x:.1f},{y:.2f}" for x, y in places)
    return Chart(
        samples=samples,
        points=points,
        area=f"0,{HEIGHT} {points} {WIDTH},{HEIGHT}",
        lines=[_line(number, count, step) for number in range(count + 1)],
        marks=_marks(samples),
        top=f"{_TOP}%",
        height=f"{_BOTTOM - _TOP}%",
    )


def step_for(most: int) -> int:
    """Bytes between two lines: 1, 2, 5, 10 … 500 of an IEC unit, so that there are few lines."""
    unit = 1
    while True:
        for number in (1, 2, 5, 10, 20, 50, 100, 200, 500):
            if most <= number * unit * _MOST_LINES:
                return number * unit
        unit *= 1024


def _place(
    sample: StorageSample, samples: Sequence[StorageSample], most: int
) -> tuple[float, float]:
    span = (samples[-1].day - samples[0].day).days
    x = WIDTH * (sample.day - samples[0].day).days / span
    return x, HEIGHT * (1 - sample.bytes / most)


def _line(number: int, count: int, step: int) -> Line:
    return Line(f"{_BOTTOM - (_BOTTOM - _TOP) * number / count:.2f}%", number * step)


def _marks(samples: Sequence[StorageSample]) -> list[Mark]:
    first, last = samples[0].day, samples[-1].day
    ends = [Mark("0%", "start", first), Mark("100%", "end", last)]
    if (last - first).days < 2:
        return ends
    return [ends[0], Mark("50%", "middle", first + (last - first) / 2), ends[1]]
