"""Blobs on a local disk, where the Distribution project has them: a tree is adopted in place.

```
<root>/
  docker/registry/v2/blobs/<alg>/<first two hex>/<hex>/data     a blob, raw bytes
  berth/uploads/<uuid>                                          an upload in flight
  berth/trash/<alg>-<hex>                                       a blob that nothing needed
  berth/quarantine/<alg>-<hex>[.<n>]                            a damaged blob
```

Publishing: the upload's bytes are synced, the file is renamed to `data`, and every folder whose
entries changed is synced, from the blob upwards. Both places are on one file system, so that the
rename is atomic (a system check says so when they are not). A discarded blob is renamed the same
way, and its time set before: the trash is purged by that.

What is at `data` is never written again, only renamed, removed and given other times: so another
hard link to it, such as a backup's, goes on having the bytes that hash to its digest.

One writer a time is kept by `flock` on the upload's file: the kernel lets go of it when a process
dies, however it dies.
"""

import errno
import fcntl
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from repositories.oci.digests import CANONICAL, HEX_LENGTHS, Digest
from repositories.oci.errors import DigestInvalid
from repositories.storage import writeback
from repositories.storage.base import (
    BlobMissing,
    Storage,
    StoredBlob,
    StoredUpload,
    UploadBusy,
    UploadGone,
    UploadWriter,
)
from repositories.storage.hashing import HashMemory, StreamHash

_READ_SIZE = 1024 * 1024
# So many bytes are worth asking the disk for.
_WRITEBACK_FROM = 8 * 1024 * 1024
# A client that lost its connection may come back before the server has noticed.
_LOCK_PATIENCE_SECONDS = 3.0
# Why a hard link cannot be made: two file systems, one that has none, none more, not our file.
_UNLINKABLE = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})


class FilesystemStorage(Storage):
    """Options: `root`, the folder that holds `docker/` and `berth/`."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.blobs = self.root / "docker" / "registry" / "v2" / "blobs"
        self._uploads = self.root / "berth" / "uploads"
        self._trash = self.root / "berth" / "trash"
        self._quarantine = self.root / "berth" / "quarantine"
        self.hashes = HashMemory()
        self._durable: set[Path] = set()

    def blob_path(self, digest: Digest) -> Path:
        """Where the blob is or would be."""
        return self.blobs / digest.algorithm / digest.hex[:2] / digest.hex / "data"

    def _place(self, digest: Digest) -> str:
        """Where to read it, as text: making a path of it takes longer than opening the file."""
        return f"{self.blobs}/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"

    def upload_path(self, upload: str) -> Path:
        return self._uploads / upload

    @contextmanager
    def write_upload(self, upload: str, algorithm: str = CANONICAL) -> Iterator[UploadWriter]:
        path = self.upload_path(upload)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise UploadGone(upload) from error
        try:
            _lock(descriptor, upload)
            if not _is_at(descriptor, path):
                raise UploadGone(upload)
            writer = _FileWriter(self, upload, descriptor, algorithm)
            try:
                yield writer
            finally:
                writer.settle()
        finally:
            os.close(descriptor)

    def create_upload(self, upload: str, *, durable: bool = True) -> None:
        self.make_durable(self._uploads)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(self.upload_path(upload), flags, 0o644))
        if not durable:
            return
        try:
            sync_folder(self._uploads)
        except OSError:
            self.delete_upload(upload)
            raise

    def upload_size(self, upload: str) -> int:
        try:
            return self.upload_path(upload).stat().st_size
        except FileNotFoundError as error:
            raise UploadGone(upload) from error

    def delete_upload(self, upload: str) -> None:
        self.hashes.forget(upload)
        self.upload_path(upload).unlink(missing_ok=True)

    def uploads(self) -> Iterator[StoredUpload]:
        with suppress(FileNotFoundError), os.scandir(self._uploads) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # finished while we were looking
                    status = entry.stat()
                    yield StoredUpload(entry.name, status.st_size, _modified(status))

    def open_blob(self, digest: Digest) -> BinaryIO:
        try:
            return open(self._place(digest), "rb", buffering=0)
        except FileNotFoundError as error:
            raise BlobMissing(str(digest)) from error

    def blob_size(self, digest: Digest) -> int:
        try:
            return os.stat(self._place(digest)).st_size
        except FileNotFoundError as error:
            raise BlobMissing(str(digest)) from error

    def confirm(self, digest: Digest) -> None:
        folder = self.blob_path(digest).parent
        self.make_durable(folder.parent)
        sync_folder(folder.parent)
        sync_folder(folder)

    def stored(self, shard: int) -> Iterator[StoredBlob]:
        for algorithm in HEX_LENGTHS:
            folder = self.blobs / algorithm / f"{shard:02x}"
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    yield from _stored(f"{algorithm}:{entry.name}", f"{entry.path}/data")

    def is_shared(self) -> bool:
        return (self.blobs.parent / "repositories").exists()

    def discard(self, digest: Digest) -> int:
        return self._move_away(digest, self._trash_path(digest))

    def _move_away(self, digest: Digest, target: Path) -> int:
        path = self.blob_path(digest)
        self.make_durable(target.parent)
        try:
            size = path.stat().st_size
            os.utime(path)
            os.replace(path, target)
        except FileNotFoundError as error:
            raise BlobMissing(str(digest)) from error
        sync_folder(target.parent)
        sync_folder(path.parent)
        with suppress(OSError):  # somebody keeps something of theirs in it
            path.parent.rmdir()
        return size

    def restore(self, digest: Digest) -> bool:
        path, discarded = self.blob_path(digest), self._trash_path(digest)
        if not discarded.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(discarded, path)
        except FileNotFoundError:  # purged meanwhile
            return False
        self.confirm(digest)
        return True

    def trash(self) -> Iterator[StoredBlob]:
        with suppress(FileNotFoundError), os.scandir(self._trash) as entries:
            for entry in entries:
                yield from _stored(entry.name.replace("-", ":", 1), entry.path)

    def purge_trash(self, *, before: datetime) -> list[StoredBlob]:
        purged = []
        for blob in self.trash():
            if blob.modified < before:
                with suppress(FileNotFoundError):  # taken back, or purged by somebody else
                    self._trash_path(blob.digest).unlink()
                    purged.append(blob)
        return purged

    def fingerprint(self, digest: Digest) -> str:
        try:
            status = os.stat(self._place(digest))
        except FileNotFoundError as error:
            raise BlobMissing(str(digest)) from error
        return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"

    def quarantine(self, digest: Digest) -> int:
        name = f"{digest.algorithm}-{digest.hex}"
        names = itertools.chain([name], (f"{name}.{number}" for number in itertools.count(2)))
        places = (self._quarantine / name for name in names)
        return self._move_away(digest, next(place for place in places if not place.exists()))

    def quarantined(self) -> Iterator[StoredBlob]:
        with suppress(FileNotFoundError), os.scandir(self._quarantine) as entries:
            for entry in entries:
                name = entry.name.partition(".")[0].replace("-", ":", 1)
                yield from _stored(name, entry.path)

    def open_kept(self, digest: Digest) -> BinaryIO:
        for place in self._places(digest):
            with suppress(FileNotFoundError):
                return open(place, "rb", buffering=0)
        raise BlobMissing(str(digest))

    def link_out(self, digest: Digest, target: Path) -> bool:
        for place in self._places(digest):
            with suppress(FileNotFoundError):
                return _link(place, target)
        raise BlobMissing(str(digest))

    def link_in(self, digest: Digest, source: Path) -> bool:
        target = self.blob_path(digest)
        self.make_durable(target.parent.parent)
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        if not _link(source, target):
            return False
        self.confirm(digest)
        return True

    def _places(self, digest: Digest) -> tuple[Path, ...]:
        """Where to look for a blob that others may be moving to the trash, or taking back."""
        return (self.blob_path(digest), self._trash_path(digest)) * 3

    def _trash_path(self, digest: Digest) -> Path:
        return self._trash / f"{digest.algorithm}-{digest.hex}"

    def make_durable(self, folder: Path) -> None:
        """Make `folder` and what is missing above it, so that a power cut takes nothing back.

        A folder that is there may be the work of a process that was killed before it was synced,
        so each process makes sure once.
        """
        if folder in self._durable:
            return
        if folder == self.root:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            self.make_durable(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
        self._durable.add(folder)

    def internal_path(self, digest: Digest) -> str:
        return str(self.blob_path(digest).relative_to(self.root))

    def check(self) -> None:
        for folder in (self.blobs, self._uploads):
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        if self.blobs.stat().st_dev != self._uploads.stat().st_dev:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(self._uploads))


class _FileWriter(UploadWriter):
    def __init__(
        self,
        storage: FilesystemStorage,
        upload: str,
        descriptor: int,
        algorithm: str,
    ) -> None:
        self._storage = storage
        self._upload = upload
        self._descriptor = descriptor
        self._size = os.lseek(descriptor, 0, os.SEEK_END)
        self._begun = self._size  # up to where the kernel writes to the disk already
        # What an earlier, killed request wrote may never have been synced.
        self._dirty = True
        self._stream = self._resume(algorithm)

    def _resume(self, algorithm: str) -> StreamHash | None:
        """The hash so far, where it is known; None where it would have to be read back."""
        if self._size == 0:
            return StreamHash(algorithm)
        known = self._storage.hashes.take(self._upload, self._size, algorithm)
        return StreamHash(algorithm, known) if known is not None else None

    @property
    def size(self) -> int:
        return self._size

    @property
    def modified(self) -> datetime:
        return _modified(os.fstat(self._descriptor))

    def write(self, chunk: bytes | memoryview) -> None:
        try:
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            # Half a chunk may have been written: the upload ends where it did before.
            os.ftruncate(self._descriptor, self._size)
            os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._size += len(chunk)
        self._dirty = True
        self._begin_writeback()
        if self._stream is not None:
            self._stream.update(chunk)

    def _begin_writeback(self) -> None:
        """Keep the disk busy while a long upload comes: the sync at its end waits for less."""
        waiting = self._size - self._begun
        if waiting >= _WRITEBACK_FROM:
            writeback.begin(self._descriptor, self._begun, waiting)
            self._begun = self._size

    def sync(self) -> None:
        if not self._dirty:
            return
        try:
            os.fsync(self._descriptor)
        except OSError:
            self.discard()
            raise
        self._dirty = False

    def digest(self, algorithm: str) -> Digest:
        if self._stream is None or self._stream.algorithm != algorithm:
            self._stream = self._read_back(algorithm)
        return Digest(algorithm, self._stream.settle().hexdigest())

    def _read_back(self, algorithm: str) -> StreamHash:
        stream, position = StreamHash(algorithm), 0
        try:
            while position < self._size:
                chunk = os.pread(self._descriptor, min(_READ_SIZE, self._size - position), position)
                if not chunk:
                    raise OSError(errno.EIO, "the upload is shorter than it was", self._upload)
                stream.update(chunk)
                position += len(chunk)
        finally:
            stream.settle()
        return stream

    def publish(self, digest: Digest) -> None:
        self.sync()
        target = self._storage.blob_path(digest)
        target.parent.parent.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(exist_ok=True)
        os.replace(self._storage.upload_path(self._upload), target)
        self._storage.confirm(digest)
        self._forget_hash()

    def discard(self) -> None:
        self._forget_hash()
        self._storage.delete_upload(self._upload)

    def _forget_hash(self) -> None:
        """Others may have its thread now."""
        if self._stream is not None:
            self._stream.settle()
            self._stream = None

    def settle(self) -> None:
        """End the hashing thread, and keep the hash for the next request to this process."""
        if self._stream is not None and self._size:
            value = self._stream.settle()
            self._storage.hashes.keep(self._upload, self._size, self._stream.algorithm, value)


def _link(source: Path, target: Path) -> bool:
    """Whether the file system lets a hard link be made. Raises OSError."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in _UNLINKABLE:
            return False
        raise
    return True


def _stored(name: str, path: str) -> Iterator[StoredBlob]:
    """The blob, unless it is none of ours, or has gone while we were looking."""
    with suppress(DigestInvalid, FileNotFoundError, NotADirectoryError):
        digest, status = Digest.parse(name), os.stat(path)
        yield StoredBlob(digest, status.st_size, _modified(status))


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`: while we waited for the lock, another
    request may have published it, and what we appended would go into the blob."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int, upload: str) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise UploadBusy(upload) from error
            time.sleep(0.02)
        else:
            return


def sync_folder(folder: Path) -> None:
    """Make the entries of `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
