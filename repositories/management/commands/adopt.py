"""`manage.py adopt [ROOT]`: take over what Docker's registry has stored, where it lies."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from django.core.management import BaseCommand, CommandError
from django.db import Error as DatabaseError
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from accounts.management.local import OPERATOR
from repositories.adoption import adopting
from repositories.adoption.findings import printable
from repositories.adoption.reports import AdoptionError, Progress, Report
from repositories.management.adoption import stoppable, summary
from repositories.models import Repository
from repositories.pace import Bucket, rate_of

# So many are shown; JSON has them all.
MOST_SHOWN = 100
# Where nobody's terminal says how wide a table may be.
_WIDTH = 160


class Command(BaseCommand):
    help = (
        "Take over the repositories, tags, their dates and their history that Docker's registry "
        "has stored. Not a byte is copied. What is damaged is told and stepped over. Stop that "
        "registry first. Killed, the same command goes on; run again, it changes nothing."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "root",
            nargs="?",
            metavar="ROOT",
            type=Path,
            help="the folder that holds docker/registry/v2 (its rootdirectory); by default Berth's "
            "own storage. From another one, on the same file system, blobs get hard links",
        )
        parser.add_argument(
            "--verify", action="store_true", help="read all blobs, and compare them with their name"
        )
        parser.add_argument("--rate", metavar="200MB/s", help="with --verify: read no faster")
        parser.add_argument("--dry-run", action="store_true", help="only say what there is")
        parser.add_argument(
            "--again",
            action="store_true",
            help="of a tree that was taken over, look again at what was damaged and what is new",
        )
        parser.add_argument(
            "--visibility",
            choices=Repository.Visibility.values,
            default="",
            help="of the new repositories: private (the team), internal (everybody who signs in) "
            "or public; by default as a first push makes them",
        )
        parser.add_argument(
            "--json",
            metavar="FILE",
            help="write the report to this file, or to - (no table then)",
        )

    def handle(self, *args: Any, json: str | None, rate: str | None, **options: Any) -> None:
        report = self._adopt(_rate(rate), **options)
        if json == "-":
            _write(report, cast("TextIO", self.stdout))
            return
        self._show(report)
        if json:
            try:
                with Path(json).open("w", encoding="utf-8") as file:
                    _write(report, file)
            except OSError as error:
                raise CommandError(f"{json} cannot be written: {error}.") from error

    def _adopt(self, rate: int | None, **options: Any) -> Report:
        wanted = {key: options[key] for key in ("root", "verify", "dry_run", "again", "visibility")}
        try:
            with stoppable(), _watched() as progress:
                return adopting.adopt(
                    principal=OPERATOR, progress=progress, pace=Bucket(rate).take, **wanted
                )
        except KeyboardInterrupt:
            self.stderr.write("Stopped; the same command goes on where this was.")
            sys.exit(130)
        except AdoptionError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"A file cannot be used: {error}.") from error
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be used: {error}. The same command goes on where this was."
            ) from error

    def _show(self, report: Report) -> None:
        width = None if self.stdout.isatty() else _WIDTH
        console = Console(file=cast("TextIO", self.stdout), width=width, highlight=False)
        if report.findings:
            console.print(_table(report))
        if len(report.findings) > MOST_SHOWN:
            more = len(report.findings) - MOST_SHOWN
            console.print(f"… and {more} more: --json FILE has all of them")
        for line in summary(report):
            console.print(line, markup=False, soft_wrap=True)


def _rate(text: str | None) -> int | None:
    """Raises CommandError."""
    try:
        return None if text is None else rate_of(text)
    except ValueError as error:
        raise CommandError(f"--rate: {error}") from error


class _Watched(Progress):
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._bytes = 0

    def begin(self, what: str, total: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(what, total=total, read="")

    def advance(self) -> None:
        if self._task is not None:
            self._bars.advance(self._task)

    def read(self, count: int) -> None:
        self._bytes += count
        if self._task is not None:
            self._bars.update(self._task, read=f"{decimal(self._bytes)} read")


@contextmanager
def _watched() -> Iterator[Progress]:
    """Bars on standard error, where somebody watches."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(
        *columns,
        TextColumn("{task.fields[read]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bars:
        yield _Watched(bars)


def _table(report: Report) -> Table:
    table = Table(expand=False)
    table.add_column("Found")
    table.add_column("What", overflow="fold")
    table.add_column("Where, and why", overflow="fold")
    for finding in report.findings[:MOST_SHOWN]:
        where = "" if finding.path == finding.target else finding.path
        lines = [escape(printable(line)) for line in (where, finding.detail) if line]
        table.add_row(finding.kind, escape(printable(finding.target)), "\n".join(lines))
    return table


def _write(report: Report, file: TextIO) -> None:
    """The report as JSON, a finding a line."""
    names = ("root", "repositories", "manifests", "tags", "blobs", "bytes", "garbage", "left")
    facts = {name: getattr(report, name) for name in names}
    facts["dry_run"], facts["was_finished"] = report.is_dry_run, report.was_finished
    file.write(f'{{"report": {json.dumps(facts)},\n"findings": [')
    separator = "\n"
    for finding in report.findings:
        file.write(separator + json.dumps(finding.dump(), ensure_ascii=False))
        separator = ",\n"
    file.write("\n]}\n")
