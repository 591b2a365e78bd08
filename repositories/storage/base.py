"""The contract of a storage driver: bytes by digest, and uploads on their way to becoming such.

A driver knows nothing of repositories, users or rows. `tests/storage/test_contract.py` is run
against every driver; a new one is done when it passes there.

What a driver promises:

- `publish` makes a blob appear whole or not at all, and returns only when it would survive a power
  cut (invariant I0: the file is durable before the row is committed).
- an upload has one writer at a time, across all processes.
- after a crash at any point an upload's size is the number of bytes that can be read back.
- `discard` takes a blob away whole or not at all, and `restore` brings back what it took, until
  `purge_trash` has made an end of it. `quarantine` takes a damaged one away, and nothing of the
  driver's ever removes that. Who calls them has locked the digest, as `publish` has it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from repositories.oci.digests import CANONICAL, Digest


class BlobMissing(Exception):
    """No file holds the blob that a row promises: data was lost behind the registry's back."""


class UploadBusy(Exception):
    """Somebody else is writing to the upload."""


class UploadGone(Exception):
    """There is no such upload: it was finished or cancelled, perhaps while the caller waited."""


class StoredUpload(NamedTuple):
    """An upload as storage sees it: its id, its size in bytes and when it last grew."""

    id: str
    size: int
    modified: datetime


class StoredBlob(NamedTuple):
    """A blob as storage sees it: its size in bytes, and when it was written, or discarded."""

    digest: Digest
    size: int
    modified: datetime


class UploadWriter(ABC):
    """The one writer of an upload, positioned at its end."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes that the upload holds."""

    @property
    @abstractmethod
    def modified(self) -> datetime:
        """When the upload last grew."""

    @abstractmethod
    def write(self, chunk: bytes | memoryview) -> None:
        """Append `chunk`, whose memory stays as it is until the next one was written.

        Raises OSError; the upload then ends where it did before this call.
        """

    @abstractmethod
    def sync(self) -> None:
        """Make all that was written durable.

        Raises OSError, and the upload is gone then: after a failed sync nobody knows which bytes
        are on the disk, and the next one would claim success (Linux marks the pages clean).
        """

    @abstractmethod
    def digest(self, algorithm: str) -> Digest:
        """The digest of all bytes of the upload, those of earlier requests included."""

    @abstractmethod
    def publish(self, digest: Digest) -> None:
        """Turn the upload, which hashes to `digest`, into that blob; durable on return.

        A blob of the same digest that is there already is replaced. Raises OSError.
        """

    @abstractmethod
    def discard(self) -> None:
        """Remove the upload and its bytes."""


class Storage(ABC):
    """See the module docstring."""

    @abstractmethod
    def create_upload(self, upload: str, *, durable: bool = True) -> None:
        """Make a new, empty upload, which would survive a power cut.

        Where nobody could come back to it, let it not be `durable`: `publish` will see to that.
        Raises OSError, FileExistsError when there is one.
        """

    @abstractmethod
    def write_upload(
        self, upload: str, algorithm: str = CANONICAL
    ) -> AbstractContextManager[UploadWriter]:
        """Open the upload for appending. It is never made here: a finished one would come back.

        `algorithm` is the one that its digest will be asked for in: hashing while the bytes come
        saves reading them again. Raises UploadBusy, UploadGone, OSError.
        """

    @abstractmethod
    def upload_size(self, upload: str) -> int:
        """Bytes that the upload holds. Raises UploadGone."""

    @abstractmethod
    def delete_upload(self, upload: str) -> None:
        """Remove an upload; nothing happens when there is none."""

    @abstractmethod
    def uploads(self) -> Iterator[StoredUpload]:
        """Every upload that storage holds, in no order."""

    @abstractmethod
    def open_blob(self, digest: Digest) -> BinaryIO:
        """The blob, readable and seekable from its start. Raises BlobMissing."""

    @abstractmethod
    def blob_size(self, digest: Digest) -> int:
        """Bytes that the blob holds. Raises BlobMissing."""

    @abstractmethod
    def confirm(self, digest: Digest) -> None:
        """Make sure that a blob which is there would survive a power cut.

        Whoever published it may have been killed before they had made sure. Raises OSError.
        """

    @abstractmethod
    def stored(self, shard: int) -> Iterator[StoredBlob]:
        """The blobs whose digest's hex begins with the byte `shard`, in no order.

        From 0 to 255 they are all that there are: nobody has to look at them in one go.
        """

    @abstractmethod
    def is_shared(self) -> bool:
        """Whether another registry's records lie beside the blobs: not all of them are ours."""

    @abstractmethod
    def discard(self, digest: Digest) -> int:
        """Move a blob to the trash; how many bytes it has. Raises BlobMissing, OSError."""

    @abstractmethod
    def restore(self, digest: Digest) -> bool:
        """Take a blob back from the trash, durably; whether it was there. Raises OSError."""

    @abstractmethod
    def trash(self) -> Iterator[StoredBlob]:
        """What is in the trash, with the time at which it was discarded, in no order."""

    @abstractmethod
    def purge_trash(self, *, before: datetime) -> list[StoredBlob]:
        """Remove for good what was discarded before then; what that was. Raises OSError."""

    @abstractmethod
    def fingerprint(self, digest: Digest) -> str:
        """What changes whenever the bytes of the blob are published anew. Raises BlobMissing.

        Two looks that find the same have seen the same bytes, as far as storage can tell without
        reading them.
        """

    @abstractmethod
    def quarantine(self, digest: Digest) -> int:
        """Set a damaged blob apart, durably, for people to look at; how many bytes it has.

        One of the same digest that is there already stays beside it. Raises BlobMissing, OSError.
        """

    @abstractmethod
    def quarantined(self) -> Iterator[StoredBlob]:
        """What has been set apart, with the time at which it was, in no order; one digest may come
        several times."""

    @abstractmethod
    def open_kept(self, digest: Digest) -> BinaryIO:
        """The blob, be it stored or in the trash. Raises BlobMissing."""

    @abstractmethod
    def link_out(self, digest: Digest, target: Path) -> bool:
        """Make `target` another name of the blob's file, be it stored or in the trash.

        False where there is no such thing as a file, or `target` lies where it cannot be linked.
        The folder of `target` is there, and for the caller to sync. Raises BlobMissing, OSError.
        """

    @abstractmethod
    def link_in(self, digest: Digest, source: Path) -> bool:
        """Store the file `source` under its digest, durably, by a link; False as with `link_out`.

        Nobody else is publishing or discarding that blob. Raises OSError.
        """

    @abstractmethod
    def internal_path(self, digest: Digest) -> str:
        """The blob's path below the storage root, for a web server that serves it itself."""

    @abstractmethod
    def check(self) -> None:
        """Return when storage can be written. Raises OSError with what is wrong."""
