"""`manage.py backup DEST`: everything that the registry holds, while it is in use."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from repositories.backups import saving, verifying
from repositories.backups.archive import Archive
from repositories.backups.saving import Report
from repositories.management.backups import complaint, counted, watched


class Command(BaseCommand):
    help = (
        "Save a snapshot of the database, the blobs that it names and the secret key, while the "
        "registry is in use. Blobs that are in DEST already are not saved again."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("dest", metavar="DEST", type=Path, help="the folder of the backup")
        parser.add_argument(
            "--keep",
            metavar="N",
            type=_count,
            help="then remove all but the newest N snapshots, and the blobs that only they name",
        )
        parser.add_argument(
            "--verify",
            action="store_true",
            help="save nothing: read a snapshot that is there, and say what of it is damaged",
        )
        parser.add_argument(
            "--snapshot", metavar="NAME", help="with --verify: another than the newest"
        )

    def handle(
        self,
        *args: Any,
        dest: Path,
        keep: int | None,
        verify: bool,
        snapshot: str | None,
        **options: Any,
    ) -> None:
        if verify:
            if keep is not None:
                raise CommandError("--verify removes nothing: leave out --keep.")
            self._verify(dest, snapshot)
            return
        if snapshot is not None:
            raise CommandError("--snapshot goes with --verify: a new one is called by its time.")
        with watched() as progress:
            report = saving.back_up(destination=dest, keep=keep, progress=progress)
        self._tell(report)
        if report.lost:
            kept = "; no snapshot was removed" if keep is not None else ""
            raise CommandError(complaint(report.lost, ending=f"all else is saved{kept}:"))

    def _verify(self, dest: Path, name: str | None) -> None:
        archive = Archive(dest)
        with watched() as progress, archive.locked(to_write=False):
            snapshot = archive.find(name)
            manifest = snapshot.manifest()
            found = verifying.verify(archive=archive, snapshot=snapshot, progress=progress)
        if found:
            raise CommandError(
                "\n".join([f"{snapshot.name} is damaged in {len(found)} places:", *found])
            )
        self.stdout.write(
            f"{snapshot.name} is whole: {manifest.blob_count - len(manifest.missing)} blobs of "
            f"{manifest.blob_count}, {manifest.blob_bytes} bytes, and the database"
        )

    def _tell(self, report: Report) -> None:
        names = ", ".join(report.files) or "none"
        self.stdout.write(
            f"snapshot {report.snapshot}\n"
            f"database: {report.database_bytes} bytes\n"
            f"files of the data folder: {names}\n"
            f"{counted('new, copied', report.copied)}\n"
            f"{counted('new, linked', report.linked)}\n"
            f"{counted('reused', report.reused)}"
        )
        if report.removed is not None:
            snapshots, blobs, size = report.removed
            self.stdout.write(f"removed: {snapshots} snapshots, {blobs} blobs, {size} bytes")
        if "secret_key" not in report.files:
            self.stdout.write(
                "SECRET_KEY is given by the environment and is no part of this backup: keep it "
                "elsewhere, a restore needs it"
            )


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("keep at least 1")
    return value
