"""The kernel told to begin with writing to the disk, while more is still to come.

By itself it begins after half a minute, or when a tenth of the memory waits to be written; whoever
syncs before then waits for the disk to take all of it. This is a hint and nothing more: what is
durable is what was synced, and an error of the disk is told to that sync, as always.
"""

import ctypes
from collections.abc import Callable

_WRITE = 2  # SYNC_FILE_RANGE_WRITE: begin with what is dirty, and wait for nothing


def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """The system call of Linux, which Python does not have; None elsewhere."""
    try:
        found = ctypes.CDLL(None).sync_file_range
    except (AttributeError, OSError, TypeError):
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    found.restype = ctypes.c_int
    return found


_call = _sync_file_range()


def begin(descriptor: int, start: int, length: int) -> None:
    """Begin to write `length` bytes of the file, from `start`, to the disk."""
    if _call is not None:
        _call(descriptor, start, length, _WRITE)
