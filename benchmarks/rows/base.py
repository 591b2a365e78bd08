"""A row of the table: what is measured, and how one sample of it is taken."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.content import Content, Scale
from benchmarks.processes import Watch
from benchmarks.servers import Server


@dataclass(frozen=True)
class Sample:
    """One figure, and what the server spent for it."""

    value: float
    operations: int  # requests, pushes, pulls: what the CPU time is divided by
    cpu: float  # seconds, the database's included
    peak: int = 0  # resident bytes
    others: float | None = None  # the part of the machine that somebody else used


@dataclass(frozen=True)
class Bench:
    """What a row works with besides the server."""

    content: Content
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def scale(self) -> Scale:
        return self.content.scale

    def new_name(self, prefix: str) -> str:
        """A repository or tag that no contender has yet."""
        return f"{prefix}{next(self._numbers):06}"


@dataclass(frozen=True)
class Row:
    """A line of the table. `needs` is one of `contenders.REGISTRY`."""

    key: str
    title: str
    unit: str
    needs: str
    measure: Callable[[Bench, Server], Sample]
    higher_is_better: bool = False
    once: bool = False  # not again in each round

    @property
    def group(self) -> str:
        """`read` for `read-manifest-tag`: `--rows read` takes them all."""
        return self.key.partition("-")[0]


def sample(watch: Watch, value: float, operations: int) -> Sample:
    """A sample whose costs are those of the watched block."""
    return Sample(value, operations, watch.cpu, watch.peak, watch.others)
