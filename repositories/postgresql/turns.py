"""Statements that are written out, several of them in one turn to PostgreSQL and back.

A turn is two changes of processes, which on a machine that is idle cost more than a small
statement: BEGIN, a lock and a look-up took 280 µs in three turns, and take 80 in one. psycopg's
pipeline sends several at once as well, and takes as long for that as the turns do.

What comes again is prepared, once for each connection, and called by EXECUTE; psycopg writes the
values out. Nobody else prepares anything on our connections: psycopg, when it does, has everything
forgotten with each ROLLBACK.
"""

import logging
import re
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Transformer
from psycopg.generators import execute
from psycopg.pq import ExecStatus

Statement = tuple[str, Sequence[Any]]
Rows = list[tuple[Any, ...]]

# What is prepared on a connection at most, and how many statements are known to have come before.
_MOST = 100
_MOST_SEEN = 1000
# What has a plan. SET TRANSACTION would come too late by EXECUTE, which has looked at the database.
_PLANNED = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_GOOD = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})
# PostgreSQL, appendix A: a pooler gave our session to somebody else, or took another's for ours;
# and a table has changed since the statement was prepared.
_NOT_OURS = frozenset({"26000", "42P05"})
_OUT_OF_DATE = "0A000"

logger = logging.getLogger(__name__)


class _Prepared:
    """What a connection knows by a name, the one that was used last at the end."""

    def __init__(self) -> None:
        self.names: OrderedDict[str, bytes] = OrderedDict()
        self.seen: OrderedDict[str, None] = OrderedDict()
        self.numbers = count()

    def is_worth_it(self, statement: str) -> bool:
        """Whether it has a plan and has come before: with lists of values of any length there are
        very many that will not come again."""
        if statement in self.seen:
            return _PLANNED.match(statement) is not None
        self.seen[statement] = None
        if len(self.seen) > _MOST_SEEN:
            self.seen.popitem(last=False)
        return False


_prepared: "WeakKeyDictionary[Any, _Prepared]" = WeakKeyDictionary()
_may_prepare = True


def run(
    raw: Any,
    statements: Sequence[Statement],
    *,
    begin: bool = False,
    commit: bool = False,
    after: Statement | None = None,
) -> list[Rows]:
    """Run the statements on psycopg's connection `raw`, each with its values for `%s`; the rows of
    each, if it has any.

    With `begin` they begin a transaction, with `commit` they end it, and `after`, whose rows are
    the last, looks at what is there then. Raises what psycopg raises, and then what failed, and all
    behind it, has not been done.
    """
    adapter: Any = Transformer(raw)
    parts = [b"BEGIN"] if begin else []
    parts += [_called(raw, adapter, statement, values) for statement, values in statements]
    if commit:
        parts.append(b"COMMIT")
    if after:
        parts.append(_called(raw, adapter, *after))
    raw.pgconn.send_query(b"; ".join(parts))
    results = raw.wait(execute(raw.pgconn))  # all, before any error is raised
    rows = [_rows(adapter, _checked(raw, result)) for result in results]
    return [*rows[begin : begin + len(statements)], *(rows[-1:] if after else ())]


def _rows(adapter: Any, result: Any) -> Rows:
    if not result.ntuples:
        return []
    adapter.set_pgresult(result)
    rows: Rows = adapter.load_rows(0, result.ntuples, tuple)
    return rows


def _called(raw: Any, adapter: Any, statement: str, values: Sequence[Any]) -> bytes:
    literals = [adapter.as_literal(value) for value in values]
    name = _name_of(raw, statement)
    if name is not None:
        return b"EXECUTE %b (%b)" % (name, b", ".join(literals)) if literals else b"EXECUTE " + name
    first, *others = statement.encode().split(b"%s")
    written = [literal + piece for literal, piece in zip(literals, others, strict=True)]
    return b"".join([first, *written])


def _name_of(raw: Any, statement: str) -> bytes | None:
    """What the statement is prepared as, or None: it is to be written out. May take a turn."""
    if not _may_prepare:
        return None
    known = _prepared.get(raw)
    if known is None:
        known = _prepared[raw] = _Prepared()
    name = known.names.get(statement)
    if name is not None:
        known.names.move_to_end(statement)
        return name
    if not known.is_worth_it(statement):
        return None
    if len(known.names) >= _MOST:
        _, oldest = known.names.popitem(last=False)
        _checked(raw, raw.pgconn.exec_(b"DEALLOCATE " + oldest))
    name = b"berth_%d" % next(known.numbers)
    _checked(raw, raw.pgconn.prepare(name, _numbered(statement)))
    known.names[statement] = name
    return name


@lru_cache(maxsize=_MOST_SEEN)
def _numbered(statement: str) -> bytes:
    """With `$1`, `$2`, … for each `%s`."""
    numbers = count(1)
    return re.sub("%s", lambda _: f"${next(numbers)}", statement).encode()


def _checked(raw: Any, result: Any) -> Any:
    """The result, if it is one. Raises what psycopg raises."""
    if result.status in _GOOD:
        return result
    if raw.closed:
        raise psycopg.OperationalError(f"the connection is lost: {result.error_message.decode()}")
    error = psycopg.errors.error_from_result(result)
    if error.sqlstate in _NOT_OURS:
        _stop_preparing(error)
    elif error.sqlstate == _OUT_OF_DATE:
        # Prepared anew, under other names, by whoever tries again.
        _prepared[raw].names.clear()
    raise error


def _stop_preparing(error: Exception) -> None:
    global _may_prepare  # noqa: PLW0603
    _may_prepare = False
    logger.warning(
        "the database's sessions are not ours alone, as behind a pooler: statements are not "
        "prepared any more (%s)",
        error,
    )
