"""Patterns of tags, such as `v*`: `*` stands for any characters, `?` for one, `[abc]` and `[0-9]`
for one of these, `[!l]` for any but these; capitals matter.

Matching tries no way twice, whatever the pattern is: `fnmatch` makes groups of what stands between
two stars.
"""

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from repositories.oci.names import MAX_TAG_BYTES

EVERY = "*"
MAX_LENGTH = MAX_TAG_BYTES
# Brackets that are not closed would match nothing, without a word.
ALL = r"(?:[A-Za-z0-9_.*?-]|\[!?[A-Za-z0-9_.-]+\])+"
_PATTERN = re.compile(ALL, re.ASCII)


def require(text: str) -> str:
    """The text itself, if it could match a tag. Raises ValidationError."""
    if len(text) <= MAX_LENGTH and _PATTERN.fullmatch(text):
        return text
    said = _(
        "“%(pattern)s” matches no tag: use letters, digits, '_', '.' and '-', with * for "
        "any characters, ? for one, and [0-9] for one of these."
    )
    raise ValidationError(said % {"pattern": text[:MAX_LENGTH]})


def matches(pattern: str, tag: str) -> bool:
    """Whether the pattern is one of this tag."""
    return fnmatchcase(tag, pattern)


def matching(patterns: Collection[str], tags: Iterable[str]) -> set[str]:
    """The tags that one of the patterns matches."""
    return {tag for tag in tags if any(matches(pattern, tag) for pattern in patterns)}
