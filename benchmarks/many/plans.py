"""How the database goes about the statements that ran: EXPLAIN, a line for each node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple

import psycopg
from django.db import connection, transaction
from psycopg.sql import SQL, Literal

_READING = ("SELECT", "WITH")
_MOST_CHARACTERS = 300
_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON)"


class Plan(NamedTuple):
    """A statement, shortened, and the nodes of its plan; `pages` of 8 KiB that it looked at, on
    PostgreSQL."""

    statement: str
    nodes: tuple[str, ...]
    pages: int


def of(statements: Sequence[tuple[str, Any]]) -> list[Plan]:
    """The plans of those statements that only read, with the values that they had."""
    explain = _on_sqlite if connection.vendor == "sqlite" else _on_postgresql
    return [
        explain(sql, values)
        for sql, values in statements
        if sql.lstrip().startswith(_READING) and "FOR UPDATE" not in sql and "pg_" not in sql
    ]


def _short(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} …"


def _on_sqlite(sql: str, values: Any) -> Plan:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        rows = cursor.fetchall()
    depths = {0: -1}
    nodes = []
    for id, parent, _, text in rows:
        depths[id] = depths[parent] + 1
        nodes.append("  " * depths[id] + text)
    return Plan(_short(sql), tuple(nodes), 0)


def _on_postgresql(sql: str, values: Any) -> Plan:
    """The worse of two: that for these values, and that for any, which one that is written out may
    get, since it is prepared (`repositories.database`). Django's have quotes."""
    root = _explained(sql, values)
    if '"' in sql:
        return Plan(_short(sql), tuple(_nodes(root, 0)), _pages(root))
    with suppress(psycopg.Error):  # it cannot tell what kind of values they are
        root = max(root, _explained_for_any(sql, values), key=_pages)
    return Plan(_short(sql), tuple(_nodes(root, 0)), _pages(root))


def _explained(sql: str, values: Any) -> dict[str, Any]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{_EXPLAIN} {sql}", values)
        return _root(cursor.fetchone())


def _explained_for_any(sql: str, values: Any) -> dict[str, Any]:
    numbers = (f"${number}" for number in count(1))
    statement = re.sub("%s", lambda _: next(numbers), sql).replace("%%", "%")
    literals = SQL(", ").join(Literal(value) for value in values or ())
    given = SQL("({})").format(literals) if values else SQL("")
    raw = connection.connection
    with raw.transaction(force_rollback=True):
        raw.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        raw.execute(f"PREPARE explained AS {statement}")
    try:
        with raw.transaction(force_rollback=True):
            raw.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            return _root(raw.execute(SQL(_EXPLAIN) + SQL(" EXECUTE explained ") + given).fetchone())
    finally:
        raw.execute("DEALLOCATE explained")


def _root(row: Any) -> dict[str, Any]:
    (whole,) = json.loads(row[0]) if isinstance(row[0], str) else row[0]
    return dict(whole["Plan"])


def _pages(node: dict[str, Any]) -> int:
    return int(node["Shared Hit Blocks"]) + int(node["Shared Read Blocks"])


def _nodes(node: dict[str, Any], depth: int) -> Iterator[str]:
    """A line each, those that never ran left out."""
    loops = node["Actual Loops"]
    if not loops:
        return
    text = node["Node Type"]
    if name := node.get("Index Name") or node.get("Relation Name"):
        text += f" {name}"
    figures = [f"{node['Actual Rows']:,.0f} rows"]
    if (left := node.get("Rows Removed by Filter", 0) * loops) >= 1:
        figures.append(f"{left:,.0f} left out")
    if loops > 1:
        figures.append(f"{loops:,.0f} times")
    figures.append(f"{_pages(node):,} pages")
    yield "  " * depth + f"{text}: {', '.join(figures)}"
    for child in node.get("Plans", ()):
        yield from _nodes(child, depth + 1)
