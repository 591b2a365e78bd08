"""Several statements in one turn to PostgreSQL: the same as one by one, and as safe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from django.db import DatabaseError, connection, transaction

from repositories import database
from repositories.database import fetch, later, writing
from repositories.postgresql import turns

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="with SQLite there are no turns to save"
    ),
]

PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'berth%'"


@pytest.fixture(autouse=True)
def _table() -> Iterator[None]:
    execute("CREATE TABLE turns (id integer PRIMARY KEY, word text)")
    yield
    connection.close()
    execute("DROP TABLE turns")


@pytest.fixture(autouse=True)
def _preparing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test does to it, the next one begins with a process that prepares."""
    monkeypatch.setattr(turns, "_may_prepare", True)


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def rows() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, word FROM turns ORDER BY id")
        return list(cursor.fetchall())


def prepared() -> int:
    with connection.cursor() as cursor:
        cursor.execute(PREPARED)
        return int(cursor.fetchone()[0])


@pytest.fixture
def sent(unannounced: list[str]) -> Iterator[list[list[str]]]:
    """The statements of each turn; inside of what else watches them."""
    seen: list[list[str]] = []
    run = turns.run

    def noting(raw: Any, statements: Any, **rest: Any) -> Any:
        end = ["COMMIT"] if rest.get("commit") else []
        begin = ["BEGIN"] if rest.get("begin") else []
        seen.append([*begin, *(statement for statement, _ in statements), *end])
        return run(raw, statements, **rest)

    with mock.patch.object(turns, "run", noting):
        yield seen


INSERT = "INSERT INTO turns (id, word) VALUES (%s, %s)"
# No row has such an id.
COPY = "INSERT INTO turns SELECT id, word FROM turns WHERE id = -1 - %s RETURNING id"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "it's",
        'a "quoted" word',
        "back\\slash \\' ; DROP TABLE turns; --",
        "语言 \N{PILE OF POO}",
        "%s %d $1",
        0,
        -(2**62),
        True,
        2.5,
        b"\x00\xff'\\",
        datetime(2026, 11, 30, 12, 30, 1, 234567, UTC),
        [1, 2, 3],
        ["a", "b'c", "{}"],
    ],
)
def test_values_arrive_as_they_are(value: object) -> None:
    """At first written out, then given to what is prepared."""
    cast = {
        bytes: "bytea",
        str: "text",
        int: "bigint",
        bool: "boolean",
        float: "float8",
        datetime: "timestamptz",
        list: "bigint[]" if value == [1, 2, 3] else "text[]",
    }.get(type(value), "text")
    for _ in range(3):
        assert fetch(f"SELECT %s::{cast}, 'percent', %s::{cast}", [value, value]) == [
            (value, "percent", value)
        ]


def test_a_transaction_begins_and_ends_with_what_it_does(sent: list[list[str]]) -> None:
    for number in range(3):
        with writing():
            counts = database.fetch_holding(("SELECT count(*) FROM turns", []), (COPY, [number]))
            assert counts == [[(number,)], []]
            later(INSERT, [number, "later"])
            assert fetch("SELECT count(*) FROM turns", []) == [(number,)]
        assert rows() == [(id, "later") for id in range(number + 1)]
    assert sent[-3:] == [
        ["BEGIN", database._LOCK_SHARED, "SELECT count(*) FROM turns", COPY],
        ["SELECT count(*) FROM turns"],
        [INSERT, "COMMIT"],
    ]


def test_each_statement_has_its_rows() -> None:
    for number in range(3):
        made, here, none, last = database.fetch_each(
            (INSERT + " RETURNING id, word", [number, "one"]),
            ("SELECT word FROM turns ORDER BY id", []),
            ("UPDATE turns SET word = 'two'", []),
            ("SELECT max(word), NULL FROM turns", []),
        )
        assert made == [(number, "one")]
        assert here == [("two",)] * number + [("one",)]
        assert none == []
        assert last == [("two", None)]
    assert database.fetch_each() == []


def test_what_fails_in_the_middle_is_raised_and_the_next_turn_is_its_own() -> None:
    for _ in range(3):
        with pytest.raises(DatabaseError, match="division by zero"):
            database.fetch_each(("SELECT 1", []), ("SELECT 1 / 0", []), ("SELECT 2", []))
        assert fetch("SELECT 3", []) == [(3,)]
    assert rows() == []


def test_what_fails_at_the_end_leaves_nothing(sent: list[list[str]]) -> None:
    def double() -> None:
        with writing():
            fetch("INSERT INTO turns VALUES (1, 'now')", [])
            later(INSERT, [2, "later"])
            later(INSERT, [2, "twice"])

    for _ in range(3):
        with pytest.raises(DatabaseError, match="duplicate key"):
            double()
        assert rows() == []
    with writing():
        later(INSERT, [2, "again"])
    assert rows() == [(2, "again")]


def test_what_fails_before_the_end_leaves_nothing_for_the_next() -> None:
    def fail() -> None:
        with writing():
            later(INSERT, [1, "never"])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with transaction.atomic():
        fetch(INSERT, [2, "alone"])
    assert rows() == [(2, "alone")]


def test_inside_of_another_transaction_it_is_there_at_the_end_of_its_own_part() -> None:
    with transaction.atomic():
        with writing():
            later(INSERT, [1, "inner"])
        assert fetch("SELECT word FROM turns", []) == [("inner",)]
        transaction.set_rollback(True)
    assert rows() == []


def test_a_look_after_the_commit_is_given_once() -> None:
    found: list[object] = []

    def note() -> None:
        found.extend([database.seen_after_commit(), database.seen_after_commit()])

    with writing():
        later(INSERT, [1, "one"])
        database.look_after_commit("SELECT word FROM turns")
        transaction.on_commit(note)
    assert found == [[("one",)], None]
    with transaction.atomic():
        database.look_after_commit("SELECT word FROM turns")
        transaction.on_commit(note)
    assert found[2:] == [None, None]


def test_what_comes_twice_is_prepared_and_setting_is_not() -> None:
    fetch("SELECT 1", [])
    assert prepared() == 0
    for _ in range(3):
        assert fetch("SELECT 1", []) == [(1,)]
        with database.snapshot():
            assert fetch("SELECT count(*) FROM turns", []) == [(0,)]
    assert prepared() == 2


def test_so_many_are_prepared_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_MOST", 3)
    for _ in range(2):
        for number in range(10):
            for _ in range(2):
                assert fetch(f"SELECT {number} + %s", [1]) == [(number + 1,)]
    assert prepared() == 3


def twice(function: Callable[[], object]) -> None:
    function()
    function()


def word() -> object:
    return fetch("SELECT * FROM turns WHERE id = %s", [1])


def test_a_table_that_changes_is_looked_at_anew() -> None:
    twice(word)
    execute("ALTER TABLE turns ADD COLUMN more integer")
    with pytest.raises(DatabaseError, match="cached plan"):
        word()
    twice(word)
    fetch(INSERT, [1, "one"])
    assert word() == [(1, "one", None)]


def test_behind_a_pooler_nothing_is_prepared(caplog: pytest.LogCaptureFixture) -> None:
    """It gives each transaction to whichever session is free, which knows other statements."""
    twice(word)
    execute("DEALLOCATE ALL")
    with pytest.raises(DatabaseError, match="does not exist"):
        word()
    assert "not prepared any more" in caplog.text
    for _ in range(3):
        assert word() == []
    assert prepared() == 0


def test_who_lost_the_connection_is_told_so() -> None:
    word()
    connection.connection.pgconn.finish()
    with pytest.raises(DatabaseError):
        word()
