"""Semantic versions in tags, and their order (semver.org 2.0.0, sections 2 to 11)."""

import re
from typing import NamedTuple

_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
# Tags have no plus: Helm writes a low line in its place.
_VERSION = re.compile(
    rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:[+_][0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
# More digits than any version has: what follows makes numbers of them.
_LONGEST = 256

# An identifier: numeric ones are lower than others, and compared as numbers.
_Identifier = tuple[int, int, str]


class Version(NamedTuple):
    """A version, without its build metadata: the order of these tuples is the precedence."""

    major: int
    minor: int
    patch: int
    is_release: bool  # a pre-release is lower than its release
    prerelease: tuple[_Identifier, ...]

    @classmethod
    def parse(cls, text: str) -> "Version | None":
        """The version that a tag is, such as `1.2.3`, `v1.2.3-rc.1` or `1.2.3_build.5`."""
        match = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            return None
        major, minor, patch, prerelease = match.groups()
        identifiers = tuple(map(_identifier, prerelease.split("."))) if prerelease else ()
        return cls(int(major), int(minor), int(patch), not identifiers, identifiers)


def _identifier(text: str) -> _Identifier:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)
