"""Patterns of tags: a star is anything, and nothing that is hostile takes long."""

import itertools
import re

import pytest

from repositories.patterns import Pattern, PatternError


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*", ["v1", "latest", "_"], []),
        ("v*", ["v", "v1", "v1.2"], ["1v", "V1"]),
        ("*-rc", ["1-rc", "-rc"], ["1-rc1", "rc"]),
        ("v*.0", ["v1.0", "v.0"], ["v1.1", "1.0"]),
        ("a*b*c", ["abc", "a1b2c", "abbcc"], ["acb", "ab", "abcd"]),
        ("ab*ba", ["abba", "abXba"], ["aba", "ab", "ba"]),
        ("latest", ["latest"], ["latest1", "alatest", "LATEST"]),
        ("v1.2", ["v1.2"], ["v1x2"]),
        ("**", ["x", "xy"], []),
    ],
)
def test_a_star_is_anything(pattern: str, matching: list[str], others: list[str]) -> None:
    found = Pattern(pattern)
    assert [tag for tag in matching + others if found.matches(tag)] == matching


def test_all_short_patterns_match_what_a_regular_expression_says() -> None:
    tags = ["".join(tag) for n in range(1, 6) for tag in itertools.product("ab", repeat=n)]
    for length in range(1, 5):
        for letters in itertools.product("ab*", repeat=length):
            text = "".join(letters)
            pattern, expected = Pattern(text), re.compile(text.replace("*", ".*"))
            assert all(pattern.matches(t) == bool(expected.fullmatch(t)) for t in tags), text


@pytest.mark.parametrize("text", ["", "v?", "[a-z]", "a b", "v1\n", "a/b", "é", "\0", "x" * 129])
def test_what_can_match_no_tag_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        Pattern(text)


@pytest.mark.parametrize(
    "text", ["*a" * 64, "a*" * 64, "*" * 128, "*" + "a*" * 60 + "b", "a" + "*aa" * 40]
)
def test_a_hostile_pattern_reads_the_tag_once(text: str) -> None:
    """Counted, not timed: each piece is looked for once, behind the one before."""
    looked: list[tuple[int, int]] = []

    class Tag(str):
        __slots__ = ()

        def find(self, piece: str, *span: int) -> int:  # type: ignore[override]
            at = str.find(self, piece, *span)
            looked.append((span[0], at + len(piece) if at >= 0 else span[1]))
            return at

    Pattern(text).matches(Tag("a" * 127 + "c"))
    assert len(looked) <= 128
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(looked))
