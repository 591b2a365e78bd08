"""Which hosts work on this database: only one that is alone may remember answers.

A change is made known to the processes of its own host (see `generations`), and to no other. So
every host that changes or remembers anything has a row in the database, and

- a host may use what it remembers for `GOOD_SECONDS` after it has seen no row but its own, and
  looks again every `LOOK_SECONDS` while it is asked. Where it did not look in time, or saw
  another's row, it forgets everything: changes may have passed it by;
- a change is acknowledged only after its host's row was seen *after* the commit, and either no
  other row, or its own has been there for `NOTICED_SECONDS`: whoever remembers has seen it then.

Nothing depends on clocks that agree, nor on a connection that stays. A row that others took for
abandoned and removed is made anew, and then what holds for a new one holds for it. On SQLite there
is one host by nature, as with SQLite's own shared memory.
"""

import hashlib
import logging
import os
import platform
import threading
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from django.db import Error as DatabaseError

from repositories import generations
from repositories.database import execute, fetch, is_sqlite, look_after_commit

LOOK_SECONDS = 1.0
GOOD_SECONDS = 2.0
NOTICED_SECONDS = 2.5
# How old a row may grow before its host renews it, and before others take the host for gone.
RENEW_SECONDS = 30.0
GONE_SECONDS = 120.0

# The database's own clock: those of hosts may differ.
_ROWS = """
SELECT id, key, is_settled, abs(extract(epoch FROM clock_timestamp() - seen_at))::float8
FROM repositories_host
"""
_REGISTER = """
INSERT INTO repositories_host (key, is_settled, seen_at)
VALUES (%s, false, clock_timestamp()) ON CONFLICT (key) DO NOTHING
"""
_RENEW = "UPDATE repositories_host SET seen_at = clock_timestamp() WHERE id = %s"
_SETTLE = "UPDATE repositories_host SET is_settled = true WHERE id = %s"
_REMOVE = """
DELETE FROM repositories_host
WHERE key <> %s AND abs(extract(epoch FROM clock_timestamp() - seen_at)) > %s
"""

Rows = list[tuple[Any, ...]]

logger = logging.getLogger(__name__)


class _Row(NamedTuple):
    """A host: `is_settled` once all others know of the row with this id; `age` in seconds."""

    id: int
    key: str
    is_settled: bool
    age: float


class _Standing(NamedTuple):
    """What the last look told: good until `until`. Within one `period` no look was missed, and
    this host's row, whose id is `row`, was there all the time."""

    looked_at: float
    until: float
    period: int
    row: int | None = None


class _Identity(NamedTuple):
    key: str
    may_remember: bool


_NEVER = float("-inf")
_standing = _Standing(_NEVER, _NEVER, 0)
_looking = threading.Lock()


# Seconds on a clock that goes on while the machine sleeps, where there is one.
now: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)


def alone() -> int | None:
    """The period for which this host has been the only one so far, by its number; None: it is not.

    What was remembered in another period is worth nothing. Outside of transactions only: inside
    there are no new rows to see.
    """
    if is_sqlite():
        return 0
    asked_at, standing = now(), _standing
    # One thread looks; the others go by the last look while that is good, and do without after.
    if asked_at - standing.looked_at >= LOOK_SECONDS and _looking.acquire(blocking=False):
        try:
            standing = _look_again()
        finally:
            _looking.release()
    return standing.period if asked_at < standing.until else None


def _look_again() -> _Standing:
    global _standing  # noqa: PLW0603  (replaced as a whole, so that readers need no lock)
    started, last = now(), _standing
    row = None
    try:
        if _identity().may_remember:
            mine, others = _look()
            row = mine.id if mine and not others else None
    except DatabaseError as error:  # a read goes on; if the database is lost, it will say so
        logger.warning("answers are not remembered for now: %s", error)
    # From the beginning of the last look to the end of this one, nobody can have come and gone.
    is_unbroken = row == last.row and now() <= last.until
    period = last.period if is_unbroken else last.period + 1
    until = _NEVER if row is None else started + GOOD_SECONDS
    _standing = _Standing(started, until, period, row)
    return _standing


def look_on_commit() -> None:
    """Have what `announce` looks at first come with COMMIT. Inside a transaction."""
    look_after_commit(_ROWS)


def announce(seen: Rows | None = None) -> None:
    """Return when no host can be using what it remembers of before this call. Raises Error.

    To be called after a change is committed and before it is acknowledged. The job loop calls it as
    well, which keeps the host's row fresh. `seen` is what came with COMMIT (`look_on_commit`).
    Waits `NOTICED_SECONDS` where a host is new beside others, and otherwise for nothing.
    """
    if is_sqlite():
        return
    mine, others = _look(seen)
    while not (mine and (mine.is_settled or not others)):
        time.sleep(NOTICED_SECONDS)
        before = mine
        mine, others = _look()
        if mine and before and mine.id == before.id:
            execute(_SETTLE, [mine.id])
            return


def _look(seen: Rows | None = None) -> tuple[_Row | None, list[_Row]]:
    """This host's row, and those of others as they were once it was there to be seen."""
    key = _identity().key
    mine, others = _rows(key, seen)
    if mine is None:
        execute(_REGISTER, [key])
        mine, others = _rows(key)
    elif mine.age > RENEW_SECONDS:
        execute(_RENEW, [mine.id])
    if any(row.age > GONE_SECONDS for row in others):
        execute(_REMOVE, [key, GONE_SECONDS])
    return mine, others


def _rows(key: str, seen: Rows | None = None) -> tuple[_Row | None, list[_Row]]:
    rows = [_Row(*row) for row in (fetch(_ROWS, []) if seen is None else seen)]
    mine = next((row for row in rows if row.key == key), None)
    return mine, [row for row in rows if row.key != key]


@cache
def _identity() -> _Identity:
    """Whoever shares the file of generations, on one kernel, is one host.

    The kernel counts: on a file that lies on a network two hosts would not see each other's writes
    in time. Without a file, or a kernel that has a name, all processes of the machine are one host
    that remembers nothing.
    """
    file, kernel = generations.shared(), _kernel()
    if file and kernel:
        return _Identity(_hash(f"{kernel} {file.identity}"), may_remember=True)
    return _Identity(_hash(f"{kernel or platform.node()} remembers nothing"), may_remember=False)


def _kernel() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def forget_everything() -> None:
    """Look anew before anything is remembered."""
    global _standing, _looking  # noqa: PLW0603
    _standing = _Standing(_NEVER, _NEVER, _standing.period + 1)
    _looking = threading.Lock()


os.register_at_fork(after_in_child=forget_everything)
