"""Small requests without gunicorn: the same answers, reads without a thread, or none at all."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from unittest import mock

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn
from pytest_django import Settings

from api import mount
from api.v2.response import Response
from registry_site import quick
from registry_site.connection import Connection
from registry_site.worker import Waiting, Worker
from repositories import manifests
from repositories.access import ANONYMOUS
from repositories.waiting import without_waiting
from tests.badinput.corpus import OCI_INDEX
from tests.badinput.wire import request

INDEX = b'{"schemaVersion": 2, "mediaType": "' + OCI_INDEX.encode() + b'", "manifests": []}'
NAME = "team/app"
TAG = f"/v2/{NAME}/manifests/1"
HOST = "registry.example"


@dataclass
class Place:
    """A connection as gunicorn keeps it, the client's end of it, and the reader."""

    client: socket.socket
    conn: Any
    reader: quick.Reader

    def send(self, data: bytes) -> bool | quick.Unsent | None:
        self.client.sendall(data)
        return self.reader.answer(self.conn)

    def get(self, path: str, *fields: tuple[str, str]) -> bool | quick.Unsent | None:
        return self.send(request("GET", path, HOST, fields))

    def by_thread(self, data: bytes) -> bool | None:
        """As when the thread that polls has given it back, which sees the beginning."""
        self.conn.parser.unreader.unread(data)
        return self.reader.answer_in_thread(self.conn)

    def left(self) -> bytes:
        """What gunicorn's parser was given back."""
        left: bytes = self.conn.parser.unreader.take_buffered()
        return left


@pytest.fixture
def place(settings: Settings) -> Iterator[Place]:
    settings.OPEN_ACCESS = True
    ours, theirs = socket.socketpair()
    cfg = Config()
    conn = TConn(cfg, Connection(ours), ("192.0.2.7", 4711), ("127.0.0.1", 5000))
    conn.init()
    with theirs, conn.sock:
        theirs.settimeout(5)
        yield Place(theirs, conn, quick.Reader(cfg))


@pytest.fixture
def image(db: None, settings: Settings) -> bytes:
    settings.OPEN_ACCESS = True
    manifests.push(
        principal=ANONYMOUS,
        repository=NAME,
        digest=None,
        names=["1"],
        payload=INDEX,
        content_type=OCI_INDEX,
    )
    return INDEX


# --- what it takes, and what it leaves to gunicorn -----------------------------------------------


def test_a_read_is_answered_and_the_connection_kept(place: Place) -> None:
    assert place.get("/v2/") is True
    answer = place.client.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: ")
    assert b"\r\nConnection: keep-alive\r\n" in answer
    assert answer.endswith(b"\r\n\r\n{}")
    assert place.left() == b""
    assert place.send(request("HEAD", "/v2/", HOST)) is True
    assert b"\r\nContent-Length: 2\r\n" in (head := place.client.recv(1 << 16))
    assert head.endswith(b"\r\n\r\n")
    assert place.left() == b""


OTHERS = {
    "a method": request("DELETE", TAG, HOST),
    "a fragment": request("GET", "/v2/#a", HOST),
    "an encoded path": request("GET", "/v2/%2e%2e/tags/list", HOST),
    "a page": request("GET", "/", HOST),
    "the token service": request("GET", "/token", HOST),
    "a body": request("GET", "/v2/", HOST, (), b"x"),
    "a chunked body": request("GET", "/v2/", HOST, (("Transfer-Encoding", "chunked"),)),
    "continue": request("GET", "/v2/", HOST, (("Expect", "100-continue"),)),
    "close": request("GET", "/v2/", HOST, (("Connection", "close"),)),
    "an upgrade": request("GET", "/v2/", HOST, (("Upgrade", "h2c"),)),
    "another version": request("GET", "/v2/", HOST).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "two requests": request("GET", "/v2/", HOST) * 2,
    "half a request": request("GET", "/v2/", HOST)[:-2],
    "no lines": request("GET", "/v2/", HOST).replace(b"\r\n", b"\n"),
    "a field that is folded": request("GET", "/v2/", HOST, (("X", "a\r\n b"),)),
    "a space before a colon": request("GET", "/v2/", HOST, (("Content-Length ", "1"),)),
    "a field without a name": request("GET", "/v2/", HOST, (("", "1"),)),
    "NUL": request("GET", "/v2/", HOST, (("X", "a\0b"),)),
    "too long a line": request("GET", "/v2/" + "a" * 4000, HOST),
    "too many fields": request("GET", "/v2/", HOST, [("X", "1")] * 200),
    "too much": request("GET", "/v2/", HOST, (("X", "1" * 8190),)),
    "no head at all": b"\x16\x03\x01\x02\x00\x01",
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("times", [1, 2])
def test_whatever_else_comes_is_given_back_as_it_was(name: str, times: int, place: Place) -> None:
    """Twice, since what was seen before might be taken for known."""
    assert place.get("/v2/") is True
    place.client.recv(1 << 16)
    for _ in range(times):
        assert place.send(OTHERS[name]) is False
        assert place.left() == OTHERS[name][: quick._MOST_BYTES]
        place.conn.sock.setblocking(False)
        if len(OTHERS[name]) > quick._MOST_BYTES:
            place.conn.sock.recv(1 << 20)


Seen = list[tuple[str, str, str | None, bytes]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What the door is asked: method, path, a field and the body."""
    seen: Seen = []

    def door(request: Any) -> Response:
        seen.append((request.method, request.path, request.header("X"), request.body.read(1 << 20)))
        return Response(201, {"Location": "/v2/a"})

    monkeypatch.setattr(mount, "door_of", lambda _: door)
    return seen


WRITES = {
    "nothing": request("POST", "/v2/a/blobs/uploads/?mount=sha256%3A0&from=b%2Fc", HOST),
    "a body": request("PUT", TAG, HOST, (("Content-Type", OCI_INDEX),), INDEX),
    "an empty body": request("PATCH", "/v2/a/blobs/uploads/1", HOST),
    "no length": request("DELETE", TAG, HOST),
    "two lines in a body": request("PUT", TAG, HOST, (), b"a\r\n\r\nb"),
    "a read": request("GET", TAG, HOST),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_thread_answers_small_writes_and_keeps_the_connection(
    name: str, place: Place, seen: Seen
) -> None:
    data = WRITES[name]
    for sent in (False, True):  # what a client sends at its own heels is not read yet
        if sent:
            place.client.sendall(data)
        done = place.reader.answer_in_thread(place.conn) if sent else place.by_thread(data)
        assert done is True
        answer = place.client.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 201 Created\r\nServer: gunicorn\r\nDate: ")
        assert answer.endswith(b"\r\nLocation: /v2/a\r\nContent-Length: 0\r\n\r\n")
        assert place.left() == b""
    method, target = data.split()[:2]
    path, body = target.partition(b"?")[0], data.partition(b"\r\n\r\n")[2]
    assert seen == [(method.decode(), path.decode(), None, body)] * 2


PUT = request("PUT", TAG, HOST, (), b"body")
GUNICORNS = {
    **{name: data for name, data in OTHERS.items() if name not in ("a method", "too much")},
    "less than it says": PUT[:-1],
    "more than it says": PUT + b"x",
    "two writes": PUT * 2,
    "a write in chunks": request("PUT", TAG, HOST, (("Transfer-Encoding", "chunked"),)),
    "both lengths": PUT.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "two lengths": PUT.replace(b"\r\n\r\n", b"\r\nContent-Length: 4\r\n\r\n"),
    "a length with a sign": PUT.replace(b"Length: 4", b"Length: +4"),
    "a length that is none": PUT.replace(b"Length: 4", b"Length: four"),
    "continue a write": request("PUT", TAG, HOST, (("Expect", "100-continue"),), b"body"),
    "an end after a write": request("PUT", TAG, HOST, (("Connection", "close"),), b"body"),
    "an unknown method": PUT.replace(b"PUT", b"LOCK"),
}


@pytest.mark.parametrize("name", GUNICORNS)
def test_a_thread_gives_whatever_else_comes_to_gunicorn(
    name: str, place: Place, seen: Seen
) -> None:
    """Twice, and after what has the same lines."""
    assert place.by_thread(PUT) is True
    seen.clear()
    for _ in range(2):
        assert place.by_thread(GUNICORNS[name]) is False
        assert place.left() == GUNICORNS[name]
    assert seen == []


def test_known_lines_are_known_in_another_block(
    place: Place, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fields in ((("X", "1"),), (("X", "2"), ("Y", "3")), (("x", "4"),)):
        assert place.by_thread(request("POST", TAG, HOST, fields)) is True
    parse = mock.Mock(side_effect=place.reader._parse)
    monkeypatch.setattr(place.reader, "_parse", parse)
    assert place.by_thread(request("POST", TAG, HOST, (("X", "1"), ("Y", "3")))) is True
    assert place.by_thread(request("POST", TAG, HOST, (("Y", "3"), ("x", "4")))) is True
    assert [x for _, _, x, _ in seen[-2:]] == ["1", "4"]
    assert not parse.called
    # Two of the same name are gunicorn's to put together, and are not known line by line.
    for fields in ((("X", "1"), ("X", "2")), (("X", "2"), ("x", "4"))):
        assert place.by_thread(request("POST", TAG, HOST, fields)) is True
    assert [x for _, _, x, _ in seen[-2:]] == ["1,2", "2,4"]
    assert parse.call_count == 2


def test_lines_are_kept_within_limits(place: Place, seen: Seen) -> None:
    for number in range(quick._MOST_LINES + 10):
        assert place.by_thread(request("POST", TAG, HOST, (("X", str(number)),))) is True
        place.client.recv(1 << 16)
    assert len(place.reader._lines) <= quick._MOST_LINES


def test_a_client_that_has_gone_is_seen_by_a_thread(place: Place) -> None:
    assert place.reader.answer_in_thread(place.conn) is False  # it may yet send something
    place.client.shutdown(socket.SHUT_WR)
    assert place.reader.answer_in_thread(place.conn) is None


def test_the_end_of_a_connection_is_seen(place: Place) -> None:
    place.client.shutdown(socket.SHUT_WR)
    assert place.reader.answer(place.conn) is None


def test_tls_connections_are_gunicorns(place: Place) -> None:
    place.conn.sock = socket.socket()
    assert place.reader.answer(place.conn) is False
    place.conn.sock.close()


def test_each_client_is_asked_for_by_its_own_fields_and_address(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str | None, str]] = []
    door = mount.door_of("/v2/")
    assert door

    def watched(request: Any) -> Any:
        seen.append((request.header("X-Who"), request.address))
        return door(request)

    monkeypatch.setattr(mount, "door_of", lambda _: watched)
    for who, address in (("a", "192.0.2.7"), ("b", "192.0.2.8"), ("a", "192.0.2.9")):
        place.conn.client = (address, 4711)
        assert place.get("/v2/", ("X-Who", who)) is True
    assert seen == [("a", "192.0.2.7"), ("b", "192.0.2.8"), ("a", "192.0.2.9")]


@pytest.mark.parametrize(
    ("name", "value", "is_kept"),
    [
        ("Authorization", "Basic YTpi", False),
        ("authorization", "basic YTpi", False),
        ("Authorization", "Bearer berth_0123", False),
        ("Authorization", "Bearer  eyJhbGciOi", False),
        ("AUTHORIZATION", "bearer eyJhbGciOi", True),
        ("Cookie", "sessionid=1", False),
        ("Proxy-Authorization", "Basic YTpi", False),
        ("X-Authorization", "Basic YTpi", True),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_no_secret_that_lasts_is_kept_in_memory(
    name: str, value: str, is_kept: bool, is_first: bool, place: Place
) -> None:
    others = [("Host", HOST), ("Accept", "*/*")]
    fields = [(name, value), *others] if is_first else [*others, (name, value)]
    assert place.send(request("GET", "/v2/", HOST, fields)) is is_kept
    assert place.by_thread(request("GET", "/v2/", HOST, fields)) is is_kept
    assert len(place.reader._blocks) == is_kept
    assert len(place.reader._lines) == 3 * is_kept


def test_a_socket_that_has_nothing_after_all_goes_on_waiting(place: Place) -> None:
    assert place.reader.answer(place.conn) is True
    assert place.get("/v2/") is True


def test_blocks_of_fields_are_kept_within_limits(place: Place) -> None:
    for number in range(quick._MOST_BLOCKS + 10):
        assert place.get("/v2/", ("X", str(number))) is True
        place.client.recv(1 << 16)
    assert len(place.reader._blocks) <= quick._MOST_BLOCKS
    before = len(place.reader._blocks)
    assert place.get("/v2/", ("X", "1" * (quick._MOST_BLOCK + 1))) is True
    assert len(place.reader._blocks) == before


def test_no_header_ends_a_line(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def door(request: Any) -> Any:
        return Response(200, {"Warning": "a\r\nSet-Cookie: b"}, b"")

    monkeypatch.setattr(mount, "door_of", lambda _: door)
    with pytest.raises(ValueError, match="cannot be sent"):
        place.get("/v2/")


# --- what has to wait ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_what_is_remembered_takes_no_database_and_what_is_not_takes_a_thread(
    image: bytes, place: Place
) -> None:
    with without_waiting():
        assert place.get(TAG) is False
    assert place.left() == request("GET", TAG, HOST)
    assert manifests.read(repository=NAME, reference="1").payload == image  # as a thread does
    with without_waiting():
        assert place.get(TAG) is True
        assert place.client.recv(1 << 16).endswith(b"\r\n\r\n" + image)
        assert place.get(f"/v2/{NAME}/manifests/2") is False  # what is not there is asked for
    place.left()


def test_what_does_not_go_out_at_once_is_left_for_a_thread(place: Place, tmp_path: Path) -> None:
    place.conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    body = bytes(range(256)) * 1024
    unsent = place.reader._send(place.conn.sock, body, None)
    assert isinstance(unsent, quick.Unsent)
    received = bytearray()
    _meanwhile(lambda: unsent.send(place.conn.sock), place.client, received, len(body))
    assert bytes(received) == body


def _meanwhile(
    send: Callable[[], object], client: socket.socket, received: bytearray, size: int
) -> None:
    sender = Thread(target=send)
    sender.start()
    while len(received) < size:
        received += client.recv(1 << 16)
    sender.join(10)


# --- who waits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_alive", "others", "is_quick"), [(True, 0, True), (True, 4, False), (False, 0, False)]
)
def test_a_worker_that_stops_or_is_full_lets_threads_end_connections(
    is_alive: bool, others: int, is_quick: bool
) -> None:
    worker = Worker.__new__(Worker)
    worker.alive, worker.nr, worker.max_keepalived = is_alive, 0, 5
    worker.keepalived_conns = Waiting()
    worker._reader = mock.Mock(answer=mock.Mock(return_value=True))
    worker.poller, worker.enqueue_req = mock.Mock(), mock.Mock()
    conn = mock.Mock()
    for each in (conn, *(object() for _ in range(others))):
        worker.keepalived_conns.append(each)
    worker.on_client_socket_readable(conn, conn.sock)
    assert worker._reader.answer.called is is_quick
    assert worker.enqueue_req.called is not is_quick
    assert (conn in list(worker.keepalived_conns)) is is_quick


def test_waiting_connections_are_in_the_order_of_their_last_answer() -> None:
    waiting = Waiting()
    first, second, third = object(), object(), object()
    for conn in (first, second, third):
        waiting.append(conn)
    waiting.append(first)
    assert list(waiting) == [second, third, first]
    assert (waiting[0], len(waiting)) == (second, 3)
    waiting.remove(third)
    assert waiting.popleft() is second
    assert waiting.popleft() is first
    assert not waiting
