"""`manage.py backup`: a snapshot of the database, then every blob that it names.

In this order: a blob that is pushed between the two is in the storage and not in the snapshot,
which does no harm. The other way round a row would lack its file. What is collected between the two
is in the trash, which a lease keeps from being purged (`leases`).
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac

from repositories import leases
from repositories.backups import database, files
from repositories.backups.archive import (
    LIST,
    Archive,
    Manifest,
    NamedBlob,
    Removed,
    SavedFile,
    Snapshot,
)
from repositories.backups.files import Advance, Progress
from repositories.backups.taking import Amount, Taken, check_place, take
from repositories.leases import Lease
from repositories.storage.filesystem import sync_folder


@dataclass(slots=True)
class Report(Taken):
    """What a backup did. `reused` blobs were in the backup before."""

    snapshot: str = ""
    database_bytes: int = 0
    files: list[str] = field(default_factory=list)
    removed: Removed | None = None


def back_up(*, destination: Path, keep: int | None, progress: Progress) -> Report:
    """Take a snapshot; then remove all but the newest `keep`, unless a blob is lost.

    Raises BackupError, LeaseLost, OSError, Error.
    """
    archive, report = Archive(destination), Report()
    check_place(destination)
    archive.prepare()
    with archive.locked(to_write=True):
        archive.clear()
        with leases.hold() as lease:
            _save(archive, lease, report, progress)
        if keep is not None and not report.lost:
            progress.begin("Removing old snapshots", None)
            report.removed = archive.prune(keep)
    return report


def _save(archive: Archive, lease: Lease, report: Report, progress: Progress) -> None:
    draft = archive.partial / "snapshot"
    draft.mkdir(0o700)
    progress.begin("Saving the database", None)
    at = datetime.now(UTC)
    totals = Amount()

    def listing(rows: Iterable[tuple[str, int]]) -> None:
        with open(draft / LIST, "x", encoding="ascii", opener=files.for_owner) as file:
            for digest, size in rows:
                file.write(f"{digest} {size}\n")
                totals.add(size)
            file.flush()
            os.fsync(file.fileno())

    saved = database.save(draft, listing)
    _save_data_folder(draft / "data")
    progress.begin("Saving blobs", totals.bytes)
    _save_blobs(archive, Snapshot(draft).blobs(), report, progress.advance)
    if report.lost:
        lease.renew()  # or they may be lost to this backup only
    entries = list(_entries(draft))
    manifest = Manifest(
        created=at.isoformat(timespec="seconds"),
        berth=settings.VERSION,
        token=lease.token,
        **saved._asdict(),
        key_check=key_check(settings.SECRET_KEY),
        blob_count=totals.blobs,
        blob_bytes=totals.bytes,
        files=entries,
        missing=[str(lost.digest) for lost in report.lost],
    )
    files.write(draft / "manifest.json", manifest.dump(), 0o600)
    report.database_bytes = entries[0].size
    report.files = [entry.name.partition("/")[2] for entry in entries if "/" in entry.name]
    report.snapshot = _publish(archive, draft, at).name


def _publish(archive: Archive, draft: Path, at: datetime) -> Snapshot:
    """A snapshot is called by its time, to the second: of the next one, where that is taken."""
    while (snapshot := archive.publish(draft, at)) is None:
        time.sleep(0.1)
        at = datetime.now(UTC)
    return snapshot


def key_check(secret_key: str) -> str:
    """What tells whether a secret key is the same, without telling the key."""
    return salted_hmac("berth.backup", "key", secret=secret_key, algorithm="sha256").hexdigest()


def _save_data_folder(target: Path) -> None:
    """Copy the files that lie in the data folder itself: the secret key, and what else people keep
    there. Everything in folders is blobs, or can be made again."""
    target.mkdir(0o700)
    for path in sorted(Path(settings.DATA_FOLDER).iterdir()):
        if path.is_file() and not _is_made_again(path):
            files.install(path, target / path.name, path.stat().st_mode)


def _is_made_again(path: Path) -> bool:
    """Whether it is the database, with its -wal, -shm and -generations, or somebody's draft."""
    if connection.vendor == "sqlite":
        database_path = Path(str(connection.settings_dict["NAME"])).resolve()
        if path.parent == database_path.parent and (
            path.name == database_path.name or path.name.startswith(f"{database_path.name}-")
        ):
            return True
    return path.name.startswith("secret_key.") or path.match(".*.new")


def _entries(draft: Path) -> Iterable[SavedFile]:
    """The files of the snapshot, the database's first."""
    paths = [*draft.glob("database.*"), draft / LIST, *sorted((draft / "data").iterdir())]
    for path in paths:
        with path.open("rb") as file:
            value = files.hash_of(file, "sha256", lambda _: None)
        status = path.stat()
        name = str(path.relative_to(draft))
        yield SavedFile(name, status.st_size, value, status.st_mode & 0o777)


def _save_blobs(
    archive: Archive, blobs: Iterable[NamedBlob], report: Report, advance: Advance
) -> None:
    folder: Path | None = None
    for blob in blobs:
        target = archive.blob_path(blob.digest)
        if target.parent != folder:  # they come by digest: so each folder is synced once
            if folder is not None:
                sync_folder(folder)
            folder = target.parent
            files.make_folder(folder)
        take(blob, target, archive.partial / "blob", report, advance)
    if folder is not None:
        sync_folder(folder)
    archive.sync()
