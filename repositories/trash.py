"""Files that no row names: moved to the trash, found by sweeping, purged when their grace is over.

The row of a blob goes before its bytes (invariant I0), in *two* transactions that lock the digest:
one deletes the row and commits (`garbage`); another sees that there is still none, and moves the
file (`set_aside`).

- Were the file moved before that commit, a commit that fails, or a process that dies, would leave a
  row without a file.
- Were it moved after the commit with the lock let go, a push in between would find the file in its
  place, commit a row, answer 201, and lose the file.

So no file is moved that a row names, whoever dies when. At worst a file is left that no row names;
the sweep finds it, and moves it in the same way. Nothing in the trash has a row: a push that takes
its file back does so with the digest locked, before it commits the row.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from itertools import islice

from django.db import transaction
from django.utils import timezone

from repositories import leases, read_only
from repositories.database import fetch, give_way, lock_digest
from repositories.models import Blob
from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.base import BlobMissing, StoredBlob

SHARDS = 256
SHARED = "files that another registry may need"
BACKED_UP = "files of the trash that a backup which is under way may need"
_PIECE = 500

Progress = Callable[[], None]


def nothing() -> None:
    """The progress that nobody wants to see."""


@dataclass(slots=True)
class Tally:
    """What a run removed. Bytes are those of files; `kept` says why rows stayed, and how many."""

    manifests: int = 0
    links: int = 0
    blobs: int = 0
    strays: int = 0
    trashed_bytes: int = 0  # of blobs and strays
    purged: int = 0
    purged_bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Count what another run removed with this one's."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def set_aside(digest: Digest) -> int | None:
    """Move the file of a blob to the trash, unless there is a row or the registry is read-only; the
    bytes that were moved.

    See the module's docstring. Raises OSError.
    """
    with transaction.atomic():
        if read_only.is_on_held():
            return None
        lock_digest(digest)
        if fetch("SELECT 1 FROM repositories_blob WHERE digest = %s", [str(digest)]):
            return None
        try:
            return storage().discard(digest)
        except BlobMissing:
            return None


def purge(*, grace: timedelta) -> Tally:
    """Remove what has been in the trash for as long as the grace.

    Nothing while a backup runs, or the registry is read-only. Raises OSError.
    """
    if read_only.is_on():
        return Tally()
    # In this order: what goes to the trash after a backup has begun is younger than this.
    before = timezone.now() - grace
    if leases.is_held():
        waiting = sum(blob.modified < before for blob in storage().trash())
        return Tally(kept=Counter({BACKED_UP: waiting} if waiting else {}))
    purged = storage().purge_trash(before=before)
    return Tally(purged=len(purged), purged_bytes=sum(blob.size for blob in purged))


def sweep(
    *, grace: timedelta, shards: Collection[int] = range(SHARDS), progress: Progress = nothing
) -> Tally:
    """Move the files of these shards to the trash that no row names, and are as old as the grace.

    Where the records of another registry lie beside them, they may be its, and stay. Raises
    OSError.
    """
    tally = Tally()
    for shard in shards:
        for blob in strays(shard, before=timezone.now() - grace):
            if storage().is_shared():
                tally.kept[SHARED] += 1
                continue
            start = time.monotonic()
            if (size := set_aside(blob.digest)) is not None:
                tally.strays += 1
                tally.trashed_bytes += size
            give_way(since=start)
        progress()
    return tally


def strays(shard: int, *, before: datetime) -> Iterator[StoredBlob]:
    """The files of a shard that no row names, as far as they were written before then."""
    files = (blob for blob in storage().stored(shard) if blob.modified < before)
    while piece := list(islice(files, _PIECE)):
        known = Blob.objects.filter(digest__in=[str(blob.digest) for blob in piece])
        digests = set(known.values_list("digest", flat=True))
        yield from (blob for blob in piece if str(blob.digest) not in digests)
