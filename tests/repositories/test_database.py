"""The helpers around the database."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS, IntegrityError, OperationalError, connection, transaction

from repositories import database, reviews
from repositories.models import Repository, Review
from repositories.oci.digests import Digest
from tests.database import DATABASE


@pytest.mark.parametrize("conflicts", [1, 2, 4])
def test_a_transaction_that_conflicts_is_run_again(conflicts: int) -> None:
    calls: list[tuple[int, str]] = []

    @database.again_on_conflict
    def work(number: int, *, text: str) -> str:
        calls.append((number, text))
        if len(calls) <= conflicts:
            raise IntegrityError
        return "done"

    assert work(1, text="x") == "done"
    assert calls == [(1, "x")] * (conflicts + 1)


def test_a_transaction_that_conflicts_again_and_again_fails() -> None:
    calls: list[int] = []

    @database.again_on_conflict
    def work() -> None:
        calls.append(1)
        raise IntegrityError

    with pytest.raises(IntegrityError):
        work()
    assert len(calls) == 5


def test_no_other_error_is_a_conflict() -> None:
    calls: list[int] = []

    @database.again_on_conflict
    def work() -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):
        work()
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(DATABASE != "postgresql", reason="SQLite has one writer, who waits for nobody")
def test_of_two_that_wait_for_each_other_one_runs_again() -> None:
    both = threading.Barrier(2)
    runs: list[tuple[int, ...]] = []

    @database.again_on_conflict
    def nominate(*targets: int) -> None:
        runs.append(targets)
        with transaction.atomic():
            for target in targets:
                reviews.nominate(reviews.Kind.LINK, [target])
                if target == targets[0] and len(runs) <= 2:
                    both.wait(timeout=10)

    def work(*targets: int) -> None:
        try:
            nominate(*targets)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, 1, 2), pool.submit(work, 2, 1)]:
            done.result()

    # The one that was ended runs again; a busy machine may hold the other up beyond its step back,
    # and then once more.
    again = len(runs) - 2
    assert 1 <= again <= 4
    assert Review.objects.count() == 2


def test_who_was_ended_steps_back_before_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: events.append(f"{seconds > 0}"))

    @database.again_on_conflict
    def work() -> None:
        events.append("run")
        if len(events) == 1:
            raise OperationalError from psycopg.errors.DeadlockDetected()

    work()
    assert events == ["run", "True", "run"]


@pytest.mark.parametrize(("failures", "is_done"), [(4, True), (5, False)])
def test_a_transaction_that_waits_for_others_again_and_again_fails(
    failures: int, is_done: bool
) -> None:
    calls: list[int] = []

    @database.again_on_conflict
    def work() -> None:
        calls.append(1)
        if len(calls) <= failures:
            raise OperationalError from psycopg.errors.DeadlockDetected()

    with nullcontext() if is_done else pytest.raises(OperationalError):
        work()
    assert len(calls) == 5


def test_a_database_that_fails_is_not_asked_again() -> None:
    calls: list[int] = []

    @database.again_on_conflict
    def work() -> None:
        calls.append(1)
        raise OperationalError from psycopg.errors.AdminShutdown()

    with pytest.raises(OperationalError):
        work()
    assert len(calls) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("digits", ["0" * 64, "7f" * 32, "80" * 32, "f" * 64])
def test_every_digest_can_be_locked(digits: str) -> None:
    """The key of a lock is a signed number of 64 bits, and the digest is not."""
    with transaction.atomic():
        database.lock_digest(Digest("sha256", digits))
        database.lock_digest(Digest("sha512", digits * 2))


@pytest.mark.django_db
def test_within_a_transaction_the_connection_is_kept() -> None:
    with transaction.atomic():
        assert not Repository.objects.exists()
        database.release()
        assert connection.connection is not None
        assert not Repository.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_released_comes_back_by_itself() -> None:
    assert not Repository.objects.exists()
    database.release()
    assert (connection.connection is None) == (connection.vendor == "postgresql")
    assert not Repository.objects.exists()


@pytest.mark.django_db
def test_a_connection_that_was_just_used_needs_no_sign_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "close_old_connections", lambda: None)
    monkeypatch.setattr(database, "_is_quiet", lambda: True)
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    signs = []
    for pause in (100, 0.5, 0.9, 1.1):
        clock[0] += pause
        connection.health_check_done = False  # type: ignore[attr-defined]
        database.refresh()
        signs.append(connection.health_check_done)  # type: ignore[attr-defined]

    assert signs == [False, True, True, False]


@pytest.mark.django_db
def test_a_connection_that_the_server_hung_up_is_not_quiet() -> None:
    if connection.vendor != "postgresql":
        assert not database._is_quiet()
        return
    database.fetch("SELECT 1", [])
    raw = connection.connection
    assert database._is_quiet()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.close()
        with mock.patch.object(type(raw), "fileno", return_value=ours.fileno()):
            assert not database._is_quiet()


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_has_the_rows_of_one_moment_and_keeps_no_writer_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = connection
    if connection.vendor == "sqlite":  # the tests' own is in memory: its readers stop writers
        mine = connection.copy()
        mine.settings_dict["NAME"] = str(tmp_path / "file.sqlite3")
        monkeypatch.setattr(database, "connection", mine)
        monkeypatch.setattr(database, "connections", {DEFAULT_DB_ALIAS: mine})
    others = mine.copy()
    with mine.cursor() as here, others.cursor() as there:
        there.execute("CREATE TABLE one_moment AS SELECT 1 AS number")
        with database.snapshot():
            here.execute("SELECT number FROM one_moment")
            assert here.fetchall() == [(1,)]
            there.execute("UPDATE one_moment SET number = 2")
            here.execute("SELECT number FROM one_moment")
            assert here.fetchall() == [(1,)]
        here.execute("SELECT number FROM one_moment")
        assert here.fetchall() == [(2,)]
        there.execute("DROP TABLE one_moment")
    others.close()
    if mine is not connection:
        mine.close()
