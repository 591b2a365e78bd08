"""How much a database looks at, which a slow machine does not change."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from django.db import connection

from repositories.database import execute, fetch

_READ = """
SELECT COALESCE(SUM(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)), 0)
FROM pg_stat_xact_user_tables
"""


def looked_at(run: Callable[[], object]) -> int:
    """Steps of SQLite's virtual machine that `run` takes, or rows that PostgreSQL reads for it.

    Neither compares with the other, but with what the same takes beside fewer rows. The database
    knows how many there are, as PostgreSQL soon does by itself, and SQLite after a restore.
    """
    execute("ANALYZE", [])
    raw = connection.connection
    if not isinstance(raw, sqlite3.Connection):
        # A table of a few thousand rows is read as fast without an index.
        execute("SET LOCAL enable_seqscan = off", [])
        before = _rows_read()
        run()
        return _rows_read() - before
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    raw.set_progress_handler(count, 1)
    try:
        run()
    finally:
        raw.set_progress_handler(None, 0)
    return steps


def _rows_read() -> int:
    return int(fetch(_READ, [])[0][0])
