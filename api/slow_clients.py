"""Clients that keep a thread waiting: each read has a deadline, by a minimum rate.

A total time-out would cut off large uploads over thin lines; a minimum rate only cuts off those who
send next to nothing. A blocked `recv` cannot be interrupted from within its thread, so one thread
per process watches all of them, and shuts down the receiving half of a socket whose read is
overdue: the read then ends as if the client had gone.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MIN_BYTES_PER_SECOND = 1024
MIN_SECONDS = 60.0
HEADER_SECONDS = 10.0

_TICK_SECONDS = 1.0


class Watch:
    """One read that is under way."""

    __slots__ = ("connection", "deadline", "is_overdue")

    def __init__(self, connection: Any, seconds: float) -> None:
        self.connection = connection
        self.deadline = time.monotonic() + seconds
        self.is_overdue = False

    def expire(self) -> None:
        self.is_overdue = True
        # Not by its own method: a TLS socket's would forget to encrypt the answer.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.connection, socket.SHUT_RD)


class _Watcher:
    """The reads of one process, and the thread that looks after them."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._lock = threading.Lock()
        self._pid = 0

    def add(self, watch: Watch) -> None:
        with self._lock:
            self._watches.add(watch)
            if self._pid != os.getpid():  # a thread does not survive the fork of a worker
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="slow-clients", daemon=True).start()

    def remove(self, watch: Watch) -> None:
        with self._lock:
            self._watches.discard(watch)

    def _run(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            now = time.monotonic()
            with self._lock:
                overdue = [watch for watch in self._watches if watch.deadline < now]
                self._watches.difference_update(overdue)
                # Under the lock: a read that ended has taken its watch away, so that no socket is
                # shut that serves another request by now.
                for watch in overdue:
                    watch.expire()


_watcher = _Watcher()


@contextmanager
def watch(connection: Any, size: int) -> Iterator[Watch]:
    """Look after a read of up to `size` bytes from `connection`, a socket or None."""
    with watch_for(connection, max(MIN_SECONDS, size / MIN_BYTES_PER_SECOND)) as found:
        yield found


@contextmanager
def watch_for(connection: Any, seconds: float) -> Iterator[Watch]:
    """Look after anything that reads from `connection` and has to be done within `seconds`."""
    found = begin(connection, seconds)
    try:
        yield found
    finally:
        settle(found)


def begin(connection: Any, seconds: float) -> Watch:
    """Look after what reads from `connection`, a socket or None, until `settle` is called."""
    found = Watch(connection, seconds)
    if connection is not None:
        _watcher.add(found)
    return found


def settle(found: Watch) -> None:
    """End a watch: what it waited for has come, or never will. Once more does no harm."""
    _watcher.remove(found)
