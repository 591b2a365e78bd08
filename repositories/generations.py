"""A number for each repository that changes when an answer about it may have become wrong.

All processes of a host share them in one file, mapped into memory: asking for one costs next to
nothing, and a change that one process makes is seen by all others as soon as it is written.

```
2^16 numbers of 8 bytes, each shared by the repositories whose names hash to its place
```
"""

import logging
import mmap
import os
import secrets
import zlib
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path

from django.conf import settings
from django.db import connection

_PLACES = 1 << 16
_WIDTH = 8
_SIZE = _PLACES * _WIDTH

logger = logging.getLogger(__name__)


class Generations:
    """The file at `path`, made when it is missing. Raises OSError when it cannot be used."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            _fill(self._descriptor)
            mapped = mmap.mmap(self._descriptor, _SIZE, mmap.MAP_SHARED, mmap.PROT_READ)
            status = os.fstat(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._numbers = memoryview(mapped).cast("Q")
        # Of all files that are open on one kernel, no two have the same.
        self.identity = f"{status.st_dev}:{status.st_ino}"

    def of(self, repository: str) -> int:
        """The repository's number. One of another name can be the same: that does no harm."""
        return self._numbers[_place(repository)]

    def bump(self, repository: str) -> None:
        """Change the repository's number for every process of this host. Raises OSError.

        To a random one, so that no two writers have to agree on which comes next. Written rather
        than stored into the map: on a full disk some file systems would kill the process for that.
        """
        os.pwrite(self._descriptor, secrets.token_bytes(_WIDTH), _place(repository) * _WIDTH)


def _fill(descriptor: int) -> None:
    """Give the file its size, once. It never shrinks: that would kill who has it mapped."""
    flock(descriptor, LOCK_EX)
    try:
        size = os.fstat(descriptor).st_size
        if size < _SIZE:
            os.pwrite(descriptor, bytes(_SIZE - size), size)
    finally:
        flock(descriptor, LOCK_UN)


def _place(repository: str) -> int:
    return zlib.crc32(repository.encode()) % _PLACES


_unopened = object()
_shared: object = _unopened


def shared() -> Generations | None:
    """The file of this host's processes.

    None where they can have none, which then stays so until the process ends: on PostgreSQL that
    makes it a host of its own (see `hosts`). On SQLite it raises OSError: who can write to the
    database and not to this file must not change anything, since nobody else would notice.
    """
    global _shared  # noqa: PLW0603  (one file for each process)
    if _shared is _unopened:
        try:
            _shared = Generations(_path())
        except OSError as error:
            if connection.vendor == "sqlite":
                raise
            logger.warning("answers are not remembered: %s", error)
            _shared = None
    assert _shared is None or isinstance(_shared, Generations)  # noqa: S101  (for the type checker)
    return _shared


def _path() -> Path:
    """Beside SQLite's own shared memory: who shares the one shares the other."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and not name.startswith(("file:", ":memory:")):
        database = Path(name).resolve()
        return database.with_name(f"{database.name}-generations")
    return Path(settings.DATA_FOLDER) / "berth" / "generations"
