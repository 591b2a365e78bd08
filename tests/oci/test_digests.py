"""Digests: two algorithms, lower-case hex, the exact length."""

import hashlib

import pytest

from repositories.oci.digests import Digest, is_digest, validate_algorithm
from repositories.oci.errors import DigestInvalid

HEX = "0123456789abcdef"


@pytest.mark.parametrize("text", [f"sha256:{HEX * 4}", f"sha512:{HEX * 8}"])
def test_a_digest_is_parsed_and_spelled_the_same_again(text: str) -> None:
    digest = Digest.parse(text)

    assert (digest.algorithm, digest.hex) == tuple(text.split(":"))
    assert str(digest) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        f"sha256:{HEX * 4}"[:-1],
        f"sha256:{HEX * 4}0",
        f"sha256:{HEX * 8}",
        f"sha512:{HEX * 4}",
        f"sha512:{HEX * 8}0",
        f"sha256:{HEX.upper() * 4}",
        f"SHA256:{HEX * 4}",
        f"sha256:{'g' * 64}",
        f"md5:{HEX * 2}",
        f"sha384:{HEX * 6}",
        f"sha256:{HEX * 4}\n",
        f" sha256:{HEX * 4}",
        f"sha256: {HEX * 4}",
        f"sha256-{HEX * 4}",
        f"sha256:{HEX * 4}:{HEX * 4}",
        "sha256:../../../../etc/passwd",
        "sha256:" + "\u0661" * 64,
    ],
    ids=ascii,
)
def test_anything_else_is_no_digest(text: str) -> None:
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("content", [b"", b"content", bytes(range(256)) * 100])
def test_the_digest_of_content_is_that_of_hashlib(content: bytes, algorithm: str) -> None:
    digest = Digest.of(content, algorithm)

    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    assert Digest.parse(str(digest)) == digest


def test_sha256_is_the_canonical_algorithm() -> None:
    assert Digest.of(b"content") == Digest.of(b"content", "sha256")


def test_a_long_text_is_not_repeated_whole_in_the_error() -> None:
    with pytest.raises(DigestInvalid) as caught:
        Digest.parse("x" * 100_000)

    assert len(str(caught.value.detail)) < 300


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_the_registered_algorithms_can_be_announced(name: str) -> None:
    assert validate_algorithm(name) == name


@pytest.mark.parametrize("name", ["", "md5", "sha1", "sha384", "SHA256", "sha256 ", "blake3"])
def test_no_other_algorithm_can_be_announced(name: str) -> None:
    """hashlib knows some of them: md5 would be a hole."""
    with pytest.raises(DigestInvalid):
        validate_algorithm(name)


def test_a_reference_with_a_colon_means_a_digest() -> None:
    assert is_digest("sha256:abc")
    assert not is_digest("latest")
