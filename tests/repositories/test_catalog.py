"""The catalog: what holds something and may be seen, in byte order."""

import pytest

from accounts.models import Team
from repositories import catalog, manifests
from repositories.access import Principal
from repositories.models import Repository
from tests.oci.documents import index
from tests.repositories.content import push_blob, push_document, push_image

pytestmark = pytest.mark.django_db

# '-' and '.' sort before '/', and that before digits and letters: `a-b` comes before `a/b`.
NAMES = ["a", "a-b", "a-b/c", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "a_b", "ab", "b", "z/a"]


@pytest.fixture
def names(administrator: Principal) -> list[str]:
    """One repository with an image under each of NAMES."""
    for name in sorted(NAMES, key=lambda name: name.strip("-./_")):
        push_document(administrator, index(), repository=name)
    return NAMES


def test_repositories_are_listed_in_byte_order(names: list[str], administrator: Principal) -> None:
    assert names == sorted(names, key=str.encode)
    assert catalog.listing(principal=administrator, limit=100) == names


@pytest.mark.parametrize("limit", [1, 2, 5, 12, 13])
def test_pages_follow_one_another_without_gap_or_overlap(
    names: list[str], administrator: Principal, limit: int
) -> None:
    seen: list[str] = []
    while page := catalog.listing(
        principal=administrator, limit=limit, last=seen[-1] if seen else ""
    ):
        assert len(page) <= limit
        seen += page

    assert seen == names


@pytest.mark.parametrize(
    ("last", "first"), [("!", "a"), ("a.", "a.b"), ("a/", "a/b"), ("a/zzz", "a0"), ("c", "z/a")]
)
def test_the_position_behind_which_a_list_starts_need_not_be_a_repository(
    names: list[str], administrator: Principal, last: str, first: str
) -> None:
    assert catalog.listing(principal=administrator, limit=1, last=last) == [first]


def test_behind_the_last_name_there_is_nothing(names: list[str], administrator: Principal) -> None:
    assert catalog.listing(principal=administrator, limit=1, last="z/a") == []
    assert catalog.listing(principal=administrator, limit=0) == []


def test_a_repository_that_holds_no_manifest_is_not_listed(writer: Principal) -> None:
    push_blob(writer, b"layer", repository="payments/begun")
    pushed = push_image(writer, b"layer", repository="payments/app")

    assert catalog.listing(principal=writer, limit=10) == ["payments/app"]
    manifests.delete(principal=writer, repository="payments/app", digest=pushed.digest)
    assert catalog.listing(principal=writer, limit=10) == []


def test_a_repository_with_an_untagged_manifest_is_listed(writer: Principal) -> None:
    push_image(writer, b"layer", repository="payments/app", tags=())

    assert catalog.listing(principal=writer, limit=10) == ["payments/app"]


def test_everybody_sees_what_they_may_pull_and_nothing_else(
    writer: Principal,
    reader: Principal,
    stranger: Principal,
    nobody: Principal,
    administrator: Principal,
    team: Team,
) -> None:
    """S9: a private name is in nobody's list whom it does not concern, on no page."""
    for visibility in ("private", "internal", "public"):
        name = f"payments/{visibility}"
        Repository.objects.create(name=name, team=team, visibility=visibility)
        push_image(writer, b"layer", repository=name)
    push_image(stranger, b"layer", repository="stranger/own")
    lists = {
        principal.name or "nobody": catalog.listing(principal=principal, limit=10)
        for principal in (reader, writer, stranger, nobody, administrator)
    }

    ours = ["payments/internal", "payments/private", "payments/public"]
    assert lists == {
        "nobody": [],
        "stranger": ["payments/internal", "payments/public", "stranger/own"],
        "reader": ours,
        "writer": ours,
        "root": [*ours, "stranger/own"],
    }
