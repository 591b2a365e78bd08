"""What came of an experiment, and the table of all of them.

`python -m tests.faults.outcome sqlite.json postgresql.json` prints results as Markdown.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults import verify
from tests.faults.ledger import Entry
from tests.live import LiveServer

TRACE = "Traceback (most recent call last)"


@dataclass
class Outcome:
    """One experiment: how many faults there were, and what they cost."""

    experiment: str
    what: str
    database: str
    faults: int = 0
    acknowledged: int = 0
    lost: int = 0
    tracebacks: int = 0
    seconds: float = 0.0
    notes: dict[str, int] = field(default_factory=dict)
    failed: bool = False
    _began: float = field(default_factory=time.monotonic)

    def judge(self, server: LiveServer, entries: Iterable[Entry]) -> None:
        """Hold the server to what the ledger says, and to a log without tracebacks.

        Raises AssertionError.
        """
        entries = list(entries)
        self.acknowledged += sum(entry.is_acknowledged for entry in entries)
        problems = verify.problems(server.host, entries) + verify.misnamed(server.storage)
        self.check(problems, server)

    def check(self, problems: Sequence[str], server: LiveServer) -> None:
        """The same, for who has found out by other means what is lost."""
        self.lost += len(problems)
        self.tracebacks += server.log().count(TRACE)
        assert list(problems) == []
        assert TRACE not in server.log(), server.log_tail()

    def end(self, *, failed: bool) -> None:
        """Stop the clock."""
        self.seconds = round(time.monotonic() - self._began, 1)
        self.failed = failed

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {key: value for key, value in asdict(self).items() if not key.startswith("_")}


COLUMNS: dict[str, Callable[[Outcome], str]] = {
    "experiment": lambda one: f"{one.experiment}: {one.what}",
    "faults": lambda one: f"{one.faults:,}",
    "acknowledged": lambda one: f"{one.acknowledged:,}",
    "lost": lambda one: f"{one.lost:,}",
    "tracebacks": lambda one: f"{one.tracebacks:,}",
    "seconds": lambda one: f"{one.seconds:.0f}",
    "besides": lambda one: "; ".join(
        (["FAILED"] if one.failed else []) + [f"{what}: {n:,}" for what, n in one.notes.items()]
    ),
}


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as Markdown, with their sums."""
    ordered = sorted(outcomes, key=lambda one: int(one.experiment.removeprefix("R").split(",")[0]))
    total = Outcome("", "", "")
    for one in ordered:
        for name in ("faults", "acknowledged", "lost", "tracebacks", "seconds"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
    rows = [[show(one) for show in COLUMNS.values()] for one in ordered]
    rows.append(["**together**", *[show(total) for show in list(COLUMNS.values())[1:]]])
    lines = [list(COLUMNS), ["---", *["--:"] * 5, "---"], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read(path: Path) -> list[Outcome]:
    """The outcomes that a run wrote."""
    return [Outcome(**one) for one in json.loads(path.read_text())]


def write(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Add to what is there, in the place of earlier outcomes of the same experiments."""
    before = read(path) if path.exists() else []
    new = {(one.experiment, one.what) for one in outcomes}
    kept = [one for one in before if (one.experiment, one.what) not in new]
    path.write_text(json.dumps([one.as_dict() for one in [*kept, *outcomes]], indent=1) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        found = read(Path(name))
        print(f"### {found[0].database}\n\n{table(found)}\n")
