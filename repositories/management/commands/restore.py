"""`manage.py restore SRC`: a backup, into an empty data folder and an empty database."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from repositories.backups import restoring
from repositories.management.backups import complaint, counted, watched


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty data folder and an empty database, with the server "
        "stopped. When it was killed, run it again: it goes on."
    )
    # One of them says that a restore has not ended.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("src", metavar="SRC", type=Path, help="the folder of the backup")
        parser.add_argument("--snapshot", metavar="NAME", help="another than the newest")
        parser.add_argument(
            "--link",
            action="store_true",
            help="link blobs instead of copying them, where SRC is on the same file system",
        )
        parser.add_argument(
            "--verify",
            action="store_true",
            help="read the whole snapshot first, and restore nothing when it is damaged",
        )

    def handle(
        self,
        *args: Any,
        src: Path,
        snapshot: str | None,
        link: bool,
        verify: bool,
        **options: Any,
    ) -> None:
        with watched() as progress:
            done = restoring.restore(
                source=src, name=snapshot, link=link, check=verify, progress=progress
            )
        self.stdout.write(
            f"snapshot {done.snapshot} is restored\n"
            f"{counted('copied', done.copied)}\n"
            f"{counted('linked', done.linked)}\n"
            f"{counted('there already', done.there)}"
        )
        if done.lost:
            raise CommandError(complaint(done.lost, ending="all else is restored:"))
