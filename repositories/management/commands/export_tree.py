"""`manage.py export_tree DEST`: leave Berth for Docker's registry, while Berth is in use."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO, cast

from django.core.management import BaseCommand, CommandError
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from repositories.leaving import exporting
from repositories.leaving.exporting import Report
from repositories.management.backups import complaint, watched

# So many are shown; --json has them all.
_MOST_SHOWN = 20
# Where nobody's terminal says how wide a table may be.
_WIDTH = 120
_AMOUNTS = ("linked", "copied", "reused")


class Command(BaseCommand):
    help = (
        "Write a tree that Docker's registry (registry:2, registry:3) serves, while Berth is in "
        "use. Blobs are hard links where that is possible. Run again over the same DEST, it goes "
        "on, and brings the tree up to date."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "dest", metavar="DEST", type=Path, help="that registry's root folder: a new one"
        )
        parser.add_argument(
            "--repository",
            metavar="GLOB",
            dest="globs",
            action="append",
            default=[],
            help="only repositories of such names, as team/*; may be given several times",
        )
        parser.add_argument(
            "--json", action="store_true", help="print the report as JSON instead of a table"
        )

    def handle(self, *args: Any, dest: Path, globs: list[str], json: bool, **options: Any) -> None:
        with watched() as progress:
            report = exporting.export(destination=dest, globs=globs, progress=progress)
        if json:
            self.stdout.write(_document(report))
        else:
            self._show(report)
        if report.lost:
            raise CommandError(complaint(report.lost, ending="all else is exported:"))

    def _show(self, report: Report) -> None:
        width = None if self.stdout.isatty() else _WIDTH
        console = Console(file=cast("TextIO", self.stdout), width=width, highlight=False)
        table = Table(show_header=False)
        table.add_column()
        table.add_column(justify="right")
        found = report.found
        for name, count in (
            ("repositories", found.repositories),
            ("manifests", found.manifests),
            ("tags", found.tags),
            ("of these made for referrers", found.fallbacks),
        ):
            table.add_row(name, str(count))
        for name in _AMOUNTS:
            amount = getattr(report, name)
            table.add_row(f"blobs {name}", f"{amount.blobs} ({decimal(amount.bytes)})")
        table.add_row("lost", str(len(report.lost)))
        table.add_row("removed, as they are no more", str(report.removed))
        console.print(table)
        for image in found.retyped[:_MOST_SHOWN]:
            console.print(f"{image} says no media type: that registry takes it for an OCI one")
        if further := found.retyped[_MOST_SHOWN:]:
            console.print(f"… and {len(further)} more such images: --json has all of them")


def _document(report: Report) -> str:
    found = report.found
    amounts = {name: asdict(getattr(report, name)) for name in _AMOUNTS}
    lost = [
        {"digest": str(each.digest), "why": each.why, "images": each.images} for each in report.lost
    ]
    document = {
        "repositories": found.repositories,
        "manifests": found.manifests,
        "tags": found.tags,
        "fallback_tags": found.fallbacks,
        **amounts,
        "removed": report.removed,
        "retyped": found.retyped,
        "lost": lost,
    }
    return json.dumps(document, indent=1)
