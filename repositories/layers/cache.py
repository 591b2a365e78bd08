"""The folder of listings: finished ones, and who is making which.

```
<data>/berth/listings/
  layers/<alg>/<hex>.sqlite3       a finished listing of a layer
  images/<alg>/<hex>.sqlite3       a merged tree, by the digest of its manifest
  …/<hex>.working                  locked while a child is at it; holds how far it is
  …/<hex>.temporary                what the child writes
  slots/0, slots/1                 locked by those who work now
```

All of it can be made anew from the blobs, so all of it may be deleted at any time. The locks are
`flock`'s, which the child inherits and the kernel lets go of when it dies, however it dies.
"""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

from repositories.layers import store
from repositories.layers.limits import MIB
from repositories.layers.store import Listing
from repositories.oci.digests import Digest

MAX_BYTES = 256 * MIB
SLOTS = 2
# What nobody has touched for so long was left behind by somebody who was killed.
_LEFT_BEHIND_SECONDS = 3600
_FINISHED, _WORKING, _TEMPORARY = ".sqlite3", ".working", ".temporary"

logger = logging.getLogger(__name__)


class NotListed(Exception):
    """There is no finished listing, or it was damaged and is gone now: `start` makes it."""


class Place:
    """Where one listing is kept."""

    def __init__(self, kind: str, digest: Digest) -> None:
        base = folder() / kind / digest.algorithm / digest.hex
        self.finished = base.with_name(base.name + _FINISHED)
        self.working = base.with_name(base.name + _WORKING)
        self.temporary = base.with_name(base.name + _TEMPORARY)

    @contextmanager
    def opened(self) -> Iterator[Listing]:
        """The finished listing. Raises NotListed, also within the block, when it is damaged."""
        try:
            with store.reading(self.finished) as listing:
                os.utime(self.finished)  # the age of use, by which the cache forgets
                yield listing
        except FileNotFoundError as error:
            raise NotListed from error
        except (sqlite3.Error, ValueError) as error:
            logger.error("the listing %s is damaged and made anew: %s", self.finished, error)
            self.finished.unlink(missing_ok=True)
            raise NotListed from error


def folder() -> Path:
    """Where all of it is."""
    return Path(settings.DATA_FOLDER) / "berth" / "listings"


def lock(path: Path) -> int | None:
    """Lock a file, made if need be; None while another holds it. Closing the descriptor lets go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)  # it was removed between opening and locking


def slot() -> int | None:
    """One of the SLOTS for all processes of the server; None while all are taken."""
    for number in range(SLOTS):
        descriptor = lock(folder() / "slots" / str(number))
        if descriptor is not None:
            return descriptor
    return None


def sweep() -> None:
    """Remove what was used longest ago, down to MAX_BYTES, and what was left behind."""
    kept: list[tuple[float, int, Path]] = []
    for path in folder().glob("*/*/*"):
        with suppress(FileNotFoundError):
            status = path.stat()
            if path.suffix == _FINISHED:
                kept.append((status.st_mtime, status.st_size, path))
            elif status.st_mtime < time.time() - _LEFT_BEHIND_SECONDS:
                _remove(path)
    total = sum(size for _, size, _ in kept)
    for _, size, path in sorted(kept)[:-1]:  # the newest stays: somebody waits for it
        if total <= MAX_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size


def _remove(path: Path) -> None:
    """Remove what is left behind, unless a child is at it after all."""
    descriptor = lock(path.with_suffix(_WORKING))
    if descriptor is not None:
        path.unlink(missing_ok=True)
        os.close(descriptor)
