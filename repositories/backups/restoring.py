"""`manage.py restore`: a snapshot, into an empty data folder and an empty database.

Blobs first, the database last: until that is there, nothing is. What has begun is marked by the
file `restoring` in the data folder, so that the same command can finish it when it was killed;
until then a system check keeps the server from starting.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from repositories import hits
from repositories.backups import database, files
from repositories.backups.archive import Archive, BackupError, Manifest, NamedBlob, Snapshot
from repositories.backups.files import Advance, Progress
from repositories.backups.saving import key_check
from repositories.backups.taking import Amount, Lost, size_of
from repositories.backups.verifying import verify
from repositories.checks import restore_mark
from repositories.database import execute
from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.base import BlobMissing
from repositories.storage.filesystem import sync_folder

_UPLOAD = "restore"
_KEY_FILE = "secret_key"


@dataclass(slots=True)
class Restored:
    """What a restore did. `there` are blobs that an earlier, killed one had restored."""

    snapshot: str
    copied: Amount = field(default_factory=Amount)
    linked: Amount = field(default_factory=Amount)
    there: Amount = field(default_factory=Amount)
    lost: list[Lost] = field(default_factory=list)


class _Source(NamedTuple):
    archive: Archive
    snapshot: Snapshot
    manifest: Manifest


def restore(
    *, source: Path, name: str | None, link: bool, check: bool, progress: Progress
) -> Restored:
    """Restore the snapshot `name`, or the newest; with `check`, only when it is undamaged.

    With `link` blobs are linked where they can be. Blobs that the backup lacks are told, and the
    rest is restored. Raises BackupError, OSError, Error.
    """
    archive = Archive(source)
    with archive.locked(to_write=False):
        snapshot = archive.find(name)
        chosen = _Source(archive, snapshot, snapshot.manifest())
        database.check_target(chosen.manifest)
        snapshot.check_list()
        _check_key(chosen)
        is_begun = _is_begun(chosen.manifest)
        if not is_begun:
            _check_empty(chosen)
        if check and (problems := verify(archive=archive, snapshot=snapshot, progress=progress)):
            raise BackupError("Nothing was restored. " + "\n".join(problems))
        if not is_begun:
            _begin(chosen)
        return _go_on(chosen, link=link, progress=progress)


def _go_on(source: _Source, *, link: bool, progress: Progress) -> Restored:
    result = Restored(source.snapshot.name)
    progress.begin("Restoring blobs", source.manifest.blob_bytes)
    storage().delete_upload(_UPLOAD)  # of one that was killed
    problems: list[tuple[Digest, str]] = []
    for blob in source.snapshot.blobs():
        try:
            _restore_blob(source.archive, blob, result, link=link, advance=progress.advance)
        except _Unusable as error:
            problems.append((blob.digest, str(error)))
    for entry in source.manifest.files:
        if name := _own_name(entry.name):
            files.install(source.snapshot.folder / entry.name, _data_folder() / name, entry.mode)
    progress.begin("Restoring the database", None)
    if not database.holds(source.manifest.token):
        if not database.is_empty():
            raise BackupError("Somebody uses the database: stop them, empty it, and run it again.")
        database.load(source.snapshot.folder, source.manifest)
    result.lost = [Lost(digest, why, hits.described(str(digest))) for digest, why in problems]
    _finish(source.manifest)
    return result


def _finish(manifest: Manifest) -> None:
    # Their bytes are no part of a backup: clients begin them anew.
    execute("DELETE FROM repositories_upload", [])
    restore_mark().unlink()
    sync_folder(_data_folder())
    # The last, since it tells whose database this is; left behind, it ends by itself.
    execute("DELETE FROM repositories_backuplease WHERE token = %s", [manifest.token])


def _data_folder() -> Path:
    return Path(settings.DATA_FOLDER)


def _own_name(name: str) -> str:
    """The name in the data folder of a file of the snapshot; empty for one that is none of it."""
    folder, _, own = name.partition("/")
    return own if folder == "data" and "/" not in own and own not in {"", ".", ".."} else ""


# --- what must hold before -----------------------------------------------------------------------


def _check_key(source: _Source) -> None:
    """Raises BackupError where the settings have, or will have, another key than the backup."""
    saved = source.snapshot.folder / "data" / _KEY_FILE
    is_given = _key_in(_data_folder() / _KEY_FILE) != settings.SECRET_KEY
    key = settings.SECRET_KEY if is_given else _key_in(saved)
    if key and key_check(key) == source.manifest.key_check:
        return
    if is_given:
        raise BackupError(
            "SECRET_KEY is not the one that the registry of this backup had, so that its "
            "signing keys could not be read: give that one, or none where the backup holds it."
        )
    raise BackupError(
        "The registry of this backup was given its SECRET_KEY by the environment, and the backup "
        "does not hold it: set the same SECRET_KEY, and run it again."
    )


def _key_in(path: Path) -> str:
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def _check_empty(source: _Source) -> None:
    """Raises BackupError."""
    if _holds_anything():
        raise BackupError(
            "The storage holds blobs or uploads already, and nothing is restored over them: name "
            "an empty folder with --data (or REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY)."
        )
    for entry in source.manifest.files:
        name = _own_name(entry.name)
        # The settings have made a secret key, with which nothing has been done in an empty place.
        if name and name != _KEY_FILE and (_data_folder() / name).exists():
            raise BackupError(
                f"{_data_folder() / name} exists, and the backup has a file of that name: move it "
                "away, or name an empty folder with --data."
            )
    if not database.is_empty():
        raise BackupError(
            "The database has tables already, and nothing is restored over them: let DATABASE_URL "
            "name an empty one, or move the SQLite file away, with its -wal and -shm."
        )


def _holds_anything() -> bool:
    keeper = storage()
    stored = (blob for shard in range(256) for blob in keeper.stored(shard))
    found = (any(True for _ in each) for each in (stored, keeper.uploads(), keeper.trash()))
    return keeper.is_shared() or any(found)


def _is_begun(manifest: Manifest) -> bool:
    """Whether this snapshot's restore was begun. Raises BackupError when another one's was."""
    try:
        begun = json.loads(restore_mark().read_bytes())
    except FileNotFoundError:
        return False
    if begun["token"] == manifest.token:
        return True
    raise BackupError(
        f"The snapshot {begun['snapshot']} was being restored here: finish that with --snapshot "
        f"{begun['snapshot']}, or empty the data folder and the database."
    )


def _begin(source: _Source) -> None:
    content = {"snapshot": source.snapshot.name, "token": source.manifest.token}
    files.write(restore_mark(), json.dumps(content).encode(), 0o600)


# --- blobs ---------------------------------------------------------------------------------------


class _Unusable(Exception):
    """The backup does not have the blob as it was."""


def _restore_blob(
    archive: Archive, blob: NamedBlob, result: Restored, *, link: bool, advance: Advance
) -> None:
    """Raises _Unusable, OSError."""
    if _is_stored(blob):
        result.there.add(blob.size)
        advance(blob.size)
        return
    path = archive.blob_path(blob.digest)
    size = size_of(path)
    if size != blob.size:
        has = "the backup does not have it" if size is None else f"its file has {size} bytes there"
        raise _Unusable(has)
    if link and storage().link_in(blob.digest, path):
        result.linked.add(blob.size)
        advance(blob.size)
    else:
        _copy(path, blob.digest, advance)
        result.copied.add(blob.size)


def _is_stored(blob: NamedBlob) -> bool:
    try:
        return storage().blob_size(blob.digest) == blob.size
    except BlobMissing:
        return False


def _copy(path: Path, digest: Digest, advance: Advance) -> None:
    """Push it, as it were: storage makes it durable, and puts it where it wants it."""
    keeper = storage()
    keeper.create_upload(_UPLOAD, durable=False)
    try:
        with (
            path.open("rb", buffering=0) as source,
            keeper.write_upload(_UPLOAD, digest.algorithm) as writer,
        ):
            while chunk := source.read(files.CHUNK):
                writer.write(chunk)
                advance(len(chunk))
            if writer.digest(digest.algorithm) != digest:
                raise _Unusable("the bytes of its file there do not hash to its digest")
            writer.publish(digest)
    finally:
        keeper.delete_upload(_UPLOAD)
