"""`python -m benchmarks`: Berth beside other registries, in one run, as a table."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.command import (
    RESULTS,
    Room,
    add_options,
    end_in_order,
    names,
    note_others,
    tell,
    usual,
)
from benchmarks.contenders import Contender
from benchmarks.content import SHORT, Scale, make_content
from benchmarks.load import sender
from benchmarks.report import publish
from benchmarks.results import SENDER, Result, describe_machine, load_average, now
from benchmarks.rows import Row, all_rows, choose
from benchmarks.runner import Runner, samples
from benchmarks.servers import ROOT

PAGE = ROOT / "docs" / "performance.md"
DISK = 12 << 30  # what a run may need at once: pushes wait in every contender


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add_options(parser, usual())
    add = parser.add_argument
    add("--rows", type=_rows, default=[], help="keys or groups of rows, separated by commas")
    add("--short", action="store_true", help="a rough picture in 10 minutes")
    add("--publish", action="store_true", help="put it into docs/ and latest.json")
    add("--scratch", type=Room(DISK), default=tempfile.gettempdir(), help="a folder on a disk")
    return parser.parse_args(given)


def _rows(text: str) -> list[str]:
    rows = all_rows(Scale())
    known = {row.key for row in rows} | {row.group for row in rows}
    if unknown := set(names(text)) - known:
        raise argparse.ArgumentTypeError(f"no {', '.join(unknown)} in {', '.join(sorted(known))}")
    return names(text)


def measure(
    contenders: list[Contender], rows: Sequence[Row], scale: Scale, result: Result, place: Path
) -> None:
    """Run, with a progress bar on standard error."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    text = TextColumn("{task.description}")
    with Progress(*columns, text, console=Console(stderr=True)) as progress:
        total = samples(rows, contenders, result.rounds)
        task = progress.add_task("making content", total=total)
        content = make_content(scale)
        runner = Runner(
            content,
            result,
            say=lambda what: progress.update(task, description=what),
            step=lambda: progress.advance(task),
        )
        runner.run(contenders, rows, place)
    note_others(result, runner.others)


def run(options: argparse.Namespace, command: str) -> Result:
    """Measure what was asked for, in a folder that is removed afterwards."""
    scale = SHORT if options.short else Scale()
    rows = choose(all_rows(scale), options.rows)
    scratch = Path(tempfile.mkdtemp(prefix="berth-bench-", dir=options.scratch))
    try:
        machine = describe_machine(scratch) | {SENDER: sender()}
        result = Result(now(), command, options.rounds or scale.rounds, machine)
        measure(options.contenders, rows, scale, result, scratch)
        result.machine["load after"] = load_average()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return result


def main(given: Sequence[str] | None = None) -> int:
    """Entry point; returns 1 if a row failed."""
    words = sys.argv[1:] if given is None else given
    options = arguments(words)
    end_in_order()
    result = run(options, shlex.join(["python", "-m", "benchmarks", *words]))
    text = tell(result, options)
    if options.publish:
        publish(text, PAGE)
        (RESULTS / "latest.json").write_text(result.to_json())
    return int(result.failed)


if __name__ == "__main__":
    sys.exit(main())
