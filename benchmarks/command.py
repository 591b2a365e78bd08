"""What the commands share: who can take part, how options are read, where results are kept."""

from __future__ import annotations

import argparse
import shutil
import signal
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contenders import (
    Berth,
    BerthPostgres,
    BerthPostgresToken,
    BerthToken,
    Contender,
    Distribution2,
    Distribution3,
    Olareg,
    Zot,
)
from benchmarks.references import HashAndWrite, Nginx
from benchmarks.report import markdown
from benchmarks.results import Result

ALL: tuple[type[Contender], ...] = (
    BerthPostgresToken,
    BerthToken,
    Berth,
    BerthPostgres,
    Distribution3,
    Distribution2,
    Zot,
    Olareg,
    Nginx,
    HashAndWrite,
)
KEYS = ", ".join(contender.key for contender in ALL)
RESULTS = Path(__file__).resolve().parent / "results"


def names(text: str) -> list[str]:
    """What is between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def usual() -> list[Contender]:
    """Who takes part where nobody is named."""
    return [contender() for contender in ALL if contender.usual]


def contenders(text: str) -> list[Contender]:
    """Those named, in the order of the table."""
    wanted = names(text)
    if unknown := set(wanted) - {contender.key for contender in ALL}:
        raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))} in {KEYS}")
    return [contender() for contender in ALL if contender.key in wanted]


def earlier(text: str) -> Result:
    """The result in a file."""
    try:
        return Result.from_json(Path(text).read_text())
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


class Room:
    """A folder with so many bytes free, as a type of argument."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, text: str) -> Path:
        if not Path(text).is_dir() or shutil.disk_usage(text).free < self._size:
            raise argparse.ArgumentTypeError(
                f"{text} is no folder with {self._size >> 30} GiB free"
            )
        return Path(text)


def add_options(parser: argparse.ArgumentParser, default: Sequence[Contender]) -> None:
    """The options that every race has."""
    add = parser.add_argument
    add("--contenders", type=contenders, default=list(default), help=f"some of {KEYS}")
    add("--rounds", type=int, help="samples of each row for each contender")
    add("--json", action="store_true", help="print JSON instead of Markdown")
    add("--compare", type=earlier, metavar="PREVIOUS.json", help="add ratios to that run")


def end_in_order() -> None:
    """Let SIGTERM end this process as Ctrl-C does: the servers that it started are stopped."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def tell(result: Result, options: argparse.Namespace, prefix: str = "") -> str:
    """Keep a result, and print it as was asked for; its text."""
    text = markdown(result, options.compare)
    save(result, text, prefix)
    print(result.to_json() if options.json else text)
    return text


def note_others(result: Result, others: Sequence[float]) -> None:
    """Write down how much of the machine somebody else took during the samples, each up to 1."""
    if others:
        middle, most = statistics.median(others), max(others)
        result.machine["CPU taken by others"] = f"{middle:.0%} (at most {most:.0%})"


def save(result: Result, text: str, prefix: str = "") -> None:
    """Keep a result under the time at which it began."""
    RESULTS.mkdir(exist_ok=True)
    stem = prefix + result.began.replace(":", "-")
    (RESULTS / f"{stem}.json").write_text(result.to_json())
    (RESULTS / f"{stem}.md").write_text(text)
