"""The watch over reads that may never end."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from api import slow_clients
from api.slow_clients import watch, watch_for
from tests.live import wait_for

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher of its own, which looks often."""
    monkeypatch.setattr(slow_clients, "_watcher", slow_clients._Watcher())
    monkeypatch.setattr(slow_clients, "_TICK_SECONDS", 0.01)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The client's end and ours."""
    client, ours = socket.socketpair()
    with client, ours:
        ours.settimeout(30)  # a test that fails should not hang
        yield client, ours


def test_a_read_that_is_overdue_ends_as_if_the_client_had_gone(pair: Pair) -> None:
    with watch_for(pair[1], 0.05) as found:
        assert pair[1].recv(1) == b""

    assert found.is_overdue


def test_a_client_that_was_given_up_can_still_be_answered(pair: Pair) -> None:
    with watch_for(pair[1], 0.05):
        pair[1].recv(1)
    pair[1].sendall(b"408")

    assert pair[0].recv(3) == b"408"


def test_a_read_in_time_is_left_alone_for_good(pair: Pair) -> None:
    with watch_for(pair[1], 60) as found:
        pair[0].sendall(b"x")
        assert pair[1].recv(1) == b"x"
    found.deadline = 0
    time.sleep(0.05)
    pair[0].sendall(b"y")

    assert pair[1].recv(1) == b"y"
    assert not found.is_overdue


def test_a_watch_can_be_settled_before_its_block_ends(pair: Pair) -> None:
    with watch_for(pair[1], 60) as found:
        slow_clients.settle(found)
        slow_clients.settle(found)
        found.deadline = 0
        time.sleep(0.05)
        pair[0].sendall(b"x")
        assert pair[1].recv(1) == b"x"

    assert not found.is_overdue


def test_one_overdue_client_does_not_touch_another(pair: Pair) -> None:
    client, other = socket.socketpair()
    with client, other, watch_for(other, 60) as patient:
        with watch_for(pair[1], 0.05) as overdue:
            assert pair[1].recv(1) == b""
        client.sendall(b"x")
        assert other.recv(1) == b"x"

    assert (overdue.is_overdue, patient.is_overdue) == (True, False)


def test_many_are_watched_by_one_thread() -> None:
    before = threading.active_count()
    with ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(50)]
        for client, ours in pairs:
            stack.enter_context(client)
            stack.enter_context(ours)
        watches = [stack.enter_context(watch_for(ours, 0.05)) for _, ours in pairs]
        assert threading.active_count() == before + 1
        wait_for(lambda: all(w.is_overdue for w in watches), seconds=30, what="the deadline")


def test_a_socket_that_is_closed_already_is_no_error(pair: Pair) -> None:
    with watch_for(pair[1], 0.02) as found:
        pair[1].close()
        wait_for(lambda: found.is_overdue, seconds=30, what="the deadline")


def test_an_error_within_the_block_ends_the_watch(pair: Pair) -> None:
    with pytest.raises(ZeroDivisionError), watch_for(pair[1], 60):
        raise ZeroDivisionError

    assert slow_clients._watcher._watches == set()


def test_where_there_is_no_socket_there_is_nothing_to_watch() -> None:
    with watch_for(None, 0) as found:
        time.sleep(0.03)

    assert not found.is_overdue


@pytest.mark.parametrize(
    ("size", "seconds"), [(0, 60), (1, 60), (60 * 1024, 60), (61 * 1024, 61), (256 * 1024, 256)]
)
def test_the_deadline_of_a_read_is_by_the_minimum_rate(
    size: int, seconds: int, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 KiB/s, and at least a minute."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    with watch(pair[1], size) as found:
        assert found.deadline == 1000 + seconds
