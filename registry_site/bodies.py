"""Request bodies read straight into the memory of whoever asks, many chunks at a time.

gunicorn asks the kernel twice for each chunk that a client sends, and copies what comes four times
on its way here. `docker push` sends chunks of 32 KiB: six thousand of them in 200 MB, which took a
third of the server's time. Here a read takes whatever has come, as much as there is room for, and
closes the gaps that the framing leaves by moving what follows.

Only the plainest framing is read here: the end of a chunk and a size in up to eight hex digits, all
of it there. Everything else goes to gunicorn's own reader, which this one is: the last chunk and
its trailers, extensions, a line that has come in part, and whatever is wrong.
"""

import re
from typing import Any

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import ChunkMissingTerminator, NoMoreData

# What stands between two chunks (RFC 9112, section 7.1), where it is plain.
_BETWEEN = re.compile(rb"\r\n([0-9A-Fa-f]{1,8})\r\n")
# With so many bytes, whoever asked need not wait for more; with so little room left, neither.
_ENOUGH = 64 * 1024
_LITTLE_ROOM = 16 * 1024


def quicken(request: Any) -> None:
    """Give a request of gunicorn's a body that has `fill`, if it has a body of these kinds."""
    reader = request.body.reader
    if type(reader) is ChunkedReader:
        request.body = QuickBody(QuickChunks(request, request.unreader))
    elif type(reader) is LengthReader and reader.length:
        request.body = QuickBody(QuickLength(request.unreader, reader.length))


class QuickBody(Body):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's, which can also be read into memory that is there."""

    def fill(self, target: memoryview) -> int:
        """Put the next bytes of the body into `target`; how many, 0 at its end.

        Those that are here: more are waited for only until there are 64 KiB, or hardly any room.
        Raises what gunicorn raises for bytes that are missing or misframed.
        """
        if self.buf.tell():  # left behind by `readline`
            return _put(target, 0, self.read(len(target)))
        try:
            count: int = self.reader.fill(target)
        except Exception:
            self.failed = True
            raise
        return count


class QuickLength(LengthReader):  # type: ignore[misc]
    """A body of known length."""

    def fill(self, target: memoryview) -> int:
        """As with `QuickBody`."""
        size = min(self.length, len(target))
        count = 0
        while count < _enough(size):
            came = _receive(self.unreader, target[count:size])
            if not came:
                break
            count += came
        self.length -= count
        return count


class QuickChunks(ChunkedReader):  # type: ignore[misc]
    """A body in chunks."""

    def __init__(self, request: Any, unreader: Any) -> None:
        super().__init__(request, unreader)
        self._unreader = unreader
        self._left: int | None = None  # bytes of this chunk to come; None: it has not begun
        self._rest = b""  # received, and not handed out
        self._is_over = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        target = bytearray(size)
        return bytes(target[: self.fill(memoryview(target))])

    def fill(self, target: memoryview) -> int:
        """As with `QuickBody`."""
        count, enough = 0, _enough(len(target))
        while count < enough and not self._is_over:
            if not self._left:
                self._begin_chunk()
                continue
            came = self._receive(target[count:])
            if not came and count:
                break  # what came stays with the upload; the next call tells of the break
            if not came:
                raise NoMoreData
            count = self._close_gaps(target, count, count + came)
        return count

    def _receive(self, target: memoryview) -> int:
        if self._rest:
            count = _put(target, 0, self._rest)
            self._rest = self._rest[count:]
            return count
        # May take what is behind this chunk, and behind the body: `_begin_chunk` gives that back.
        return _receive(self._unreader, target)

    def _close_gaps(self, target: memoryview, start: int, end: int) -> int:
        """Where the body ends in `target` once what came from `start` to `end` has no framing.

        `start` is within a chunk.
        """
        read = write = start
        while True:
            size = min(self._left or 0, end - read)
            if read != write:
                target[write : write + size] = target[read : read + size]
            read, write = read + size, write + size
            self._left = (self._left or 0) - size
            between = None if self._left else _BETWEEN.match(target, read, end)
            size_of_next = int(between[1], 16) if between else 0
            if not between or not size_of_next:
                break
            self._left, read = size_of_next, between.end()
        if read < end:
            self._rest = bytes(target[read:end]) + self._rest
        return write

    def _begin_chunk(self) -> None:
        """Read a chunk's size as gunicorn does, and at the end of the body what belongs to it."""
        rest, self._rest = self._rest, b""
        if self._left is not None:
            while len(rest) < 2 and (more := self._unreader.read()):
                rest += more
            if rest[:2] != b"\r\n":
                raise ChunkMissingTerminator(rest[:2])
            rest = rest[2:]
        self._left, after = self.parse_chunk_size(self._unreader, data=rest)
        self._rest = after or b""
        self._is_over = not self._left


def _enough(room: int) -> int:
    return min(_ENOUGH, max(room - _LITTLE_ROOM, 1), room)


def _receive(unreader: Any, target: memoryview) -> int:
    """Bytes from what was read ahead, or else from the socket; how many, 0 at the end."""
    if unreader.buf.tell():
        ahead = unreader.take_buffered()
        count = _put(target, 0, ahead)
        if count < len(ahead):
            unreader.unread(ahead[count:])
        return count
    count = unreader.sock.recv_into(target)
    return int(count)


def _put(target: memoryview, start: int, data: bytes) -> int:
    count = min(len(data), len(target) - start)
    target[start : start + count] = data[:count]
    return count
