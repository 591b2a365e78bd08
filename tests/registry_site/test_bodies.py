"""Bodies that are read straight into memory: what gunicorn's own reader makes of them, and no more.

That one is asked beside ours, for good framing and for bad, however the bytes come in.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData
from gunicorn.http.parser import RequestParser

from registry_site import bodies

CONFIG = Config()
NEXT = b"GET /next HTTP/1.1\r\nHost: berth\r\n\r\n"
# What a mistake may put into a framing, in place of a byte of it or before one.
WRONG = (
    b"",
    b"\r",
    b"\n",
    b"\r\n",
    b"0",
    b"f",
    b"g",
    b" ",
    b"\t",
    b";",
    b";a=b",
    b"\0",
    b"-",
    b"x",
)


class Script:
    """A socket over which bytes come in pieces as `cut` says."""

    def __init__(self, sent: bytes, cut: Callable[[], int]) -> None:
        self._sent = memoryview(sent)
        self._cut = cut
        self.asked: list[int] = []

    def recv(self, size: int) -> bytes:
        count = min(size, self._cut(), len(self._sent))
        taken, self._sent = bytes(self._sent[:count]), self._sent[count:]
        self.asked.append(size)
        return taken

    def recv_into(self, target: memoryview) -> int:
        taken = self.recv(len(target))
        target[: len(taken)] = taken
        return len(taken)


class Outcome(NamedTuple):
    """What was read of a body, how it ended, and what the connection is good for after it."""

    content: bytes
    error: str
    trailers: object
    next_path: str | None

    def without_reason(self) -> Outcome:
        """Which of two mistakes gunicorn finds first depends on how the bytes come in."""
        return self._replace(error="refused" if self.error else "")


def head(*fields: str) -> bytes:
    return "\r\n".join(["PUT /x HTTP/1.1", "Host: berth", *fields, "", ""]).encode()


def begin(source: Script, *, quick: bool) -> tuple[Any, Any]:
    parser = RequestParser(CONFIG, source, ("127.0.0.1", 1))
    request = next(parser)
    if quick:
        bodies.quicken(request)
    return parser, request


def outcome(
    sent: bytes, cut: Callable[[], int], read: Callable[[Any], bytes], *, quick: bool
) -> Outcome:
    parser, request = begin(Script(sent, cut), quick=quick)
    parts: list[bytes] = []
    error = ""
    try:
        while part := read(request.body):
            parts.append(part)
    except Exception as caught:
        error = type(caught).__name__
    try:
        path = next(parser).uri
    except Exception as caught:
        path = type(caught).__name__
    return Outcome(b"".join(parts) if not error else b"", error, request.trailers, path)


def fill(size: int) -> Callable[[Any], bytes]:
    def read(body: Any) -> bytes:
        target = bytearray(size)
        return bytes(target[: body.fill(memoryview(target))])

    return read


def chunked(chance: random.Random) -> bytes:
    """A body in chunks as somebody may write them; now and then with a mistake."""
    written = []
    for _ in range(chance.randrange(8)):
        size = chance.choice((1, 2, 15, 16, 17, 255, 5000, 32768, chance.randrange(1, 70_000)))
        line = b"%x" % size if chance.random() < 0.7 else b"%08X" % size
        line += chance.choice((b"", b"", b"", b";name=value", b' ; name="a value"'))
        written += [line, b"\r\n", chance.randbytes(size), b"\r\n"]
    written += [b"0", b"\r\n", chance.choice((b"", b"", b"X-Sum: 1\r\n")), b"\r\n"]
    if chance.random() < 0.6:
        place = chance.choice([n for n in range(len(written)) if len(written[n]) < 60])
        part, at = written[place], chance.randrange(len(written[place]) + 1)
        wrong = chance.choice(WRONG)
        written[place] = part[:at] + wrong + part[at + chance.randrange(2) :]
    body = b"".join(written)
    return body[: chance.randrange(len(body))] if chance.random() < 0.1 else body + NEXT


@pytest.mark.parametrize("seed", range(600))
def test_whatever_is_sent_in_chunks_means_what_it_means_to_gunicorn(seed: int) -> None:
    chance = random.Random(seed)
    sent = head("Transfer-Encoding: chunked") + chunked(chance)
    most = chance.choice((1, 7, 100, 9_000, 300_000)) if len(sent) < 20_000 else 60_000
    size = chance.choice((1, 5, 1024, 70_000, 500_000)) if len(sent) < 20_000 else 100_000

    def cut() -> int:
        return chance.randrange(1, most + 1)

    def read(body: Any) -> bytes:
        content: bytes = body.read(size)
        return content

    theirs = outcome(sent, cut, read, quick=False)

    assert outcome(sent, cut, fill(size), quick=True).without_reason() == theirs.without_reason()
    assert outcome(sent, cut, read, quick=True).without_reason() == theirs.without_reason()


def test_the_kinds_of_bodies_above_are_both_good_and_bad() -> None:
    """Or the comparison would say little."""
    errors = []
    for seed in range(600):
        chance = random.Random(seed)
        sent = head("Transfer-Encoding: chunked") + chunked(chance)
        errors.append(outcome(sent, lambda: 60_000, fill(100_000), quick=True).error)

    assert errors.count("") > 200
    assert {"NoMoreData", "InvalidChunkSize", "ChunkMissingTerminator"} < set(errors)
    assert "InvalidChunkExtension" in errors


def test_many_chunks_are_taken_by_one_read() -> None:
    body = b"".join(b"8000\r\n%s\r\n" % bytes(0x8000) for _ in range(20)) + b"0\r\n\r\n"
    source = Script(head("Transfer-Encoding: chunked") + body, lambda: 1 << 20)
    _, request = begin(source, quick=True)
    target = memoryview(bytearray(21 * 0x8000))

    assert request.body.fill(target) == 20 * 0x8000
    assert len(source.asked) < 6


@pytest.mark.parametrize("field", ["Transfer-Encoding: chunked", "Content-Length: 1000000"])
def test_no_more_is_waited_for_than_64_kibibytes(field: str) -> None:
    """By which a read that takes too long is told: a client may send no more for now."""
    body = b"f4240\r\n" if "chunked" in field else b""
    source = Script(head(field) + body + bytes(200_000), lambda: 70_000)
    _, request = begin(source, quick=True)

    assert 64 * 1024 <= request.body.fill(memoryview(bytearray(1 << 20))) <= 140_000


@pytest.mark.parametrize("length", [1, 10, 16_384, 100_000])
@pytest.mark.parametrize("size", [1, 1000, 20_000, 200_000])
@pytest.mark.parametrize("most", [9, 5_000, 300_000])
def test_of_a_body_of_known_length_all_comes_and_no_more(length: int, size: int, most: int) -> None:
    content = random.Random(length).randbytes(length)
    sent = head(f"Content-Length: {length}") + content + NEXT

    found = outcome(sent, lambda: most, fill(size), quick=True)

    assert found.content == content
    assert (found.error, found.next_path) == ("", "/next")


def test_a_body_of_known_length_that_breaks_off_ends_early() -> None:
    """Who reads counts, as with gunicorn's."""
    _, request = begin(Script(head("Content-Length: 10") + b"12345", lambda: 99), quick=True)
    read = fill(100)

    assert read(request.body) == b"12345"
    assert read(request.body) == b""


def test_what_came_of_a_chunk_before_it_breaks_off_is_handed_on() -> None:
    """Or an upload over a bad line would lose that much each time."""
    sent = head("Transfer-Encoding: chunked") + b"ffff\r\n" + b"x" * 50_000
    _, request = begin(Script(sent, lambda: 9000), quick=True)
    read = fill(200_000)

    assert read(request.body) == b"x" * 50_000
    with pytest.raises(NoMoreData):
        read(request.body)


def test_a_request_without_a_body_stays_as_it_is() -> None:
    _, request = begin(Script(NEXT, lambda: 99), quick=False)
    before = request.body
    bodies.quicken(request)

    assert request.body is before


def test_after_a_mistake_the_connection_is_not_used_again() -> None:
    sent = head("Transfer-Encoding: chunked") + b"g\r\n" + NEXT
    _, request = begin(Script(sent, lambda: 999), quick=True)
    with pytest.raises(Exception, match="chunk size"):
        fill(10)(request.body)

    assert request.body.failed


def test_what_a_line_left_behind_is_not_lost() -> None:
    sent = head("Transfer-Encoding: chunked") + b"a\r\none\ntwo 33\r\n0\r\n\r\n"
    _, request = begin(Script(sent, lambda: 999), quick=True)

    assert request.body.readline() == b"one\n"
    assert fill(100)(request.body) == b"two 33"
