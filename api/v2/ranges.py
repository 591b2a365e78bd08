"""Byte ranges of a blob: RFC 9110, section 14."""

import re
from typing import NamedTuple

from repositories.oci.errors import RangeInvalid

_RANGE = re.compile(r"bytes=\s*([0-9]*)-([0-9]*)\s*", re.ASCII | re.IGNORECASE)


class ByteRange(NamedTuple):
    """The bytes from `start` to `end`, both inclusive."""

    start: int
    end: int


def select(header: str | None, size: int) -> ByteRange | None:
    """The part of `size` bytes that a Range header asks for; None when all is to be sent.

    What is no single byte range (another unit, several ranges, a malformed one) is ignored, as the
    RFC lets a server do. Raises RangeInvalid when nothing of the blob is in the range.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None or len(match[0]) > 100 or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(size - int(match[2]), 0), size - 1
    else:
        start, end = int(match[1]), int(match[2]) if match[2] else size - 1
        if end < start and match[2]:
            return None
    end = min(end, size - 1)
    if start > end:
        raise RangeInvalid(
            f"the blob has {size} bytes, and none of them is in that range",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return ByteRange(start, end)
