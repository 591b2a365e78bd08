"""`manage.py scrub`: look whether everything that is stored is still what was pushed."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from django.core.management import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from accounts.management.local import OPERATOR
from repositories import scrub, scrub_reports
from repositories.models import ScrubFinding, ScrubPass
from repositories.oci.errors import ReadOnly
from repositories.pace import rate_of
from repositories.scrub_passes import Busy, TakenOver

# So many are shown; a file has them all.
MOST_SHOWN = 100
_STAGES = {
    "blobs": "Reading blobs",
    "files": "Looking for files without a row",
    "uploads": "Looking for stray uploads",
    "manifests": "Reading manifests",
}
_MOST_NAMES = 5
# Where nobody's terminal says how wide a table may be.
_WIDTH = 160


class Command(BaseCommand):
    help = (
        "Read everything that is stored and tell what is damaged, missing or left over, and which "
        "images that hits. The registry may be in use meanwhile. What was interrupted goes on "
        "where it was. The exit status is 1 when damage was found."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="set damaged blobs apart, so that clients push them again",
        )
        parser.add_argument("--rate", metavar="200MB/s", help="read no faster than this")
        parser.add_argument(
            "--json",
            metavar="FILE",
            help="write all findings to this file, or to - (no table then)",
        )
        parser.add_argument("--restart", action="store_true", help="begin anew instead of going on")

    def handle(
        self,
        *args: Any,
        repair: bool,
        rate: str | None,
        json: str | None,
        restart: bool,
        **options: Any,
    ) -> None:
        row = self._scrub(_rate(rate), is_repairing=repair, is_anew=restart)
        if json == "-":
            _write(row, cast("TextIO", self.stdout))
        else:
            self._show(row)
        if json and json != "-":
            try:
                with Path(json).open("w", encoding="utf-8") as file:
                    _write(row, file)
            except OSError as error:
                raise CommandError(f"{json} cannot be written: {error}.") from error
        if damages := row.findings.filter(is_damage=True, healed_at=None).count():
            raise CommandError(_advice(row, damages, is_repairing=repair))

    def _scrub(self, rate: int | None, *, is_repairing: bool, is_anew: bool) -> ScrubPass:
        try:
            with _bar() as show:
                return scrub.run(
                    principal=OPERATOR,
                    is_repairing=is_repairing,
                    rate=rate,
                    is_anew=is_anew,
                    progress=show,
                )
        except KeyboardInterrupt:
            self.stderr.write("Stopped; the same command goes on where this was.")
            sys.exit(130)
        except (Busy, TakenOver) as error:
            raise CommandError(
                "Another scrub is under way: wait until it ends. One that was killed counts as "
                "under way for two minutes."
            ) from error
        except ReadOnly as error:
            raise CommandError(f"{error}: without --repair it only looks.") from error
        except OSError as error:
            raise CommandError(f"The storage cannot be used: {error}.") from error
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be used: {error}. The same command goes on where this was."
            ) from error

    def _show(self, row: ScrubPass) -> None:
        width = None if self.stdout.isatty() else _WIDTH
        console = Console(file=cast("TextIO", self.stdout), width=width, highlight=False)
        found = row.findings.order_by("-is_damage", "pk")
        count = found.count()
        if count:
            console.print(_table(found[:MOST_SHOWN]))
        if count > MOST_SHOWN:
            console.print(f"… and {count - MOST_SHOWN} more: --json FILE has all of them")
        for line in _summary(row):
            console.print(line)


def _rate(text: str | None) -> int | None:
    """Raises CommandError."""
    try:
        return None if text is None else rate_of(text)
    except ValueError as error:
        raise CommandError(f"--rate: {error}") from error


@contextmanager
def _bar() -> Iterator[Callable[[ScrubPass], None]]:
    """A progress bar on standard error, where somebody watches; gives what moves it."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task("Reading blobs", total=None)

        def show(row: ScrubPass) -> None:
            total = max(row.expected_bytes, row.bytes)
            description = _STAGES[row.stage]
            progress.update(task, description=description, total=total, completed=row.bytes)

        yield show


def _table(findings: Any) -> Table:
    table = Table(expand=False)
    table.add_column("Found")
    table.add_column("What", overflow="fold")
    table.add_column("Bytes", justify="right")
    table.add_column("State")
    table.add_column("Hits", overflow="fold")
    for finding in findings:
        what = finding.target + (f"\n({finding.detail})" if finding.detail else "")
        table.add_row(
            finding.kind, escape(what), str(finding.size), _state(finding), escape(_hits(finding))
        )
    return table


def _state(finding: ScrubFinding) -> str:
    if not finding.is_damage:
        return "no damage"
    if finding.healed_at:
        return "healed"
    return "waits for a push" if finding.marked_at else "damaged"


def _hits(finding: ScrubFinding) -> str:
    if not finding.hits["repository_count"]:
        return ""
    lines = [
        ", ".join(f"{image['repository']}:{tag}" for tag in image["tags"])
        or f"{image['repository']}@{image['digest']}"
        for image in finding.hits["images"][:_MOST_NAMES]
    ]
    if further := finding.hits["image_count"] - len(lines):
        lines.append(f"… {further} more images")
    return "\n".join(lines) or "no image; " + ", ".join(finding.hits["repositories"][:_MOST_NAMES])


def _summary(row: ScrubPass) -> Iterator[str]:
    damages = row.findings.filter(is_damage=True).count()
    notices = row.findings.filter(is_damage=False).count()
    yield (
        f"{row.blobs} blobs ({decimal(row.bytes)} read) and {row.manifests} manifests looked at, "
        f"since {row.started_at:%Y-%m-%d %H:%M} UTC: {damages} damaged, {notices} harmless"
    )
    if row.unlinked:
        yield f"{row.unlinked} blobs that nothing links are left to the garbage collector"
    if row.foreign_files:
        yield f"{row.foreign_files} files without a row may be another registry's"


def _advice(row: ScrubPass, damages: int, *, is_repairing: bool) -> str:
    text = f"{damages} damaged. "
    if not is_repairing:
        return text + "With --repair they are set apart, so that clients push them again."
    if row.findings.filter(is_damage=True, healed_at=None, marked_at=None).exists():
        text += "Some could not be set apart: the log and the table say why. "
    return text + "Push the images above again: each blob heals everywhere as it comes."


def _write(row: ScrubPass, file: TextIO) -> None:
    """The report as JSON, a finding a line."""
    dump = json.JSONEncoder(default=DjangoJSONEncoder().default, ensure_ascii=False).encode
    apart = scrub_reports.quarantine(principal=OPERATOR)
    file.write(f'{{"pass": {dump(scrub_reports.figures_of(row))},\n')
    file.write(f'"quarantine": {dump({"files": apart.files, "bytes": apart.bytes})},\n')
    file.write('"findings": [')
    separator = "\n"
    for finding in row.findings.order_by("-is_damage", "pk").iterator():
        file.write(separator + dump(scrub_reports.facts_of(finding)))
        separator = ",\n"
    file.write("\n]}\n")
