"""How the registry uses the database: what every domain module needs beyond the ORM."""

import functools
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from django.db import (
    DEFAULT_DB_ALIAS,
    IntegrityError,
    OperationalError,
    close_old_connections,
    connection,
    connections,
    transaction,
)
from django.utils import timezone

from repositories.oci.digests import Digest
from repositories.postgresql import parking
from repositories.postgresql.turns import Rows, Statement

# How long after its last use a connection is taken to be alive.
_ALIVE_SECONDS = 1.0
_DEADLOCK_DETECTED = "40P01"  # PostgreSQL, appendix A
_MOST_RUNS = 5  # each that a deadlock ended has waited for a second
# How long one that a deadlock ended leaves to the other, at most: at once it could take again what
# the other was woken for, and both would wait for each other once more.
_STEP_BACK_SECONDS = 0.1
# How many times as long as it had SQLite to itself somebody in no hurry leaves it to others.
_REST = 3
_LOCK = "SELECT pg_advisory_xact_lock(1, 1)"
_LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(1, 1)"
_used = threading.local()  # connections are a thread's own
_waiting = threading.local()  # what `writing` has gathered so far

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@functools.cache
def is_sqlite() -> bool:
    """Whether the database is SQLite. The connection knows, and takes a while to be found."""
    return connection.vendor == "sqlite"


def fetch(statement: str, values: Sequence[Any]) -> Rows:
    """The rows of a statement that is written out, if it has any.

    Pulls and pushes write theirs out: building one anew costs more than running it. On PostgreSQL
    it is prepared on its second use: planning a look-up takes longer than running it, and these go
    by unique indexes whatever their values are. Lists, which Django's cursors run, are planned for
    the values that they have: see decision 0025.
    """
    return fetch_each((statement, values))[0]


def fetch_each(*statements: Statement) -> list[Rows]:
    """The rows of each of several such statements, of which none depends on what another has found:
    on PostgreSQL in one turn."""
    if not statements:
        return []
    database: Any = connections[DEFAULT_DB_ALIAS]  # the proxy would look it up at each attribute
    if not is_sqlite() and database.has_turns:
        found: list[Rows] = database.run(statements)
        return found
    with database.cursor() as cursor:
        return [_run(cursor, *statement) for statement in statements]


def _run(cursor: Any, statement: str, values: Sequence[Any]) -> Rows:
    cursor.execute(statement, values)
    return [] if cursor.description is None else list(cursor.fetchall())


def execute(statement: str, values: Sequence[Any]) -> None:
    """Run a statement that is written out and whose rows, if any, say nothing."""
    fetch(statement, values)


def later(statement: str, values: Sequence[Any]) -> None:
    """Run a statement whose rows say nothing at the end of the block of `writing`, or now."""
    gathered: list[Statement] | None = getattr(_waiting, "statements", None)
    if gathered is None or is_sqlite():  # which has no turns to save
        execute(statement, values)
    else:
        gathered.append((statement, values))


@contextmanager
def writing() -> Iterator[None]:
    """A transaction, at the end of which PostgreSQL runs what it was told `later`, in one turn with
    COMMIT. SQLite has run it by then.

    So nothing in the block sees any of that, nor may depend on its being there.
    """
    with transaction.atomic():
        outer, _waiting.statements = getattr(_waiting, "statements", None), []
        try:
            yield
            gathered: list[Statement] = _waiting.statements
        finally:
            _waiting.statements = outer
        _finish(gathered)


def look_after_commit(statement: str) -> None:
    """Have PostgreSQL run a look-up right after COMMIT in the same turn, where that can be."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    if not is_sqlite():
        database.look_after_commit((statement, ()))


def seen_after_commit() -> Rows | None:
    """What that has found, for whom the commit calls back first; None where it did not run."""
    if is_sqlite():
        return None
    database: Any = connections[DEFAULT_DB_ALIAS]
    rows: Rows | None = database.take_rows_after_commit()
    return rows


def _finish(gathered: Sequence[Statement]) -> None:
    """Run the statements in their order, if there are any, and then nothing more in the block."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    if is_sqlite() or not database.has_turns:
        for statement, values in gathered:
            execute(statement, values)
    elif gathered and database.savepoint_ids:  # inside of somebody else's transaction
        database.run(gathered)
    else:
        database.run_on_end(gathered)


def insert(table: str, rows: Iterable[dict[str, object]], *, otherwise: str = "") -> None:
    """Insert rows, which have the same columns; with `ON CONFLICT` as `otherwise` says."""
    rows = list(rows)
    if rows:
        execute(*_insertion(table, rows, otherwise))


def insert_later(table: str, rows: Iterable[dict[str, object]], *, otherwise: str = "") -> None:
    """The same, `later`."""
    rows = list(rows)
    if rows:
        later(*_insertion(table, rows, otherwise))


def insert_returning(
    table: str, rows: Sequence[dict[str, object]], columns: str, *, otherwise: str = ""
) -> Rows:
    """The same; the `columns` of the rows that were written."""
    if not rows:
        return []
    statement, values = _insertion(table, rows, otherwise)
    return fetch(f"{statement} RETURNING {columns}", values)


def _insertion(
    table: str, rows: Sequence[dict[str, object]], otherwise: str
) -> tuple[str, list[object]]:
    columns = ", ".join(rows[0])
    lines = ", ".join([placeholders(len(rows[0]))] * len(rows))
    # Table and columns are written in our code; every value is a parameter.
    statement = f"INSERT INTO {table} ({columns}) VALUES {lines} {otherwise}"  # noqa: S608
    return statement, [value for row in rows for value in row.values()]


def pieces(items: Sequence[T], size: int = 1000) -> Iterator[Sequence[T]]:
    """The items in their order, in parts that one statement may be given."""
    return (items[start : start + size] for start in range(0, len(items), size))


def placeholders(count: int) -> str:
    """`(%s, …)` for `count` values."""
    return f"({', '.join(['%s'] * count)})"


def now(*, ago: timedelta = timedelta()) -> Any:
    """The time, or one `ago`, as this database takes it in a statement that is written out."""
    return _adapted()(timezone.now() - ago)


@functools.cache
def _adapted() -> Callable[[datetime], Any]:
    """How a time is written, which depends on nothing but the kind of database."""
    return connection.ops.adapt_datetimefield_value


def for_update() -> str:
    """What locks the rows of a SELECT; SQLite has one writer at a time anyway."""
    return "" if is_sqlite() else "FOR UPDATE"


def refresh() -> None:
    """Have the connection give a sign of life before it is next used.

    One that was in use just now, and on which the server has said nothing unasked, as it does when
    it hangs up, is taken to be alive: asking would be one more turn for each write.
    """
    close_old_connections()
    at, last = time.monotonic(), getattr(_used, "at", 0.0)
    _used.at = at
    if at - last < _ALIVE_SECONDS and _is_quiet():
        connection.health_check_done = True  # type: ignore[attr-defined]


def _is_quiet() -> bool:
    raw = None if is_sqlite() else connections[DEFAULT_DB_ALIAS].connection
    return raw is not None and not raw.closed and parking.is_quiet(raw)


def release() -> None:
    """Give the connection back before bytes stream (invariant I6).

    On PostgreSQL a slow client would hold a connection that others need. On SQLite nothing is held.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    if not is_sqlite() and not database.in_atomic_block:
        database.park()


@contextmanager
def snapshot() -> Iterator[None]:
    """Read the rows of one moment, while others write; in no transaction."""
    if not is_sqlite():
        with transaction.atomic():
            execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", [])
            execute("SET LOCAL idle_in_transaction_session_timeout = 0", [])
            yield
        return
    execute("BEGIN DEFERRED", [])  # Django's own would keep writers out
    try:
        yield
    finally:
        execute("ROLLBACK", [])


def lock_digest(digest: Digest) -> None:
    """Serialise with everybody who publishes or collects this digest, until the transaction ends.

    SQLite has one writer at a time anyway.
    """
    fetch_each(*locking(digest))


def locking(digest: Digest) -> list[Statement]:
    """The statements, if any, which do that: what looks and writes behind them may come with
    them."""
    return [] if is_sqlite() else [("SELECT pg_advisory_xact_lock(%s)", [_key(digest)])]


def lock_digests(digests: Iterable[Digest]) -> None:
    """The same for several, of which PostgreSQL keeps some thousands at most for everybody.

    In one order, so that two cannot wait for each other.
    """
    if not is_sqlite():
        keys = sorted(_key(digest) for digest in digests)
        execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])


def _key(digest: Digest) -> int:
    return int(digest.hex[:16], 16) - 2**63


def give_way(*, since: float) -> None:
    """Let others write for longer than the caller has, who has many more transactions to come.

    `since` is by `time.monotonic`. Whoever waits for SQLite's one lock looks for it now and then,
    and would find it taken each time; PostgreSQL's locks are rows'. With as long as the caller had,
    a push took 1.85 times its time beside the collector (`benchmarks.garbage`).
    """
    if is_sqlite():
        time.sleep(_REST * (time.monotonic() - since))


def lock_limits() -> None:
    """Keep what limits writes as it is, alone, until the transaction ends.

    As `lock_digest`, in the other space of keys that PostgreSQL has.
    """
    if not is_sqlite():
        execute(_LOCK, [])


def fetch_holding(*statements: Statement) -> list[Rows]:
    """Keep what limits writes as it is, with others, and the rows of statements that look at it
    then, or write under it. On PostgreSQL in one turn with BEGIN: all who push begin with this."""
    if is_sqlite():
        return fetch_each(*statements)
    return fetch_each((_LOCK_SHARED, ()), *statements)[1:]


def again_on_conflict(function: Callable[P, R]) -> Callable[P, R]:
    """Run a whole transaction again when what it read was gone by the time it committed.

    Foreign keys are checked at COMMIT, so a race with a delete shows as IntegrityError there; the
    next run reads the new state and raises whatever that means. PostgreSQL also ends one of two
    transactions that wait for each other. Both may happen a few times where many change the same.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(_MOST_RUNS - 1):
            try:
                return function(*args, **kwargs)
            except IntegrityError:
                continue
            except OperationalError as error:
                if not _is_deadlock(error):
                    raise
                time.sleep(random.uniform(0.2, 1) * _STEP_BACK_SECONDS)  # noqa: S311  (no secret)
        return function(*args, **kwargs)

    return run


def _is_deadlock(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) == _DEADLOCK_DETECTED
