"""The body of a request: counted, bounded, and no slower than the minimum."""

import io
import socket
import time
from collections.abc import Iterator

import pytest

from api import slow_clients
from api.v2.body import FIRST_READ, MOST_FILLED, NEXT_READ, Body
from repositories.oci.errors import BodyTooSlow, ManifestTooLarge, RequestInvalid, SizeInvalid

CONTENT = b"0123456789"


class Recorder(io.BytesIO):
    """A body that remembers how much was asked for each time."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.sizes: list[int] = []

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        self.sizes.append(size)
        return super().read(size)


def make(content: bytes, **environ: object) -> tuple[Body, Recorder]:
    stream = Recorder(content)
    return Body({"wsgi.input": stream, **environ}), stream


def sized(content: bytes, length: int | None = None) -> tuple[Body, Recorder]:
    return make(content, CONTENT_LENGTH=str(len(content) if length is None else length))


def chunked(content: bytes) -> tuple[Body, Recorder]:
    return make(content, HTTP_TRANSFER_ENCODING="chunked")


@pytest.mark.parametrize("environ", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}])
def test_a_request_without_a_length_has_no_body(environ: dict[str, str]) -> None:
    """On a connection that is kept alive the next bytes belong to the next request."""
    found, stream = make(CONTENT, **environ)

    assert list(found) == []
    assert found.length == 0
    assert stream.sizes == []


def test_no_more_is_read_than_the_length() -> None:
    found, stream = sized(CONTENT, 4)

    assert b"".join(found) == CONTENT[:4]
    assert stream.read(100) == CONTENT[4:]


def test_a_chunked_body_goes_to_its_end_whatever_length_is_given() -> None:
    found, _ = make(CONTENT, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="4")

    assert found.length is None
    assert b"".join(found) == CONTENT


def test_a_request_without_a_stream_has_an_empty_body() -> None:
    assert list(Body({"HTTP_TRANSFER_ENCODING": "chunked"})) == []
    with pytest.raises(SizeInvalid):
        list(Body({"CONTENT_LENGTH": "1"}))


def test_the_first_read_is_small_and_the_others_large() -> None:
    size = FIRST_READ + 2 * NEXT_READ + 1
    found, stream = sized(b"x" * size)

    assert sum(map(len, found)) == size
    assert stream.sizes == [FIRST_READ, NEXT_READ, NEXT_READ, 1]


def test_reads_stay_small_while_they_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 2))  # each look at it two seconds later
    found, stream = chunked(b"x" * (3 * FIRST_READ))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    list(found)

    assert stream.sizes == [FIRST_READ] * 4


class Filler:
    """A body as our own server gives it: into memory that is there."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def fill(self, target: memoryview) -> int:
        return self._stream.readinto(target)


def test_a_body_comes_in_two_stretches_of_memory_by_turns() -> None:
    """So that the one before can still be hashed while the next one is received."""
    content = bytes(range(256)) * (4 * MOST_FILLED // 256)
    pieces: list[bytes | memoryview] = []
    last = b""
    for piece in Body({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": Filler(content)}):
        if pieces:
            assert bytes(pieces[-1]) == last
        pieces.append(piece)
        last = bytes(piece)
        assert content.startswith(last, sum(map(len, pieces[:-1])))

    assert sum(map(len, pieces)) == len(content)
    assert len({id(piece.obj) for piece in pieces[1:] if isinstance(piece, memoryview)}) == 2


def test_a_body_that_fills_memory_can_be_read_whole() -> None:
    content = bytes(range(251)) * 12_000
    environ = {"CONTENT_LENGTH": str(len(content)), "wsgi.input": Filler(content)}

    assert Body(environ).read(len(content)) == content


@pytest.mark.parametrize("length", [11, 2**63 - 1])
def test_a_body_that_ends_before_its_length_is_broken_off(length: int) -> None:
    found, _ = sized(CONTENT, length)
    received: list[bytes | memoryview] = []
    with pytest.raises(SizeInvalid) as caught:
        received.extend(found)

    assert caught.value.detail == {"received": 10, "announced": length}
    with pytest.raises(SizeInvalid):
        sized(CONTENT, length)[0].read(2**63)


def test_what_came_before_a_break_is_handed_on() -> None:
    found, _ = sized(CONTENT, 11)
    pieces = iter(found)

    assert next(pieces) == CONTENT
    with pytest.raises(SizeInvalid):
        next(pieces)


@pytest.mark.parametrize("error", [OSError(), ValueError(), EOFError(), ZeroDivisionError()])
def test_whatever_the_server_raises_while_reading_is_the_clients_framing(
    error: Exception,
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise error

    with pytest.raises(SizeInvalid):
        list(Body({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": Broken()}))


@pytest.mark.parametrize(
    "header", ["-1", "+1", "1_0", " 1", "1.0", "0x1", "\u0661", "9" * 20, "9223372036854775808"]
)
def test_a_length_that_is_no_number_is_refused(header: str) -> None:
    with pytest.raises(RequestInvalid):
        make(CONTENT, CONTENT_LENGTH=header)


@pytest.mark.parametrize("made", [sized, chunked])
@pytest.mark.parametrize("content", [b"", CONTENT, b"x" * (2 * NEXT_READ)])
def test_a_small_body_is_read_whole(made: object, content: bytes) -> None:
    assert callable(made)

    assert made(content)[0].read(len(content)) == content


def test_too_long_a_body_is_refused_before_it_is_read_where_its_length_is_known() -> None:
    found, stream = sized(CONTENT)
    with pytest.raises(ManifestTooLarge):
        found.read(9)

    assert stream.sizes == []


def test_of_a_chunked_body_that_is_too_long_little_is_read() -> None:
    found, stream = chunked(b"x" * 100 * NEXT_READ)
    with pytest.raises(ManifestTooLarge):
        found.read(NEXT_READ)

    assert sum(stream.sizes) <= FIRST_READ + 2 * NEXT_READ


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's end and ours, with a patience of a tenth of a second."""
    monkeypatch.setattr(slow_clients, "_watcher", slow_clients._Watcher())
    monkeypatch.setattr(slow_clients, "_TICK_SECONDS", 0.01)
    monkeypatch.setattr(slow_clients, "MIN_SECONDS", 0.1)
    monkeypatch.setattr(slow_clients, "MIN_BYTES_PER_SECOND", 10**9)
    client, ours = socket.socketpair()
    with client, ours:
        yield client, ours


def over(ours: socket.socket, **environ: object) -> Body:
    return Body({"wsgi.input": ours.makefile("rb", 0), "gunicorn.socket": ours, **environ})


@pytest.mark.parametrize("sent", [b"", b"0123"])
def test_a_body_that_comes_too_slowly_is_given_up(
    sent: bytes, connection: tuple[socket.socket, socket.socket]
) -> None:
    client, ours = connection
    client.sendall(sent)
    received: list[bytes | memoryview] = []
    with pytest.raises(BodyTooSlow):
        received.extend(over(ours, CONTENT_LENGTH="10"))
    ours.sendall(b"408")
    assert client.recv(3) == b"408"


def test_a_body_that_takes_long_and_keeps_coming_is_taken(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    """A minimum rate, and no total time."""
    client, ours = connection
    pieces = iter(over(ours, CONTENT_LENGTH="10"))
    for byte in CONTENT:
        time.sleep(0.03)
        client.sendall(bytes([byte]))
        assert next(pieces) == bytes([byte])

    assert list(pieces) == []
