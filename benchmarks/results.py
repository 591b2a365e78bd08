"""What a run found: plain data that survives as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FORMAT = 1
REFERENCE = "distribution-3"  # whom the ratios are against
SENDER = "requests sent by"  # what `machine` says of load.sender()


@dataclass
class Cell:
    """One contender in one row: a sample for each round, or why there is none."""

    values: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)  # for one operation
    failed: str | None = None

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values and not self.failed else None

    @property
    def median_cpu(self) -> float | None:
        return statistics.median(self.cpu_ms) if self.cpu_ms and not self.failed else None


@dataclass
class Line:
    """A row's cells by contender key. A contender that cannot take part has none."""

    key: str
    title: str
    unit: str
    higher_is_better: bool
    cells: dict[str, Cell] = field(default_factory=dict)

    def speed(self, key: str, other: Line, other_key: str) -> float | None:
        """How many times as good as another's figure: above 1 is better in every row."""
        mine, theirs = _median(self, key), _median(other, other_key)
        if not mine or not theirs:
            return None
        return mine / theirs if self.higher_is_better else theirs / mine


def _median(line: Line, key: str) -> float | None:
    cell = line.cells.get(key)
    return cell.median if cell else None


@dataclass
class Participant:
    """A contender as the result names it."""

    key: str
    label: str
    version: str = ""
    skipped: str | None = None  # why it did not take part
    failed: bool = False  # it is here, and did not start or could not be loaded

    def fail(self, error: Exception) -> None:
        """Take no further part, because of this."""
        self.skipped, self.failed = f"{type(error).__name__}: {error}", True


@dataclass
class Result:
    """A whole run."""

    began: str
    command: str
    rounds: int
    machine: dict[str, str]
    participants: list[Participant] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def participant(self, key: str) -> Participant:
        return next(each for each in self.participants if each.key == key)

    def line(self, key: str) -> Line | None:
        return next((line for line in self.lines if line.key == key), None)

    @property
    def failed(self) -> bool:
        """Whether any contender answered wrongly or not at all."""
        cells = (cell for line in self.lines for cell in line.cells.values())
        return any(each.failed for each in self.participants) or any(c.failed for c in cells)

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read a result back; raises ValueError for another format."""
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise ValueError(f"not a benchmark result of format {FORMAT}")
        try:
            data["participants"] = [Participant(**each) for each in data["participants"]]
            data["lines"] = [_line(each) for each in data["lines"]]
            return cls(**data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a benchmark result with other fields: {error}") from error


def _line(data: Mapping[str, Any]) -> Line:
    cells = {key: Cell(**cell) for key, cell in data["cells"].items()}
    return Line(**{**data, "cells": cells})


def now() -> str:
    """This moment in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def load_average() -> str:
    """How busy the machine is: figures from a busy one mean little."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def describe_machine(scratch: Path) -> dict[str, str]:
    """What a reader must know of the machine to judge the figures."""
    return {
        "cpus": str(os.cpu_count()),
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file system": _file_system(scratch),
        "load before": load_average(),
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _file_system(path: Path) -> str:
    """The type of the file system that a folder is on; tmpfs would flatter every write."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mounted, found, *_ = line.split()
        if path.resolve().is_relative_to(mounted) and len(mounted) >= len(best):
            best, kind = mounted, found
    return kind
