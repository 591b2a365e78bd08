"""HTTP as the doctor needs it: nothing is followed, unpacked or tried again, and a body can be sent
while the answer is waited for. Libraries for clients hide just what is looked for here."""

import contextlib
import http.client
import ssl
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from accounts.addresses import Origin
from accounts.proxy_facts import origin_of

SECONDS = 30.0
# After the last byte of a large upload the disk has to have it.
LAST_SECONDS = 300.0
# The first piece of a body: more than fits into the buffers of a proxy that keeps none.
PIECE = bytes(64 * 1024)
_MOST = 8 * 1024 * 1024
_PORTS = {"http": 80, "https": 443}

Failure = (OSError, HTTPException)


class Answer(NamedTuple):
    """What came back, with at most 8 MiB of its body."""

    status: int
    headers: HTTPMessage
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header; empty when it was not sent."""
        return self.headers.get(name, "")

    @property
    def is_berths(self) -> bool:
        """Whether an answer below /v2/ comes from the registry, and not from a proxy before it."""
        return self.header("Docker-Distribution-Api-Version") == "registry/2.0"

    @property
    def is_redirect(self) -> bool:
        return self.status in (301, 302, 303, 307, 308)


class Site:
    """The beginning of an address, `https://registry.example.com`, and how to connect there."""

    def __init__(self, url: str, *, context: ssl.SSLContext | None = None) -> None:
        """Raises ValueError for what is no such address."""
        self.origin = origin_of(url)
        parts = urlsplit(url)
        if not self.origin or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("write scheme and host only, such as https://registry.example.com")
        self.scheme, self.authority = Origin(*self.origin.split("://", 1))
        self.name = parts.hostname or ""
        self.port = parts.port or _PORTS[self.scheme]
        self.context = context

    @property
    def is_encrypted(self) -> bool:
        return self.scheme == "https"

    def connect(self, seconds: float = SECONDS) -> HTTPConnection:
        """A connection, encrypted where the address says so. Raises OSError."""
        connection = (
            HTTPSConnection(self.name, self.port, timeout=seconds, context=self.context)
            if self.is_encrypted
            else HTTPConnection(self.name, self.port, timeout=seconds)
        )
        connection.connect()
        return connection

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = SECONDS,
    ) -> Answer:
        """One request without a body. Raises OSError, HTTPException."""
        with contextlib.closing(self.connect(seconds)) as connection:
            self._begin(connection, method, path, headers or {})
            return _read(connection, method)

    def early(
        self, method: str, path: str, headers: Mapping[str, str], seconds: float
    ) -> Answer | None:
        """The answer to a request of whose body only the first piece was sent; None when there is
        none within `seconds`: somebody waits for the rest. Raises OSError, HTTPException."""
        is_chunked = "Transfer-Encoding" in headers
        with contextlib.closing(self.connect()) as connection:
            self._begin(connection, method, path, headers)
            with contextlib.suppress(OSError):  # refused already: the answer says why
                connection.send(_framed(PIECE) if is_chunked else PIECE)
            connection.sock.settimeout(seconds)
            try:
                return _read(connection, method)
            except TimeoutError:
                return None

    def send(
        self, method: str, path: str, headers: Mapping[str, str], pieces: Iterable[bytes]
    ) -> Answer:
        """A request with a body in chunks, as docker sends it. Raises OSError, HTTPException.

        An answer that comes before the end ends it.
        """
        with contextlib.closing(self.connect()) as connection:
            self._begin(connection, method, path, {**headers, "Transfer-Encoding": "chunked"})
            try:
                for piece in pieces:
                    connection.send(_framed(piece))
                connection.send(b"0\r\n\r\n")
            except OSError:
                with contextlib.suppress(*Failure):
                    return _read(connection, method)
                raise
            connection.sock.settimeout(LAST_SECONDS)
            return _read(connection, method)

    def _begin(
        self, connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str]
    ) -> None:
        given = {"Host": self.authority, "User-Agent": "berth-doctor", "Connection": "close"}
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in (given | dict(headers)).items():
                connection.putheader(name, value)
        except ValueError as error:  # what a server has said, and stands in no request
            raise OSError(f"a request for {path[:100]!r} cannot be written: {error}") from error
        connection.endheaders()


def _framed(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _read(connection: HTTPConnection, method: str) -> Answer:
    """Raises OSError, HTTPException."""
    response = HTTPResponse(connection.sock, method=method)
    try:
        response.begin()
        body = response.read(_MOST)
    except http.client.IncompleteRead as error:
        raise OSError(f"the answer broke off after {len(error.partial)} bytes") from error
    finally:
        response.close()
    return Answer(response.status, response.headers, body)
