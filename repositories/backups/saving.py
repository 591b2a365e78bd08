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

from repositories import hits, leases
from repositories.backups import database, files
from repositories.backups.archive import (
    LIST,
    Archive,
    BackupError,
    Manifest,
    NamedBlob,
    Removed,
    SavedFile,
    Snapshot,
)
from repositories.backups.files import Advance, Progress
from repositories.leases import Lease
from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.base import BlobMissing
from repositories.storage.filesystem import sync_folder


@dataclass(slots=True)
class Amount:
    """So many blobs, of so many bytes."""

    blobs: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.blobs += 1
        self.bytes += size


@dataclass(slots=True)
class Lost:
    """A blob that could not be saved or restored: why, and the images that are made of it."""

    digest: Digest
    why: str
    images: list[str]


@dataclass(slots=True)
class Report:
    """What a backup did. `reused` blobs were in the backup before."""

    snapshot: str = ""
    database_bytes: int = 0
    files: list[str] = field(default_factory=list)
    copied: Amount = field(default_factory=Amount)
    linked: Amount = field(default_factory=Amount)
    reused: Amount = field(default_factory=Amount)
    lost: list[Lost] = field(default_factory=list)
    removed: Removed | None = None


def back_up(*, destination: Path, keep: int | None, progress: Progress) -> Report:
    """Take a snapshot; then remove all but the newest `keep`, unless a blob is lost.

    Raises BackupError, LeaseLost, OSError, Error.
    """
    archive, report = Archive(destination), Report()
    _check_place(destination)
    archive.prepare()
    with archive.locked(to_write=True):
        archive.clear()
        with leases.hold() as lease:
            _save(archive, lease, report, progress)
        if keep is not None and not report.lost:
            progress.begin("Removing old snapshots", None)
            report.removed = archive.prune(keep)
    return report


def _check_place(destination: Path) -> None:
    """Raises BackupError for a folder that belongs to the registry."""
    root = Path(settings.BLOB_STORAGE.get("OPTIONS", {}).get("root", settings.DATA_FOLDER))
    own = [Path(settings.DATA_FOLDER).resolve(), root.resolve()]
    below = [folder / name for folder in own for name in ("docker", "berth")]
    place = destination.resolve()
    if place in own or any(place.is_relative_to(folder) for folder in below):
        raise BackupError(f"{destination} belongs to the registry: name a folder elsewhere.")


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
        try:
            _save_blob(archive, blob, target, report, advance)
        except (BlobMissing, _Damaged) as error:
            why = str(error) if isinstance(error, _Damaged) else "its file is nowhere"
            report.lost.append(Lost(blob.digest, why, hits.described(str(blob.digest))))
    if folder is not None:
        sync_folder(folder)
    archive.sync()


class _Damaged(Exception):
    """The file of a blob is not what its digest says."""


def _save_blob(
    archive: Archive, blob: NamedBlob, target: Path, report: Report, advance: Advance
) -> None:
    """Raises BlobMissing, _Damaged, OSError."""
    if size_of(target) == blob.size:
        report.reused.add(blob.size)
        advance(blob.size)
        return
    draft = archive.partial / "blob"
    draft.unlink(missing_ok=True)
    if storage().link_out(blob.digest, draft):
        if (size := size_of(draft)) != blob.size:
            raise _Damaged(f"its file has {size} bytes instead of {blob.size}")
        advance(blob.size)
        amount = report.linked
    else:
        with storage().open_kept(blob.digest) as source:
            _, value = files.copy(source, draft, blob.digest.algorithm, advance)
        if value != blob.digest.hex:
            raise _Damaged("the bytes of its file do not hash to its digest")
        amount = report.copied
    target.unlink(missing_ok=True)  # of another size: two names of one file are not renamed
    os.replace(draft, target)
    amount.add(blob.size)


def size_of(path: Path) -> int | None:
    """Bytes of a file; None where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
