"""Blobs taken out of the storage of a registry in use: by a hard link, or by a copy that is hashed.

What the collector moves to the trash meanwhile is taken from there: whoever takes holds a lease
(`leases`), which keeps that from being purged.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from repositories import hits
from repositories.backups import files
from repositories.backups.archive import BackupError, NamedBlob
from repositories.backups.files import Advance
from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.base import BlobMissing


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
class Taken:
    """What came of the blobs that were to be taken. `reused` were there before."""

    copied: Amount = field(default_factory=Amount)
    linked: Amount = field(default_factory=Amount)
    reused: Amount = field(default_factory=Amount)
    lost: list[Lost] = field(default_factory=list)


def check_place(destination: Path) -> None:
    """Raises BackupError for a folder that belongs to the registry, or to one that it shows."""
    options = settings.BLOB_STORAGE.get("OPTIONS", {})
    roots = [options[name] for name in ("root", "tree") if name in options]
    own = [Path(root).resolve() for root in (settings.DATA_FOLDER, *roots)]
    below = [folder / name for folder in own for name in ("docker", "berth")]
    place = destination.resolve()
    if place in own or any(place.is_relative_to(folder) for folder in below):
        raise BackupError(f"{destination} belongs to the registry: name a folder elsewhere.")


def take(blob: NamedBlob, target: Path, draft: Path, taken: Taken, advance: Advance) -> bool:
    """Have the blob at `target`, whole or not at all; whether that could be, which `taken` says.

    Its folder is there, and for the caller to sync; so is that of `draft`, on the same file system.
    Raises OSError.
    """
    try:
        _take(blob, target, draft, taken, advance)
    except (BlobMissing, _Damaged) as error:
        why = str(error) if isinstance(error, _Damaged) else "its file is nowhere"
        taken.lost.append(Lost(blob.digest, why, hits.described(str(blob.digest))))
        return False
    return True


class _Damaged(Exception):
    """The file of a blob is not what its digest says."""


def _take(blob: NamedBlob, target: Path, draft: Path, taken: Taken, advance: Advance) -> None:
    """Raises BlobMissing, _Damaged, OSError."""
    if size_of(target) == blob.size:
        taken.reused.add(blob.size)
        advance(blob.size)
        return
    draft.unlink(missing_ok=True)
    if storage().link_out(blob.digest, draft):
        if (size := size_of(draft)) != blob.size:
            draft.unlink()  # nobody shall write into what is the registry's file
            raise _Damaged(f"its file has {size} bytes instead of {blob.size}")
        advance(blob.size)
        amount = taken.linked
    else:
        with storage().open_kept(blob.digest) as source:
            _, value = files.copy(source, draft, blob.digest.algorithm, advance)
        if value != blob.digest.hex:
            raise _Damaged("the bytes of its file do not hash to its digest")
        amount = taken.copied
    target.unlink(missing_ok=True)  # of another size: two names of one file are not renamed
    os.replace(draft, target)
    amount.add(blob.size)


def size_of(path: Path) -> int | None:
    """Bytes of a file; None where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
