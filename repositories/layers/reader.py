"""The entries of a layer, read as a stream: file contents are decompressed, passed over, forgotten.

Layers are tar archives of changes (image-spec, "Image Layer Filesystem Changeset"): a file named
`.wh.<name>` deletes `<name>` of the layers below, `.wh..wh..opq` all that they have in a folder.
"""

from collections.abc import Iterator
from typing import NamedTuple

from repositories.layers import headers
from repositories.layers.compression import Source, decompressed
from repositories.layers.headers import BLOCK, Header, NotHeader
from repositories.layers.limits import (
    ENTRY_ALLOWANCE,
    MAX_ENTRIES,
    MAX_EXTENDED_HEADER,
    MAX_HEADERS_IN_A_ROW,
    MAX_OUTPUT,
    MAX_PATH,
    ListingEnds,
    Problem,
)
from repositories.layers.tree import Kind

_ZEROS = bytes(BLOCK)
_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."  # what only AUFS used; Docker passes over it, too
_KINDS = {
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER_DEVICE,
    b"4": Kind.BLOCK_DEVICE,
    b"5": Kind.FOLDER,
    b"6": Kind.FIFO,
}
_GLOBAL, _PAX, _LONG_NAME, _LONG_LINK = b"g", (b"x", b"X"), b"L", b"K"


class Entry(NamedTuple):
    """A file, folder, link or deletion. Names are texts that can be shown: see `shown`."""

    path: tuple[str, ...]
    kind: Kind
    size: int
    mode: int
    uid: int
    gid: int
    mtime: int
    link: str
    is_opaque: bool = False


class _Stream:
    """Decompressed bytes, counted against `limit`."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._at = 0
        self._base = 0  # where the buffer begins in the archive
        self.limit = MAX_OUTPUT

    @property
    def position(self) -> int:
        return self._base + self._at

    def read(self, count: int) -> bytes:
        """That many bytes; fewer at the end. Raises ListingEnds."""
        end = self._at + count
        if end > len(self._buffer):
            pieces = [self._buffer[self._at :]]
            missing = end - len(self._buffer)
            self._base, self._buffer = self._base + self._at, b""
            self._at = 0
            while missing > 0 and (piece := self._next()):
                pieces.append(piece)
                missing -= len(piece)
            self._buffer = b"".join(pieces)
            end = min(count, len(self._buffer))
        found = self._buffer[self._at : end]
        self._at = end
        return found

    def _next(self) -> bytes:
        return next(self._chunks, b"")

    def skip(self, count: int) -> None:
        """Pass over that many bytes. Raises ListingEnds, TRUNCATED when there are fewer."""
        target = self.position + count
        while target > self._base + len(self._buffer):
            self._base += len(self._buffer)
            self._buffer, self._at = self._next(), 0
            if self._base > self.limit:
                raise ListingEnds(Problem.OUTPUT)
            if not self._buffer:
                raise ListingEnds(Problem.TRUNCATED)
        self._at = target - self._base
        if target > self.limit:
            raise ListingEnds(Problem.OUTPUT)


def entries(source: Source) -> Iterator[Entry | None]:
    """What a layer holds, in its order; None for a name that nothing could be extracted under.

    Raises ListingEnds when the rest cannot be read.
    """
    stream = _Stream(decompressed(source))
    try:
        for header in _at_most(MAX_ENTRIES, _headers(stream)):
            stream.limit += ENTRY_ALLOWANCE
            yield _entry(header)
            stream.skip(_padded(header.size))
    except ListingEnds as end:
        raise ListingEnds(end.problem, stream.position) from end


def _at_most(count: int, found: Iterator[Header]) -> Iterator[Header]:
    for number, header in enumerate(found):
        if number == count:
            raise ListingEnds(Problem.ENTRIES)
        yield header


def _headers(stream: _Stream) -> Iterator[Header]:
    """The header of each entry, with what the extended headers before it say."""
    records: dict[bytes, bytes] = {}
    name = link = b""
    in_a_row = 0
    while (header := _next_header(stream)) is not None:
        in_a_row += 1
        if in_a_row > MAX_HEADERS_IN_A_ROW:
            raise ListingEnds(Problem.EXTENDED_HEADER)
        if header.type == _GLOBAL:
            stream.skip(_padded(header.size))
        elif header.type in _PAX:
            records = headers.parse_records(_extended(stream, header))
        elif header.type == _LONG_NAME:
            name = _extended(stream, header).rstrip(b"\0")
        elif header.type == _LONG_LINK:
            link = _extended(stream, header).rstrip(b"\0")
        else:
            while header.is_extended:
                header = header._replace(is_extended=_exactly(stream, BLOCK)[504] != 0)
            header = header._replace(name=name or header.name, link=link or header.link)
            header = headers.with_records(header, records)
            yield _of_its_type(header)
            records, name, link, in_a_row = {}, b"", b"", 0


def _next_header(stream: _Stream) -> Header | None:
    """The next header block; None at the end, be it marked by a block of zeros or not."""
    at = stream.position
    if at > stream.limit:
        raise ListingEnds(Problem.OUTPUT)
    block = stream.read(BLOCK)
    if block in (b"", _ZEROS):
        return None
    try:
        if len(block) == BLOCK:
            return headers.parse(block)
    except NotHeader as error:
        raise ListingEnds(Problem.CHECKSUM if at else Problem.NOT_TAR) from error
    raise ListingEnds(Problem.TRUNCATED if at else Problem.NOT_TAR)


def _extended(stream: _Stream, header: Header) -> bytes:
    """The content of an extended header. Raises ListingEnds."""
    if header.size > MAX_EXTENDED_HEADER:
        raise ListingEnds(Problem.EXTENDED_SIZE)
    return _exactly(stream, _padded(header.size))[: header.size]


def _exactly(stream: _Stream, count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise ListingEnds(Problem.TRUNCATED)
    return found


def _padded(size: int) -> int:
    return size + -size % BLOCK


def _of_its_type(header: Header) -> Header:
    """Only files have content, whatever the size says (as in Go's archive/tar)."""
    if header.type in _KINDS:
        return header._replace(size=0, full_size=0)
    if header.type in (b"0", b"\0") and header.name.endswith(b"/"):  # how it was before POSIX
        return header._replace(type=b"5", full_size=0)
    return header


def _entry(header: Header) -> Entry | None:
    if len(header.name) > MAX_PATH or len(header.link) > MAX_PATH:
        return None
    path = [part for part in header.name.split(b"/") if part not in (b"", b".")]
    kind, is_opaque = _KINDS.get(header.type, Kind.FILE), False
    if path and path[-1].startswith(_WHITEOUT):
        marker = path.pop()
        if marker == _OPAQUE:
            kind, is_opaque = Kind.FOLDER, True
        elif marker.startswith(_AUFS) or marker == _WHITEOUT:
            return None
        else:
            kind = Kind.DELETED
            path.append(marker.removeprefix(_WHITEOUT))
    return Entry(
        path=tuple(map(shown, path)),
        kind=kind,
        size=header.full_size if kind is Kind.FILE else 0,
        mode=header.mode,
        uid=header.uid,
        gid=header.gid,
        mtime=header.mtime,
        link=shown(header.link) if kind in (Kind.SYMLINK, Kind.HARD_LINK) else "",
        is_opaque=is_opaque,
    )


def shown(name: bytes) -> str:
    """The name as text: what is not UTF-8 as `\\xff`, what cannot be seen as `\\u202e`.

    Else a name could look like another one (CVE-2021-42574).
    """
    text = name.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )
