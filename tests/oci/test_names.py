"""Repository names and tags: the grammar and nothing beside it."""

import time

import pytest

from repositories.oci.errors import NameInvalid, TagInvalid
from repositories.oci.names import is_component, team_of, validate_repository, validate_tag

GOOD_NAMES = [
    "a",
    "0",
    "hello-world",
    "team/app",
    "team/group/app",
    "a.b",
    "a_b",
    "a__b",
    "a-b",
    "a--b",
    "a-----b",
    "0/0/0/0",
    "a" * 255,
    "blobs/uploads",
    "manifests/x/tags/list",
    "v2",
]
BAD_NAMES = [
    "",
    "/",
    "A",
    "aB",
    "a//b",
    "/a",
    "a/",
    "-a",
    "a-",
    "_a",
    "a_",
    ".a",
    "a.",
    "a..b",
    "a___b",
    "a.-b",
    "a._b",
    "a-_b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    "%2e%2e%2f",
    "%252e",
    "a%00",
    "a\0",
    "a\n",
    "\na",
    "a\r",
    "a b",
    "a\\b",
    "a:b",
    "a@b",
    "a\xff",
    "\u0130",
    "\uff41",  # a full-width a
    "\u0430",  # a Cyrillic a
    "\u0661",  # an Arabic 1
    "_catalog",
    "a" * 256,
    "/" * 10_000,
    "a/" * 128 + "a",
]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_of_the_grammar_is_taken_as_it_is(name: str) -> None:
    assert validate_repository(name) == name


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_what_is_not_of_the_grammar_is_no_name(name: str) -> None:
    with pytest.raises(NameInvalid):
        validate_repository(name)


def test_a_hostile_name_is_refused_without_backtracking() -> None:
    """Separators that could be split in many ways: one expression for all would never end."""
    started = time.process_time()
    for name in ("a" + "-" * 253 + "!", "a-" * 127 + "!", "a/" * 127 + "!"):
        with pytest.raises(NameInvalid):
            validate_repository(name)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("text", ["a", "a-b", "a.b", "a__b", "0"])
def test_a_component_can_be_the_name_of_a_team(text: str) -> None:
    assert is_component(text)


@pytest.mark.parametrize("text", ["", "a/b", "A", "a\n", "-a", "\u0430"], ids=ascii)
def test_what_is_no_component_cannot_be_the_name_of_a_team(text: str) -> None:
    assert not is_component(text)


@pytest.mark.parametrize(
    "tag", ["latest", "1", "_", "V1.0", "a.b-c_d", "1.0.0-rc.1", "__", "a-", "a.", "a" * 128]
)
def test_a_tag_of_the_grammar_is_taken_as_it_is(tag: str) -> None:
    assert validate_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    [
        "",
        ".x",
        "-x",
        "a:b",
        "a/b",
        "a b",
        "latest\n",
        "a\0",
        "a+b",
        "a@b",
        "\u043b",
        "\u0661",
        "a" * 129,
        "sha256:" + "0" * 64,
    ],
    ids=ascii,
)
def test_what_is_not_of_the_grammar_is_no_tag(tag: str) -> None:
    with pytest.raises(TagInvalid):
        validate_tag(tag)


@pytest.mark.parametrize(
    ("name", "team"),
    [
        ("hello-world", "library"),
        ("library/hello-world", "library"),
        ("team/app", "team"),
        ("team/group/app", "team"),
    ],
)
def test_the_first_of_several_components_names_the_team(name: str, team: str) -> None:
    assert team_of(name) == team
