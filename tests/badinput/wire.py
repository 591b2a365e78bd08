"""An HTTP client that sends exactly the bytes it is given, lawful or not.

Ordinary clients correct what they send; a corpus of bad input needs one that does not.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

Headers = tuple[tuple[str, str], ...]
TIMEOUT = 20.0
PIECE = 64 * 1024


class NoAnswer(Exception):
    """The server ended the connection without an answer, or with one cut short."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, as it was on the wire."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str:
        """The field's value, empty where it is missing."""
        return ", ".join(value for key, value in self.headers if key == name.lower())

    @property
    def says_close(self) -> bool:
        return self.header("connection").lower() == "close"


def request(
    method: str,
    target: str,
    host: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> bytes:
    """A request; Host and Content-Length are added unless `headers` says otherwise."""
    fields = list(headers)
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        fields.insert(0, ("Host", host))
    sized = names & {"content-length", "transfer-encoding"}
    if not sized and (body or method in {"POST", "PUT", "PATCH"}):
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*pieces: bytes) -> bytes:
    """A body in chunked coding, properly ended."""
    framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
    return b"".join([*framed, b"0\r\n\r\n"])


class Connection:
    """One TCP connection to a server."""

    def __init__(self, host: str, *, timeout: float = TIMEOUT) -> None:
        name, _, port = host.partition(":")
        self._socket = socket.create_connection((name, int(port)), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> bool:
        """Send all of it; False if the server stopped listening. Its answer may be waiting."""
        view = memoryview(data)
        try:
            for start in range(0, len(view), PIECE):
                self._socket.sendall(view[start : start + PIECE])
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def half_close(self) -> None:
        """Say that nothing more will be sent, and go on listening."""
        with suppress(OSError):  # the server may have been quicker
            self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Go away at once, as a crashed client does: the server loses what it has not read."""
        linger = b"\x01\0\0\0" + b"\0\0\0\0"
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    def close(self) -> None:
        self._socket.close()

    def answer(self, *, head: bool = False) -> Answer:
        """The next final response; `head` if the request was HEAD, whose answer has no body."""
        while True:
            status, headers = self._head()
            if status >= 200:
                break
        fields = dict(headers)
        if head or status in {204, 304}:
            body = b""
        elif fields.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        elif "content-length" in fields:
            body = self._exactly(int(fields["content-length"]))
        else:
            body = self.rest()
        return Answer(status, headers, body)

    def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        with suppress(ConnectionResetError):  # an end as well: it left some of ours unread
            while self._more():
                pass
        data, self._buffer = self._buffer, b""
        return data

    def drain(self) -> int:
        """Read until the server ends the connection and keep nothing; how many bytes came."""
        size, space = len(self._buffer), bytearray(1 << 20)
        while count := self._socket.recv_into(space):
            size += count
        return size

    def _more(self) -> bool:
        data = self._socket.recv(PIECE)
        self._buffer += data
        return bool(data)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._need()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        pieces = [self._buffer]
        missing = size - len(self._buffer)
        while missing > 0:
            data = self._socket.recv(min(missing, 1 << 20))
            if not data:
                raise NoAnswer(f"the body lacks {missing} of {size} bytes")
            pieces.append(data)
            missing -= len(data)
        data = b"".join(pieces)
        self._buffer = data[size:]
        return data[:size]

    def _need(self) -> None:
        try:
            more = self._more()
        except ConnectionResetError as error:
            raise NoAnswer(f"reset after {self._buffer[:200]!r}") from error
        if not more:
            raise NoAnswer(f"ended after {self._buffer[:200]!r}")

    def _head(self) -> tuple[int, Headers]:
        version, _, rest = self._line().partition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise NoAnswer(f"not HTTP: {version[:200]!r}")
        headers = []
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name.strip().lower(), value.strip()))
        return int(rest[:3]), tuple(headers)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._line().partition(b";")[0], 16):
            body += self._exactly(size)
            self._line()
        while self._line():
            pass  # trailers
        return body


def exchange(
    host: str,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Answer:
    """One request on a connection of its own."""
    with Connection(host) as connection:
        fields = [*headers, ("Connection", "close")]
        connection.send(request(method, target, host, fields, body))
        return connection.answer(head=method == "HEAD")


def path_of(location: str) -> str:
    """A Location's path and query, whether it is absolute or relative."""
    return "/" + location.partition("://")[2].partition("/")[2] if "://" in location else location
