"""The connection of a client: what it sends, and when it lets itself be timed out."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread, Timer

import pytest

from registry_site.connection import Connection

Pair = tuple[socket.socket, Connection]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The client's end and ours."""
    client, ours = socket.socketpair()
    client.settimeout(5)
    connection = Connection(ours)
    with client, connection:
        yield client, connection


def sent(client: socket.socket) -> bytes:
    """What has come so far."""
    client.setblocking(False)
    try:
        return client.recv(1 << 20)
    except BlockingIOError:
        return b""


def test_headers_go_out_with_the_body_that_follows(pair: Pair) -> None:
    client, connection = pair
    connection.hold()
    connection.sendall(b"headers")
    assert sent(client) == b""
    connection.sendall(b"body")

    assert sent(client) == b"headersbody"


def test_only_the_first_write_is_held_back(pair: Pair) -> None:
    client, connection = pair
    connection.hold()
    for piece in (b"headers", b"body", b"more"):
        connection.sendall(piece)

    assert sent(client) == b"headersbodymore"


def test_headers_without_a_body_go_out_by_flush(pair: Pair) -> None:
    client, connection = pair
    connection.hold()
    connection.sendall(b"headers")
    connection.flush()
    connection.flush()

    assert sent(client) == b"headers"


def test_a_large_body_is_not_copied_to_its_headers(pair: Pair) -> None:
    client, connection = pair
    connection.setblocking(True)
    connection.hold()
    connection.sendall(b"headers")
    connection.sendall(b"x" * (64 * 1024 + 1))

    received = b""
    while len(received) < 7 + 64 * 1024 + 1:
        received += client.recv(1 << 20)
    assert received == b"headers" + b"x" * (64 * 1024 + 1)


def test_a_file_follows_its_headers(pair: Pair, tmp_path: Path) -> None:
    client, connection = pair
    (tmp_path / "file").write_bytes(b"0123456789")
    connection.hold()
    connection.sendall(b"headers")
    with (tmp_path / "file").open("rb") as file:
        connection.sendfile(file, offset=2, count=3)

    assert client.recv(7) == b"headers"
    assert client.recv(100) == b"234"


def test_what_is_dropped_is_never_sent(pair: Pair) -> None:
    client, connection = pair
    connection.hold()
    connection.sendall(b"headers")
    assert connection.drop() == b"headers"
    connection.sendall(b"error")

    assert sent(client) == b"error"


def test_a_read_ends_at_the_time_out_that_was_set(pair: Pair) -> None:
    connection = pair[1]
    connection.settimeout(0.01)
    assert connection.gettimeout() == 0.01
    with pytest.raises(TimeoutError):
        connection.recv(1)
    with pytest.raises(TimeoutError):
        connection.recv_into(bytearray(1))


def test_a_read_that_may_not_wait_does_not(pair: Pair) -> None:
    connection = pair[1]
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        connection.recv(1)


def test_a_time_out_that_was_taken_back_is_none(pair: Pair) -> None:
    client, connection = pair
    connection.settimeout(0.01)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    connection.setblocking(True)
    client.sendall(b"x")

    assert connection.gettimeout() is None
    assert connection.recv(1) == b"x"


def test_a_write_ends_at_the_time_out_that_was_set(pair: Pair) -> None:
    connection = pair[1]
    connection.settimeout(0.05)
    with pytest.raises(TimeoutError):
        connection.sendall(b"x" * (16 << 20))


def test_the_old_socket_is_taken_over() -> None:
    client, ours = socket.socketpair()
    number = ours.fileno()
    with client, Connection(ours) as connection:
        assert connection.fileno() == number
        assert ours.fileno() == -1
        assert connection.family == socket.AF_UNIX


@pytest.mark.parametrize(("offset", "count"), [(0, None), (5, 3_000_000), (7, 1), (9, 0)])
def test_a_large_file_arrives_whole_at_a_client_that_reads_slowly(
    offset: int, count: int | None, pair: Pair, tmp_path: Path
) -> None:
    client, connection = pair
    content = bytes(range(251)) * 16_000
    (tmp_path / "file").write_bytes(content)
    wanted = content[offset:] if count is None else content[offset : offset + count]
    received = bytearray()

    def read() -> None:
        while len(received) < len(wanted):
            received.extend(client.recv(100_000))
            time.sleep(0.001)

    reader = Thread(target=read)
    reader.start()
    with (tmp_path / "file").open("rb") as file:
        assert connection.sendfile(file, offset, count) == len(wanted)
    reader.join(10)
    assert bytes(received) == wanted
    assert connection.sent_of_files == len(wanted)
    client.sendall(b"next")
    connection.setblocking(True)
    assert connection.recv(10) == b"next"


def test_a_file_that_has_become_shorter_ends_where_it_ends(pair: Pair, tmp_path: Path) -> None:
    client, connection = pair
    (tmp_path / "file").write_bytes(b"0123")
    with (tmp_path / "file").open("rb") as file:
        assert connection.sendfile(file, 1, 100) == 3
    assert sent(client) == b"123"


def test_a_file_that_the_kernel_cannot_send_is_read_and_sent(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", cannot)
    client, connection = pair
    connection.setblocking(True)
    (tmp_path / "file").write_bytes(b"0123456789")
    with (tmp_path / "file").open("rb") as file:
        assert connection.sendfile(file, 2, 7) == 7
    assert sent(client) == b"2345678"
    assert connection.sent_of_files == 7


def test_who_goes_away_in_the_middle_of_a_file_is_noticed(pair: Pair, tmp_path: Path) -> None:
    client, connection = pair
    (tmp_path / "file").write_bytes(bytes(8 << 20))
    leaving = Timer(0.2, client.close)
    leaving.start()
    with (tmp_path / "file").open("rb") as file, pytest.raises((BrokenPipeError, ConnectionError)):
        connection.sendfile(file)
    leaving.join()
