"""An HTTP client that costs little, so that a figure is the server's and not ours.

One blocking keep-alive connection, and no parsing beyond what an answer needs. What registry
clients do with it is in `steps.py`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.content import Blob

TIMEOUT = 120.0
RECEIVE = 256 * 1024
NOTHING: Mapping[str, str] = {}


class WrongAnswer(Exception):
    """A server answered something else than it should have; the message says what."""


class Answer(NamedTuple):
    """A response: status, headers with lower-case names, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def expect(self, status: int, what: str) -> Answer:
        """Itself, if it has this status; else raises WrongAnswer."""
        if self.status != status:
            raise WrongAnswer(f"{what}: {self.status} instead of {status} {self.body[:200]!r}")
        return self


class Connection:
    """A connection to a server, opened when it is first needed."""

    def __init__(self, host: str, port: int, headers: Mapping[str, str] = NOTHING) -> None:
        self.host, self.port = host, port
        self.headers = headers  # of every request; a token may be exchanged for the next one
        self._socket: socket.socket | None = None
        self._rest = b""  # received and not yet read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def request(
        self, method: str, path: str, headers: Mapping[str, str] = NOTHING, body: bytes = b""
    ) -> Answer:
        """Send a request with a body of known length; return the answer."""
        if body or method in ("POST", "PUT"):
            headers = {**headers, "Content-Length": str(len(body))}
        self._open().sendall(self.head(method, path, headers) + body)
        return self._answer(method)

    def send_chunked(self, method: str, path: str, blob: Blob) -> Answer:
        """Send a blob in chunks, as the docker engine does; return the answer."""
        headers = {"Transfer-Encoding": "chunked", "Content-Type": "application/octet-stream"}
        connection = self._open()
        try:
            connection.sendall(self.head(method, path, headers))
            for piece in blob.pieces():
                _send_chunk(connection, piece)
            connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WrongAnswer(f"{method} {path}: closed by the server") from error
        return self._answer(method)

    def receive(self, path: str) -> tuple[Answer, Iterator[memoryview]]:
        """GET a large body: the answer without it, and its bytes as they come.

        Each view is valid until the next one is asked for; all must be taken.
        """
        self._open().sendall(self.head("GET", path))
        answer = self._answer_head()
        return answer, self._stream(int(answer.headers.get("content-length", "0")))

    def head(self, method: str, path: str, headers: Mapping[str, str] = NOTHING) -> bytes:
        """The bytes of a request before its body."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in {**self.headers, **headers}.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection((self.host, self.port), TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _more(self) -> bytes:
        data = self._open().recv(RECEIVE)
        if not data:
            self.close()
            raise WrongAnswer("closed by the server in the middle of an answer")
        return data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._rest += self._more()
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._rest += self._more()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _answer_head(self) -> Answer:
        status, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Answer(int(status.split()[1]), headers, b"")

    def _answer(self, method: str) -> Answer:
        answer = self._answer_head()
        if method != "HEAD" and answer.status not in (204, 304):
            answer = answer._replace(body=self._body(answer.headers))
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._exactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self._exactly(size + 2)[:-2]
        self._until(b"\r\n")
        return body

    def _stream(self, size: int) -> Iterator[memoryview]:
        buffer = memoryview(bytearray(RECEIVE))
        first, self._rest = self._rest[:size], self._rest[size:]
        yield memoryview(first)
        connection, left = self._open(), size - len(first)
        while left:
            count = connection.recv_into(buffer, min(left, RECEIVE))
            if not count:
                self.close()
                raise WrongAnswer(f"closed by the server, {left} bytes short")
            left -= count
            yield buffer[:count]


def _send_chunk(connection: socket.socket, piece: memoryview) -> None:
    head = b"%x\r\n" % len(piece)
    sent = connection.sendmsg([head, piece, b"\r\n"])
    if sent < len(head) + len(piece) + 2:  # rare: the time-out makes the socket non-blocking
        connection.sendall(b"".join([head, piece, b"\r\n"])[sent:])
