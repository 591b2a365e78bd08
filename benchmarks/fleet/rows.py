"""What is said of many clients: one sample of them makes a figure for each row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles

from benchmarks.fleet.crowd import Crowd
from benchmarks.processes import MIB, Watch
from benchmarks.results import Line


@dataclass(frozen=True)
class Scenario:
    """A kind of clients, and the kinds of requests that they send."""

    key: str
    one: str
    many: str
    requests: tuple[str, ...]


PULL = Scenario(
    "pull", "pull", "pulls", ("token", "HEAD manifest", "GET manifest", "GET config", "GET layer")
)
PUSH = Scenario("push", "push", "pushes", ("token", "HEAD blob", "mount", "upload", "PUT manifest"))
Figures = dict[str, float]


def lines(scenario: Scenario, count: int) -> list[Line]:
    """The rows of a scenario with so many clients, without cells."""

    def line(key: str, title: str, unit: str) -> Line:
        return Line(f"{scenario.key}-{key}", title, unit, higher_is_better=False)

    many = f"{count} {scenario.many}"
    found = [line("errors", f"{many}: failed", "clients")]
    found += [line("all", f"{many} at once, all of them", "s")]
    kinds = {_slug(kind): kind for kind in scenario.requests}
    for key, what in {"one": f"a whole {scenario.one}", **kinds}.items():
        found += [line(f"{key}-{part}", f"{many}: {what}, {part}", "ms") for part in ("p50", "p99")]
    return [*found, line("memory", f"{many}: memory at most, over idle", "MiB")]


def figures(scenario: Scenario, crowd: Crowd, watch: Watch, idle: int) -> Figures:
    """A figure for each row by its key, but for that of errors."""
    found = dict(_figures(crowd, watch, idle))
    return {f"{scenario.key}-{key}": value for key, value in found.items()}


def errors(crowd: Crowd) -> list[str]:
    """What went wrong, for each client that did not come to its end."""
    return [times.error for times in crowd.times if times.error]


def _figures(crowd: Crowd, watch: Watch, idle: int) -> Iterator[tuple[str, float]]:
    began, ended = min(t.began for t in crowd.times), max(t.ended for t in crowd.times)
    yield "all", ended - began
    by_kind: dict[str, list[float]] = {"one": [t.ended - t.began for t in crowd.times]}
    for times in crowd.times:
        for kind, seconds in times.requests:
            by_kind.setdefault(_slug(kind), []).append(seconds)
    for kind, seconds_of in by_kind.items():
        yield f"{kind}-p50", percentile(seconds_of, 50) * 1000
        yield f"{kind}-p99", percentile(seconds_of, 99) * 1000
    yield "memory", max(0, watch.peak - idle) / MIB


def percentile(values: Sequence[float], part: int) -> float:
    """The value that so many per cent of all are not above, between two of them if need be."""
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[part - 1]


def others(crowd: Crowd, watch: Watch) -> float:
    """The part of the machine that neither the server nor the clients used."""
    ours = crowd.cpu / (watch.seconds * (os.cpu_count() or 1))
    return max(0.0, watch.others - ours)


def _slug(kind: str) -> str:
    return kind.lower().replace(" ", "-")
