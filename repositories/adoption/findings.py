"""What is wrong in a tree: each thing by itself, told to people, and stepped over."""

from enum import StrEnum
from typing import NamedTuple, Self


class Kind(StrEnum):
    """What is wrong."""

    LINK = "broken-link"  # empty, cut off, or naming what it cannot
    UNREADABLE = "unreadable"  # the disk fails, or does not let us
    SYMLINK = "symbolic-link"  # never followed
    LEFTOVER = "leftover"  # of a write that was interrupted
    UNKNOWN = "unknown"  # nothing that Docker's registry makes
    NAME = "invalid-name"
    BLOB_MISSING = "blob-missing"
    BLOB_EMPTY = "blob-empty"
    BLOB_SIZE = "blob-size"  # cut off, or grown
    BLOB_CHANGED = "blob-changed"  # its bytes hash to something else
    MANIFEST_MISSING = "manifest-missing"
    MANIFEST_EMPTY = "manifest-empty"
    MANIFEST_CHANGED = "manifest-changed"
    MANIFEST_REFUSED = "manifest-refused"  # schema 1, or none that Berth takes
    # Taken over all the same: what it names is lost, or has another size than it says.
    MANIFEST_INCOMPLETE = "manifest-incomplete"
    MANIFEST_SIZES = "manifest-sizes"
    TAG_LOST = "tag-lost"  # it names a manifest that was not taken over
    TAG_KEPT = "tag-kept"  # Berth has a tag of the name already, which stays


# Of what was taken over all the same.
TAKEN = frozenset({Kind.MANIFEST_INCOMPLETE, Kind.MANIFEST_SIZES, Kind.TAG_KEPT})


class Finding(NamedTuple):
    """One thing. `target` is `name:tag`, `name@digest`, a blob's digest, or else the path; `path`
    is below the root, and empty for what is at no single place."""

    kind: str  # a Kind
    repository: str
    target: str
    path: str = ""
    detail: str = ""

    @classmethod
    def load(cls, facts: dict[str, str]) -> Self:
        return cls(**facts)

    def dump(self) -> dict[str, str]:
        """As JSON has it, which holds neither lone surrogates nor, in PostgreSQL, U+0000."""
        return {key: printable(value) for key, value in self._asdict().items()}


def printable(name: str) -> str:
    """A file's name, which can have any bytes, as people and databases take it."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
