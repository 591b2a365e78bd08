"""`manage.py apply_retention`: remove what the retention rules say, now."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management import CommandError
from django.db.models import Q
from rich.console import Console
from rich.progress import Progress

from accounts.management.local import LocalCommand
from repositories import retention, retention_previews, retention_runs
from repositories.models import Repository
from repositories.retention_previews import Preview
from repositories.retention_runs import Outcome

_PIECE = 1000


class Command(LocalCommand):
    help = (
        "Remove the tags and manifests that no retention rule keeps. The registry does the same by "
        "itself every few hours. Until the grace is over that can be undone, on the pages and by "
        "the API."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "repositories",
            nargs="*",
            metavar="REPOSITORY",
            help="team/app; without any, all that have rules",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what would be removed, and why"
        )

    def run(self, *, repositories: list[str], dry_run: bool, **_: Any) -> None:
        found = _named(repositories) if repositories else list(_with_rules())
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("Repositories", total=len(found))
            if dry_run:
                self._preview(found, lambda: progress.advance(task))
            else:
                self._apply(found, lambda: progress.advance(task))

    def _preview(self, rows: list[Repository], advance: Any) -> None:
        said = retention_previews.preview_together(
            ((row, retention.policy_of(row).rules) for row in rows), progress=advance
        )
        for found in said.repositories:
            self._tell(found)
        tags = sum(found.tags for found in said.repositories)
        manifests = sum(found.manifests for found in said.repositories)
        self.stdout.write(
            f"{tags} tags and {manifests} manifests would be removed; "
            f"{said.bytes} bytes in {said.blobs} blobs would be freed by the collector"
        )
        if said.is_switched_off:
            self.stdout.write(
                "nothing is removed here: REGISTRY_STORAGE_DELETE_ENABLED=true would allow it"
            )

    def _tell(self, found: Preview) -> None:
        name, after = found.repository.name, ""
        while True:
            entries, after = retention_previews.entries(
                found.plan, stays=False, after=after, limit=_PIECE
            )
            for entry in entries:
                what = f"{name}:{entry.tag}" if entry.tag else f"{name}@{entry.digest}"
                reason = entry.because.value if entry.rule is None else str(entry.rule)
                self.stdout.write(f"{what}  {reason}")
            if not after:
                return

    def _apply(self, rows: list[Repository], advance: Any) -> None:
        total, failed = Outcome(), []
        for row in rows:
            try:
                outcome = retention_runs.apply(repository=row)
            except PermissionDenied as error:
                raise CommandError(str(error)) from error
            except Exception as error:  # whatever it is, the other repositories go on
                failed.append(f"{row.name}: {error}")
                continue
            finally:
                advance()
            self.stdout.write(
                f"{row.name}: {outcome.tags} tags and {outcome.manifests} manifests removed, "
                f"{outcome.changed} changed meanwhile and stay"
            )
            total.tags += outcome.tags
            total.manifests += outcome.manifests
        self.stdout.write(f"{total.tags} tags and {total.manifests} manifests removed")
        if failed:
            raise CommandError("; ".join(failed))


def _named(names: list[str]) -> list[Repository]:
    """Raises CommandError."""
    found = {row.name: row for row in Repository.objects.filter(name__in=names)}
    for name in names:
        if name not in found:
            raise CommandError(f"There is no repository {name!r}.")
    return [found[name] for name in dict.fromkeys(names)]


def _with_rules() -> Iterator[Repository]:
    has_rules = Q(retention_policy__isnull=False) | Q(team__retention_policy__isnull=False)
    return Repository.objects.filter(has_rules).order_by("name").iterator(chunk_size=_PIECE)
