"""Versions in tags, by the examples of semver.org 2.0.0."""

import itertools
import random

import pytest

from repositories.versions import Version

# Sections 11.2 to 11.4, and the longer examples of section 9.
ASCENDING = [
    "0.0.4",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.9.0",
    "1.10.0",
    "1.11.0",
    "2.0.0",
    "2.1.0",
    "2.1.1",
    "9.99.999",
    "10.0.0",
]


def parsed(text: str) -> Version:
    version = Version.parse(text)
    assert version is not None, text
    return version


def test_precedence_is_that_of_the_specification() -> None:
    shuffled = random.Random(1).sample(ASCENDING, len(ASCENDING))
    assert sorted(shuffled, key=parsed) == ASCENDING
    for lower, higher in itertools.pairwise(map(parsed, ASCENDING)):
        assert lower < higher


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0.0-9", "1.0.0-10"),  # as numbers
        ("1.0.0-99999999999999999999", "1.0.0-a"),  # numeric ones are lower
        ("1.0.0-A", "1.0.0-a"),  # by ASCII
        ("1.0.0-a", "1.0.0-a.0"),  # more fields are higher
        ("1.0.0-0A", "1.0.0-0a"),
        ("1.0.0--", "1.0.0-a"),
        ("v1.0.0-rc.1", "1.0.0"),
    ],
)
def test_prereleases_compare_by_their_identifiers(lower: str, higher: str) -> None:
    assert parsed(lower) < parsed(higher)


def test_build_metadata_and_a_v_make_no_other_version() -> None:
    texts = ["1.2.3", "v1.2.3", "1.2.3+build", "1.2.3_build.5", "1.2.3+001.sha-a"]
    assert len({parsed(text) for text in texts}) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.2", "1.2.3.4", "01.2.3", "1.02.3", "1.2.03", "1.2.3-", "1.2.3-01"),
        *("1.2.3-a..b", "1.2.3-a.", "vv1.2.3", "latest", "1.2.3+", "1.2.3 ", "1.2.3\n"),
        *("\u0661.\u0662.\u0663", "V1.2.3", "1.2.x", "-1.2.3", "1.2.3-é", "9" * 300 + ".0.0"),
    ],
)
def test_what_is_no_version_is_none(text: str) -> None:
    assert Version.parse(text) is None


def test_many_digits_are_a_number() -> None:
    assert parsed("9" * 120 + ".0.0").major == int("9" * 120)
