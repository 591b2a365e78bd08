"""Threads that must not wait: neither for the database, nor for a lock, nor for the disk.

The thread that polls answers what it can at once, and leaves all else to threads that may wait (see
`registry_site/quick.py`). Whatever waits asks here first, or is asked for by MustWait.
"""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from django.db import DEFAULT_DB_ALIAS, connections

# What the kernel says of bytes that are not in memory, and of files of which it cannot tell.
_WOULD_WAIT = frozenset({errno.EAGAIN, errno.EOPNOTSUPP})
_thread = threading.local()


class MustWait(BaseException):
    """This thread must not wait, and what it was asked for takes that.

    No Exception: nobody on the way up takes it for a failure, and answers with one.
    """


@contextmanager
def without_waiting() -> Iterator[None]:
    """Have this thread do without waiting: asking the database anything raises MustWait."""
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection = check_may_wait  # type: ignore[method-assign]
    _thread.may_wait = False
    try:
        yield
    finally:
        _thread.may_wait = True
        del database.ensure_connection  # the class's own again


def may_wait() -> bool:
    """Whether this thread may."""
    return getattr(_thread, "may_wait", True)


def check_may_wait() -> None:
    """Return where the caller may wait, as for a lock that others hold while they ask the database.
    Raises MustWait."""
    if not may_wait():
        raise MustWait


def read(file: BinaryIO, offset: int, length: int) -> bytes:
    """Up to `length` bytes of a file from `offset`.

    Raises MustWait where the caller must not wait and they are not all in memory (preadv2(2),
    RWF_NOWAIT).
    """
    if may_wait():
        return os.pread(file.fileno(), length, offset)
    if not hasattr(os, "RWF_NOWAIT"):
        raise MustWait
    buffer = bytearray(length)
    try:
        count = os.preadv(file.fileno(), [buffer], offset, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno in _WOULD_WAIT:
            raise MustWait from error
        raise
    if count < length:
        raise MustWait
    return bytes(buffer)
