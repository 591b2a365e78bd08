"""Tar headers: POSIX ustar and pax (POSIX.1-2024, "pax"), GNU tar's long names and sparse files.

Python's `tarfile` reads headers of any size into memory and goes on after damage; this parser takes
blocks of 512 bytes, and says what is wrong.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from repositories.layers.limits import ListingEnds, Problem

BLOCK = 512
MAX_SIZE = 2**63 - 1
# PAX records that say something of what is listed; the others, extended attributes among them, are
# passed over.
_RECORDS = frozenset(
    (
        b"path",
        b"linkpath",
        b"size",
        b"uid",
        b"gid",
        b"mtime",
        b"GNU.sparse.name",
        b"GNU.sparse.size",
        b"GNU.sparse.realsize",
    )
)
# The last second of the year 9999.
_MAX_TIME = 253_402_300_799


class Header(NamedTuple):
    """One header block. Sizes are in bytes: `size` of what follows, `full_size` of the file."""

    type: bytes
    name: bytes
    link: bytes
    size: int
    full_size: int
    mode: int
    uid: int
    gid: int
    mtime: int
    is_extended: bool  # more blocks with the map of a sparse file follow


class NotHeader(Exception):
    """The block's checksum is not that of its bytes."""


def parse(block: bytes) -> Header:
    """What a block says. Raises NotHeader, and ListingEnds for a size that is none."""
    if not _has_checksum(block):
        raise NotHeader
    kind = block[156:157]
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = _text(block[345:500]) + b"/" + name
    size = _size(block[124:136])
    is_sparse = kind == b"S"
    return Header(
        type=kind,
        name=name,
        link=_text(block[157:257]),
        size=size,
        full_size=_size(block[483:495]) if is_sparse else size,
        mode=(_number(block[100:108]) or 0) & 0o7777,
        uid=_bounded(_number(block[108:116])),
        gid=_bounded(_number(block[116:124])),
        mtime=_time(_number(block[136:148]) or 0),
        is_extended=is_sparse and block[482] != 0,
    )


def _has_checksum(block: bytes) -> bool:
    stated = _number(block[148:156])
    if stated is None:
        return False
    field = sum(block[148:156]) - 8 * ord(" ")
    if sum(block) - field == stated:
        return True
    # Some old archivers summed signed bytes.
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:])
    return signed + 8 * ord(" ") == stated


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int | None:
    """An octal number, or GNU tar's base 256 where the first bit is set; None for anything else."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big")
        bits = 8 * len(field)
        return value - (1 << bits) if field[0] & 0x40 else value - (1 << (bits - 1))
    digits = field.rstrip(b" \0").lstrip(b" ")
    if not digits:
        return 0
    # int() alone would take signs, underscores and a prefix as well.
    try:
        return int(digits, 8) if digits.isdigit() else None
    except ValueError:
        return None


def _size(field: bytes) -> int:
    size = _number(field)
    if size is None or not 0 <= size <= MAX_SIZE:
        raise ListingEnds(Problem.NUMBER)
    return size


def _bounded(number: int | None) -> int:
    """An id as it is; 0 for what is none: nothing depends on it."""
    return number if number is not None and 0 <= number <= MAX_SIZE else 0


def _time(seconds: float) -> int:
    """Seconds since 1970, within the years that Python has."""
    return int(min(max(seconds, 0), _MAX_TIME)) if math.isfinite(seconds) else 0


def parse_records(content: bytes) -> dict[bytes, bytes]:
    """The PAX records that matter here. Raises ListingEnds.

    A record is `<its length> <key>=<value>\\n`.
    """
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(content) and content[at]:  # some archivers pad with NUL
        space = content.find(b" ", at, at + 8)
        digits = content[at:space]
        length = int(digits) if space > 0 and digits.isdigit() else 0
        end = at + length
        equals = content.find(b"=", space, end)
        if equals < 0 or end > len(content) or content[end - 1 : end] != b"\n":
            raise ListingEnds(Problem.EXTENDED_HEADER)
        key = content[space + 1 : equals]
        if key in _RECORDS:
            found[key] = content[equals + 1 : end - 1]
        at = end
    return found


def with_records(header: Header, records: Mapping[bytes, bytes]) -> Header:
    """The header with what the PAX records before it say instead. Raises ListingEnds."""
    if not records:
        return header
    size = _decimal(records, b"size", header.size)
    full = _decimal(records, b"GNU.sparse.size", header.full_size if header.type == b"S" else size)
    return header._replace(
        name=records.get(b"GNU.sparse.name") or records.get(b"path") or header.name,
        link=records.get(b"linkpath") or header.link,
        size=size,
        full_size=_decimal(records, b"GNU.sparse.realsize", full),
        uid=_id(records.get(b"uid"), header.uid),
        gid=_id(records.get(b"gid"), header.gid),
        mtime=_seconds(records.get(b"mtime"), header.mtime),
    )


def _decimal(records: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    text = records.get(key)
    if not text:
        return default
    if not text.isdigit() or len(text) > 19 or int(text) > MAX_SIZE:
        raise ListingEnds(Problem.NUMBER)
    return int(text)


def _id(text: bytes | None, default: int) -> int:
    return _bounded(int(text)) if text and text.isdigit() and len(text) <= 19 else default


def _seconds(text: bytes | None, default: int) -> int:
    try:
        return _time(float(text)) if text and len(text) <= 64 else default
    except ValueError:
        return default
