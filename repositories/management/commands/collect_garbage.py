"""`manage.py collect_garbage`: remove what nothing needs, now."""

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from repositories import forecast, garbage, read_only, reviews, trash
from repositories.reviews import Kind
from repositories.storage import storage
from repositories.trash import Tally

_GRACE = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Command(BaseCommand):
    help = (
        "Remove manifests, links, blobs and files that nothing has needed for as long as the grace "
        "is. The registry may be in use meanwhile; it does the same by itself, every minute."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
        parser.add_argument(
            "--delete-untagged",
            action="store_true",
            help="also manifests that no tag leads to, by an index or a subject either, and that "
            "nobody has pushed or pulled for as long as the grace is",
        )
        parser.add_argument("--quiet", action="store_true", help="say nothing")
        parser.add_argument(
            "--grace",
            metavar="24h",
            help="another than REGISTRY_GARBAGE_GRACE; with 0s, whoever is pushing an image may "
            "have to push its layers again",
        )

    def handle(
        self,
        *args: Any,
        dry_run: bool,
        delete_untagged: bool,
        quiet: bool,
        grace: str | None,
        **options: Any,
    ) -> None:
        if read_only.is_on() and not dry_run:
            raise CommandError("The registry is read-only: end that first, or use --dry-run.")
        try:
            with _untagged(_duration(grace) if delete_untagged else None):
                tally = _run(_duration(grace), dry_run=dry_run, insist=delete_untagged)
        except OSError as error:
            raise CommandError(f"The storage cannot be used: {error}.") from error
        if not quiet:
            self._tell(tally, dry_run=dry_run)

    def _tell(self, tally: Tally, *, dry_run: bool) -> None:
        would = "would be " if dry_run else ""
        self.stdout.write(
            f"{tally.manifests} manifests, {tally.links} links, {tally.blobs} blobs and "
            f"{tally.strays} files without a row {would}removed\n"
            f"{tally.trashed_bytes} bytes {would}moved to the trash\n"
            f"{tally.purged_bytes} bytes {would}freed: {tally.purged} files of the trash"
        )
        for why, count in sorted(tally.kept.items()):
            self.stdout.write(f"kept: {count} {why}")
        left = [blob.size for blob in storage().trash()]
        if left and not dry_run:
            self.stdout.write(
                f"kept: {sum(left)} bytes in {len(left)} files of the trash, until their grace is "
                "over"
            )


def _duration(text: str | None) -> timedelta:
    """Raises CommandError."""
    if text is None:
        return timedelta(seconds=settings.GARBAGE_GRACE)
    match = _GRACE.fullmatch(text)
    if match is None:
        raise CommandError(f"--grace: {text!r} is not a duration; write 0s, 90m, 24h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@contextmanager
def _untagged(age: timedelta | None) -> Iterator[None]:
    """Within, manifests without a tag go that are as old; None: as the settings say."""
    before = settings.GARBAGE_UNTAGGED
    if age is not None:
        if not settings.DELETE_ENABLED:
            raise CommandError(
                "Deletes are switched off (REGISTRY_STORAGE_DELETE_ENABLED): leave "
                "--delete-untagged out, or switch them on."
            )
        settings.GARBAGE_UNTAGGED = max(age, timedelta(microseconds=1)) / timedelta(days=1)
    try:
        yield
    finally:
        settings.GARBAGE_UNTAGGED = before


def _run(grace: timedelta, *, dry_run: bool, insist: bool) -> Tally:
    # Which decides nothing. Who insists does not wait for a grace that nobody has begun.
    reviews.nominate_forgotten(manifests_since=timezone.now() - grace if insist else None)
    if dry_run:
        with _bar(trash.SHARDS) as advance:
            return forecast.forecast(grace=grace, progress=advance)
    due = sum(len(garbage.due_targets(kind, grace)) for kind in Kind)
    with _bar(due + trash.SHARDS) as advance:
        tally = garbage.collect(grace=grace, insist=True, progress=advance)
        tally.add(trash.sweep(grace=grace, progress=advance))
    tally.add(trash.purge(grace=grace))
    return tally


@contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, where somebody watches; gives what advances it."""
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Looking", total=total)
        yield lambda: progress.advance(task)
