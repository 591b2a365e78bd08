"""Patterns of tags, such as `v*`: a star stands for anything, every other character for itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from repositories.oci.names import MAX_TAG_BYTES

STAR = "*"
# Nothing else can be in a tag, so that what other tools mean by `?` or `[a-z]` is refused, and not
# taken for something that matches no tag.
_ALLOWED = re.compile(r"[A-Za-z0-9._*-]+", re.ASCII)


class PatternError(ValueError):
    """This is no pattern."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of at most as many characters as a tag has.

    Matching takes the time of reading tag and pattern once, whatever they are: between its first
    and its last piece, each piece is looked for where the one before was found first, and nothing
    is ever tried again. Raises PatternError.
    """

    text: str
    _pieces: Sequence[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.text) > MAX_TAG_BYTES or not _ALLOWED.fullmatch(self.text):
            raise PatternError(self.text[:MAX_TAG_BYTES])
        # It cannot be set otherwise where the class is frozen.
        object.__setattr__(self, "_pieces", tuple(self.text.split(STAR)))

    def matches(self, tag: str) -> bool:
        first, *others = self._pieces
        if not others:
            return tag == first
        *middle, last = others
        if not (tag.startswith(first) and tag.endswith(last)):
            return False
        at, end = len(first), len(tag) - len(last)
        for piece in middle:
            found = tag.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return at <= end
