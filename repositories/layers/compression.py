"""Decompressing as a stream, by what the first bytes say: a media type may be wrong."""

import os
import zlib
from collections.abc import Callable, Iterator

import zstandard

from repositories.layers.limits import MAX_WINDOW, ListingEnds, Problem

CHUNK = 256 * 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# Frames that zstd:chunked and others put between those with content (RFC 8878, section 3.1.2).
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
# All that comes of the piece is in memory at once: 128 KiB for 4 bytes, at worst.
_ZSTD_PIECE = 1024
_OTHERS = (b"BZh", b"\xfd7zXZ\x00", b"\x04\x22\x4d\x18")


class Source:
    """The bytes of a blob from an open file descriptor, counted; `on_read` hears of each read."""

    def __init__(self, descriptor: int, on_read: Callable[[int], None] = lambda _: None) -> None:
        self._descriptor = descriptor
        self._on_read = on_read
        self._ahead = b""
        self.count = 0

    def peek(self, size: int) -> bytes:
        """The first bytes, which `read` gives again."""
        while len(self._ahead) < size and (more := os.read(self._descriptor, size)):
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int = CHUNK) -> bytes:
        """Up to `size` bytes; none at the end."""
        found, self._ahead = self._ahead, b""
        found = found or os.read(self._descriptor, size)
        self.count += len(found)
        self._on_read(self.count)
        return found


def decompressed(source: Source) -> Iterator[bytes]:
    """The uncompressed bytes, some at a time.

    Raises ListingEnds for what cannot be decompressed, after all that could be.
    """
    magic = source.peek(6)
    if magic.startswith(_GZIP):
        return _gunzip(source)
    if magic.startswith(_ZSTD) or (magic[1:4] == _ZSTD_SKIPPABLE and magic[0] >> 4 == 5):
        return _unzstd(source)
    if magic.startswith(_OTHERS):
        raise ListingEnds(Problem.COMPRESSION)
    return iter(source.read, b"")


def _gunzip(source: Source) -> Iterator[bytes]:
    """Every member of the file (RFC 1952, section 2.2); padding behind the last is let be."""
    data = source.read()
    while data[:2] == _GZIP:
        inflater = zlib.decompressobj(wbits=31)
        while not inflater.eof:
            try:
                found = inflater.decompress(data, CHUNK)
            except zlib.error as error:
                raise ListingEnds(Problem.COMPRESSION) from error
            data = inflater.unconsumed_tail
            if found:
                yield found
            if not data and len(found) < CHUNK and not inflater.eof:
                data = source.read()
                if not data:
                    raise ListingEnds(Problem.TRUNCATED)
        data = inflater.unused_data
        if len(data) < len(_GZIP):
            data += source.read()


def _unzstd(source: Source) -> Iterator[bytes]:
    """Every frame of the file, those that are to be skipped too."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    data = memoryview(source.read())
    while data:
        frame = decompressor.decompressobj()
        while not frame.eof:
            data = data or memoryview(source.read())
            if not data:
                raise ListingEnds(Problem.TRUNCATED)
            piece, data = data[:_ZSTD_PIECE], data[_ZSTD_PIECE:]
            try:
                found = frame.decompress(piece)
            except zstandard.ZstdError as error:
                is_window = "memory" in str(error)  # the library tells errors apart by words only
                problem = Problem.WINDOW if is_window else Problem.COMPRESSION
                raise ListingEnds(problem) from error
            if found:
                yield found
        data = memoryview(frame.unused_data + bytes(data)) or memoryview(source.read())
