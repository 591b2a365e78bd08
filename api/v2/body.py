"""The body of a request: the one module under `/v2/` that reads one.

Django's `request.read()` gives nothing for a chunked body, which `docker push` sends, so the bytes
come straight from `wsgi.input`. And that says nothing when a body is shorter than its
Content-Length: the bytes are counted here.

Under our own server (`registry_site/bodies.py`) they are read into two stretches of memory in turn,
so that one can be hashed while the other is filled; under others, as each of them gives bytes.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from api import slow_clients
from repositories.oci.errors import BodyTooSlow, ManifestTooLarge, RequestInvalid, SizeInvalid

# The first read is small, so that a slow client is found out soon; the later ones of a fast one
# are large, so that the interpreter is asked for less often.
FIRST_READ = 64 * 1024
NEXT_READ = 256 * 1024
# Our own server gives what is here, and waits for no more than FIRST_READ.
MOST_FILLED = 1024 * 1024
MAX_LENGTH = 2**63 - 1

Piece = bytes | memoryview


class Body:
    """Iterate over it for its bytes, once; or `read` all of a small one.

    A piece keeps its bytes until the next but one is asked for.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._input = environ.get("wsgi.input")
        self._fill: Callable[[memoryview], int] | None = getattr(self._input, "fill", None)
        self._memory = [bytearray(), bytearray()]
        self._socket = environ.get("gunicorn.socket")
        # Chunked wins over a Content-Length (RFC 9112, section 6.3); the server refuses both.
        self.is_chunked = bool(environ.get("HTTP_TRANSFER_ENCODING"))
        self.length = None if self.is_chunked else _length(environ.get("CONTENT_LENGTH"))

    def __iter__(self) -> Iterator[Piece]:
        """The bytes as they come.

        Raises SizeInvalid when the body breaks off or is framed wrongly, BodyTooSlow when it comes
        slower than the minimum rate.
        """
        received, size = 0, FIRST_READ
        while self.length is None or received < self.length:
            wanted = size if self.length is None else min(size, self.length - received)
            started = time.monotonic()
            chunk = self._read(wanted)
            if not chunk:
                break
            received += len(chunk)
            yield chunk
            most = MOST_FILLED if self._fill else NEXT_READ
            size = most if time.monotonic() - started < 1 else FIRST_READ
        if self.length is not None and received < self.length:
            raise SizeInvalid(
                f"the body broke off: {received} bytes came of {self.length}; send it again",
                detail={"received": received, "announced": self.length},
            )

    def _read(self, size: int) -> Piece:
        if self._input is None:
            return b""
        waits_for = min(size, FIRST_READ) if self._fill else size
        with slow_clients.watch(self._socket, waits_for) as watch:
            try:
                chunk = self._filled(self._fill, size) if self._fill else self._input.read(size)
            except Exception as error:  # each server has exceptions of its own for bad framing
                if watch.is_overdue:
                    raise _too_slow() from error
                raise SizeInvalid("the body broke off or is misframed: send it anew") from error
        if watch.is_overdue:
            raise _too_slow()
        return chunk

    def _filled(self, fill: Callable[[memoryview], int], size: int) -> memoryview:
        memory = self._memory.pop(0)
        if len(memory) < size:
            memory = bytearray(size)
        self._memory.append(memory)
        target = memoryview(memory)[:size]
        return target[: fill(target)]

    def read(self, most: int, what: str = "manifest") -> bytes:
        """All of it. Raises ManifestTooLarge past `most` bytes, and what iterating raises."""
        if self.length is not None and self.length > most:
            raise _too_large(most, what)
        parts, size = [], 0
        for chunk in self:
            size += len(chunk)
            if size > most:
                raise _too_large(most, what)
            parts.append(bytes(chunk))
        return b"".join(parts)


def _too_slow() -> BodyTooSlow:
    return BodyTooSlow(
        f"the body came slower than {slow_clients.MIN_BYTES_PER_SECOND} bytes a second: ask for "
        "the upload's status and go on from there"
    )


def _too_large(most: int, what: str) -> ManifestTooLarge:
    return ManifestTooLarge(f"a {what} has at most {most} bytes; make it smaller")


def _length(header: str | None) -> int:
    if not header:
        return 0
    if not re.fullmatch(r"[0-9]{1,19}", header, re.ASCII) or int(header) > MAX_LENGTH:
        raise RequestInvalid("Content-Length is a whole number of bytes; correct it")
    return int(header)
