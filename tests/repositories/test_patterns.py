"""Patterns of tags: what they match, what is none, and that nothing hostile takes long."""

import itertools
import random
import re
import warnings

import pytest
from django.core.exceptions import ValidationError

from repositories import patterns


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
        ("v?", ["v1", "vx"], ["v", "v12"]),
        ("[0-9]*", ["1.0", "9"], ["v1"]),
        ("[!l]*", ["v1"], ["latest"]),
        ("v?.?", ["v1.2"], ["v1.23", "v12", "v1.2-rc"]),
        ("*.*.*", ["1.2.3", "v1.2.3.4"], ["1.2"]),
        ("*-*-*-*-*-*-*-*", ["a-b-c-d-e-f-g-h"], ["a-b"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    patterns.require(pattern)
    assert patterns.matching([pattern], matching + others) == set(matching)


def test_all_short_patterns_match_what_a_regular_expression_says() -> None:
    tags = ["".join(tag) for n in range(1, 6) for tag in itertools.product("ab", repeat=n)]
    for length in range(1, 5):
        for letters in itertools.product("ab*?", repeat=length):
            text = "".join(letters)
            expected = re.compile(text.replace("?", ".").replace("*", ".*"))
            assert all(patterns.matches(text, t) == bool(expected.fullmatch(t)) for t in tags), text


@pytest.mark.parametrize(
    "text", ["", "[", "[a", "a b", "v1\n", "a/b", "é", "\0", "{a,b}", "x" * 129]
)
def test_what_can_match_no_tag_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="matches no tag"):
        patterns.require(text)


def test_hostile_patterns_are_matched_as_soon_as_others() -> None:
    """A matcher that tries every way would not end: not for one tag, let alone a thousand."""
    hostile = [f"{'*a' * count}*b" for count in range(12, 62)]
    assert patterns.matching(hostile, [f"{'a' * 120}{n}" for n in range(1000)]) == set()


def test_any_text_of_the_alphabet_is_a_pattern_that_does_no_harm() -> None:
    lots = random.Random(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3000):
            text = "".join(lots.choices("ab01_.*?[]!-", k=lots.randrange(1, 20)))
            patterns.matching([text], ["a", "b-0.1", "_"])
