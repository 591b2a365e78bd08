"""The backup folder: snapshots, and the blobs that they share.

```
<folder>/                                  for its owner alone
  .berth-backup                            says what it is; locked by whoever is at it
  blobs/<alg>/<first two hex>/<hex>        blobs, each once: a file or a link to the registry's
  snapshots/<UTC time>/
    manifest.json                          what the snapshot is made of: `Manifest`
    database.sqlite3, database.dump        SQLite's, or PostgreSQL's (pg_dump's custom format)
    blobs.txt                              the blobs that it names: digest and size, sorted
    data/…                                 the files of the data folder, such as secret_key
  partial/                                 what is not whole yet, and counts for nothing
```

A snapshot is written in `partial/`, synced, and renamed: it is there whole or not at all. Blobs
come to their places in the same way, before the snapshot that names them does.
"""

import fcntl
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import NamedTuple

from repositories.backups import files
from repositories.oci.digests import HEX_LENGTHS, Digest
from repositories.oci.errors import DigestInvalid
from repositories.storage.filesystem import sync_folder

FORMAT = 1
_NAME = "%Y-%m-%dT%H-%M-%SZ"
_MARK = ".berth-backup"
LIST = "blobs.txt"
_REMEDY = "use another snapshot, and remove the folder of this one."


class BackupError(Exception):
    """What stands in the way of a backup, a restore or an export, and what to do about it."""


class OwnFolder(NamedTuple):
    """A folder that commands of one kind have to themselves.

    The file `mark` says that it is theirs, and is locked by whoever is at work there; `what` is
    what the folder is, such as a backup.
    """

    root: Path
    mark: str
    what: str

    def prepare(self, explanation: str) -> None:
        """Make the folder, if it is not there; its mark says `explanation`.

        Raises BackupError, OSError.
        """
        if (self.root / self.mark).exists():
            return
        files.make_folder(self.root)
        # The draft of the mark is what a run leaves that was killed just then.
        if set(os.listdir(self.root)) - {"lost+found", files.draft_of(self.root / self.mark).name}:
            raise BackupError(
                f"{self.root} is not empty, and no {self.what}: name a folder of its own."
            )
        files.write(self.root / self.mark, explanation.encode(), 0o600)

    @contextmanager
    def locked(self, *, to_write: bool) -> Iterator[None]:
        """Keep others out who write; a writer, everybody. Raises BackupError, OSError."""
        # NFS locks alone only what is open for writing; a reader's folder may be read-only.
        mode, kind = (os.O_RDWR, fcntl.LOCK_EX) if to_write else (os.O_RDONLY, fcntl.LOCK_SH)
        try:
            descriptor = os.open(self.root / self.mark, mode | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            message = f"{self.root} is no {self.what}: name the folder of one."
            raise BackupError(message) from error
        try:
            self._lock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)  # which unlocks it

    def _lock(self, descriptor: int, kind: int) -> None:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"Another command is at work in {self.root}: wait for it.") from error


class NamedBlob(NamedTuple):
    """A blob as a snapshot names it; `size` in bytes."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file of a snapshot: `name` is its path there, `mode` the permissions that it had."""

    name: str
    size: int
    sha256: str
    mode: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot is made of.

    `token` is the one of the lease that the backup held, whose row is in the saved database.
    `vendor` and `major` are the database's; `program` is the major version of pg_dump. `key_check`
    tells whether a secret key is the one. `missing` are digests of blobs that were nowhere.
    """

    created: str
    berth: str
    token: str
    vendor: str
    major: int
    program: int
    key_check: str
    blob_count: int
    blob_bytes: int
    files: list[SavedFile]
    missing: list[str] = field(default_factory=list)

    def dump(self) -> bytes:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Raises BackupError, OSError."""
        try:
            document = json.loads(path.read_bytes())
            if document.pop("format") != FORMAT:
                raise BackupError(f"{path} was written by a newer Berth: restore it with that one.")
            saved = [SavedFile(**entry) for entry in document.pop("files")]
            return cls(**document, files=saved)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BackupError(f"{path} is damaged ({error}): {_REMEDY}") from error


class Snapshot(NamedTuple):
    """One that is whole."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    def manifest(self) -> Manifest:
        """Raises BackupError, OSError."""
        return Manifest.load(self.folder / "manifest.json")

    def check_list(self) -> None:
        """See that the list of blobs is the one that was written. Raises BackupError, OSError."""
        with self._list.open("rb") as file:
            value = files.hash_of(file, "sha256", lambda _: None)
        if value not in [each.sha256 for each in self.manifest().files if each.name == LIST]:
            raise BackupError(f"{self._list} is damaged: {_REMEDY}")

    @property
    def _list(self) -> Path:
        return self.folder / LIST

    def blobs(self) -> Iterator[NamedBlob]:
        """The blobs that it names, by digest. Raises BackupError, OSError."""
        path = self._list
        with path.open(encoding="ascii") as lines:
            for line in lines:
                try:
                    digest, size = line.split()
                    yield NamedBlob(Digest.parse(digest), int(size))
                except (ValueError, DigestInvalid) as error:
                    raise BackupError(f"{path} is damaged at {line[:80]!r}: {_REMEDY}") from error


class Removed(NamedTuple):
    """What `Archive.prune` removed; `bytes` are those of the blobs."""

    snapshots: int
    blobs: int
    bytes: int


class Archive:
    """A backup folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.partial = root / "partial"
        self._blobs = root / "blobs"
        self._snapshots = root / "snapshots"
        self._own = OwnFolder(root, _MARK, "backup")

    def blob_path(self, digest: Digest) -> Path:
        """Where the blob is or would be."""
        return self._blobs / digest.algorithm / digest.hex[:2] / digest.hex

    def prepare(self) -> None:
        """Make the folder, if it is not there. Raises BackupError, OSError."""
        self._own.prepare("A backup of Berth: docs/backup.md\n")
        for folder in (self._blobs, self._snapshots):
            files.make_folder(folder)

    def locked(self, *, to_write: bool) -> AbstractContextManager[None]:
        """Keep others out who write; a writer, everybody. Raises BackupError, OSError."""
        return self._own.locked(to_write=to_write)

    def sync(self) -> None:
        """Make the folders of blobs durable; of those that hold blobs, who adds some does it."""
        for folder in (*self._blobs.iterdir(), self._blobs, self.root):
            sync_folder(folder)

    def clear(self) -> None:
        """Remove what is not whole, and make room for what is next. Whoever calls has locked it."""
        if self.partial.exists():
            shutil.rmtree(self.partial)
        files.make_folder(self.partial)

    def publish(self, folder: Path, at: datetime) -> Snapshot | None:
        """Make the snapshot `folder` one that counts; None where there is one of that second."""
        target = self._snapshots / at.strftime(_NAME)
        if target.exists():
            return None
        os.replace(folder, target)
        sync_folder(self._snapshots)
        return Snapshot(target)

    def snapshots(self) -> list[Snapshot]:
        """All of them, the oldest first."""
        found = self._snapshots.glob("*/manifest.json")
        return [Snapshot(path.parent) for path in sorted(found)]

    def find(self, name: str | None) -> Snapshot:
        """The snapshot of that name, or the newest. Raises BackupError."""
        snapshots = self.snapshots()
        if not snapshots:
            raise BackupError(f"{self.root} holds no snapshot.")
        if name is None:
            return snapshots[-1]
        for snapshot in snapshots:
            if snapshot.name == name:
                return snapshot
        names = ", ".join(snapshot.name for snapshot in snapshots[-10:])
        raise BackupError(f"There is no snapshot {name!r}. The newest are: {names}.")

    def prune(self, keep: int) -> Removed:
        """Remove all but the newest `keep` snapshots, and the blobs that none of these names.

        Killed half-way, it leaves blobs that nothing names, which the next one finds. Raises
        BackupError, OSError.
        """
        old, kept = self.snapshots()[:-keep], self.snapshots()[-keep:]
        for snapshot in kept:
            snapshot.check_list()
        for snapshot in old:
            grave = self.partial / snapshot.name
            os.replace(snapshot.folder, grave)
            shutil.rmtree(grave)
        sync_folder(self._snapshots)
        named = itertools.groupby(merge(*(each.blobs() for each in kept)), _shard_of)
        next_shard, blobs = next(named, ("", iter(())))
        removed = Removed(len(old), 0, 0)
        for shard in _shards():
            names: set[str] = set()
            if shard == next_shard:
                names = {blob.digest.hex for blob in blobs}
                next_shard, blobs = next(named, ("", iter(())))
            count, size = _remove_others(self._blobs / shard, names)
            removed = Removed(len(old), removed.blobs + count, removed.bytes + size)
        return removed


def _shards() -> list[str]:
    return sorted(f"{name}/{shard:02x}" for name in HEX_LENGTHS for shard in range(256))


def _shard_of(blob: NamedBlob) -> str:
    return f"{blob.digest.algorithm}/{blob.digest.hex[:2]}"


def _remove_others(folder: Path, names: Iterable[str]) -> tuple[int, int]:
    """Remove the files but those of these names: how many there were, and their bytes."""
    try:
        others = [entry for entry in os.scandir(folder) if entry.name not in names]
    except FileNotFoundError:
        return 0, 0
    sizes = [entry.stat().st_size for entry in others]
    for entry in others:
        Path(entry.path).unlink()
    return len(sizes), sum(sizes)
