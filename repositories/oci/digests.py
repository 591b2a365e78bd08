"""Digests: image-spec, "Digests". sha256 and sha512 are the two registered algorithms."""

import hashlib
import re
from functools import lru_cache
from typing import NamedTuple, Self

from repositories.oci.errors import DigestInvalid

HEX_LENGTHS = {"sha256": 64, "sha512": 128}
CANONICAL = "sha256"

_DIGEST = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})", re.ASCII)


class Digest(NamedTuple):
    """An algorithm and the lower-case hex of its value; `str()` gives `sha256:…`."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest that `text` spells. Raises DigestInvalid."""
        return cls(*_split(text))

    @classmethod
    def of(cls, content: bytes, algorithm: str = CANONICAL) -> Self:
        """The digest of `content`."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@lru_cache(maxsize=1024)  # what raises is not kept
def _split(text: str) -> tuple[str, str]:
    match = _DIGEST.fullmatch(text)
    if match is None:
        raise DigestInvalid(
            "invalid digest: write sha256: and 64, or sha512: and 128, lower-case hex digits",
            detail={"digest": text[:200]},
        )
    return match[1] or match[3], match[2] or match[4]


def validate_algorithm(name: str) -> str:
    """`name` itself, when digests can be computed with it. Raises DigestInvalid."""
    if name not in HEX_LENGTHS:
        raise DigestInvalid(
            f"unsupported digest algorithm; use one of {', '.join(HEX_LENGTHS)}",
            detail={"algorithm": name[:100]},
        )
    return name


def is_digest(reference: str) -> bool:
    """Whether a manifest reference means a digest rather than a tag: a tag has no colon."""
    return ":" in reference
