"""Connections that are parked while bytes stream, and taken by whoever needs one next."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from repositories import database
from repositories.postgresql import parking
from tests.database import DATABASE

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(DATABASE != "postgresql", reason="SQLite's connections stay"),
]


@pytest.fixture(autouse=True)
def _open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a server's process; nothing stays that would keep the test's database from going."""
    monkeypatch.setattr(parking, "_is_open", True)
    yield
    parking.close_all()


def backend() -> int:
    """The process that answers this thread's connection."""
    return int(database.fetch("SELECT pg_backend_pid()", [])[0][0])


def elsewhere() -> int:
    """The same, of another thread that asks once and lets go."""

    def ask() -> int:
        try:
            return backend()
        finally:
            database.release()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def test_the_next_thread_takes_what_was_parked() -> None:
    mine = backend()
    database.release()
    assert connection.connection is None
    assert elsewhere() == mine
    assert backend() == mine
    assert elsewhere() != mine


def test_what_was_prepared_stays_prepared() -> None:
    for _ in range(2):
        assert database.fetch("SELECT %s::int + 1", [1]) == [(2,)]
    database.release()
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%::int + 1'"
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute(prepared, [])
        assert cursor.fetchone() == (1,)


def test_a_transaction_keeps_its_connection() -> None:
    with transaction.atomic():
        mine = backend()
        database.release()
        assert backend() == mine


def test_one_that_had_trouble_is_closed() -> None:
    mine = backend()
    with pytest.raises(Exception, match="nothing_like_it"):
        database.fetch("SELECT * FROM nothing_like_it", [])
    database.release()
    assert backend() != mine


def test_one_that_the_server_ended_is_not_taken() -> None:
    mine = backend()
    database.release()
    raw = parking._parked[0][1]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_end, mine).result()
    assert not parking.is_quiet(raw)
    assert backend() != mine
    assert raw.closed


def _end(pid: int) -> None:
    try:
        parked, parking._parked[:] = list(parking._parked), []
        database.fetch("SELECT pg_terminate_backend(%s, 5000)", [pid])
        parking._parked[:] = parked
    finally:
        connection.close()


def test_nobody_trusts_one_that_was_left_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = backend()
    database.release()
    monkeypatch.setattr(parking, "_SECONDS", 0.01)
    time.sleep(0.02)
    assert backend() != mine


def test_no_more_than_a_few_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "_MOST", 2)
    barrier = threading.Barrier(4)

    def hold() -> None:
        backend()
        barrier.wait(10)
        database.release()
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(hold) for _ in range(4)]:
            done.result()
    assert len(parking._parked) == 2


def test_commands_end_their_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "_is_open", False)
    backend()
    database.release()
    assert connection.connection is None
    assert parking._parked == []


def test_a_child_leaves_its_parents_connections_alone() -> None:
    mine = backend()
    database.release()
    child = os.fork()
    if not child:
        os._exit(0 if parking.take() is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert backend() == mine
