"""`migrate`, by one process at a time: tasks and pods are started together, over one database.

The command itself asks for its turn (`management/commands/migrate.py`), whoever calls it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

# One of PostgreSQL's keys for locks of applications, in the space of two numbers.
_LOCK = "SELECT pg_try_advisory_xact_lock(1, 2)"
_LOOK_SECONDS = 0.5

logger = logging.getLogger(__name__)


@contextmanager
def alone() -> Iterator[None]:
    """On a connection of its own, in a transaction, so that whatever ends it ends the lock.

    Asked for over again: a statement that waits would have a snapshot, and hold up migrations that
    make an index while others write. SQLite's writers wait for each other anyway.
    """
    if connection.vendor != "postgresql":
        yield
        return
    guard = connection.copy()
    try:
        guard.set_autocommit(False)
        if not _lock(guard):
            logger.info("another process changes the database; waiting for it")
            while not _lock(guard):
                time.sleep(_LOOK_SECONDS)
        yield
    finally:
        guard.close()


def _lock(guard: BaseDatabaseWrapper) -> bool:
    """Whether the lock is ours now, until the connection or its transaction ends."""
    guard.rollback()
    with guard.cursor() as cursor:
        cursor.execute(_LOCK)
        return bool(cursor.fetchone()[0])
