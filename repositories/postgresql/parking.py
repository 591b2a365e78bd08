"""Connections to PostgreSQL that nobody of this process needs at the moment.

Who streams bytes holds no connection (invariant I6). A new one afterwards costs some milliseconds,
and PostgreSQL knows nothing yet behind it: not the tables, and none of the statements that were
prepared. So it is parked, and the next who needs one takes it.
"""

import os
import select
import threading
import time
from typing import Any

# What stays at most, and how many seconds a connection that nobody takes is trusted: where the
# server went away without a word, the kernel has noticed (see the settings' `keepalives`).
_MOST = 64
_SECONDS = 300.0

_parked: list[tuple[float, Any]] = []  # the last one first: it is the warmest
_lock = threading.Lock()
_is_open = False


def begin() -> None:
    """Park from here on. For a server's processes: a command's connections just end."""
    global _is_open  # noqa: PLW0603
    _is_open = True


def leave(raw: Any) -> bool:
    """Park psycopg's connection `raw`, which is in no transaction; whether there was room."""
    with _lock:
        if not _is_open or len(_parked) >= _MOST:
            return False
        _parked.append((time.monotonic(), raw))
        return True


def take() -> Any | None:
    """A connection on which the server has said nothing since it was parked, if there is one."""
    while True:
        with _lock:
            if not _parked:
                return None
            since, raw = _parked.pop()
        if not raw.closed and time.monotonic() - since < _SECONDS and is_quiet(raw):
            return raw
        raw.close()


def is_quiet(raw: Any) -> bool:
    """Whether the server has sent nothing unasked, as it does when it hangs up."""
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN)
    return not poll.poll(0)


def close_all() -> None:
    """End them all: their server is told so."""
    with _lock:
        connections, _parked[:] = [raw for _, raw in _parked], []
    for raw in connections:
        raw.close()


_inherited: list[Any] = []


def _after_fork() -> None:
    """A child must neither use nor close what its parent has parked, so it keeps hold of it."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _inherited.extend(_parked)
    _parked.clear()


os.register_at_fork(after_in_child=_after_fork)
