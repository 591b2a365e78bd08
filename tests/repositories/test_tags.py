"""Tags: listed in byte order, moved with a history, deleted alone."""

import pytest

from accounts.models import Team
from repositories import manifests, tags
from repositories.access import Principal
from repositories.models import Repository, Tag, TagChange
from repositories.oci.errors import ManifestUnknown, NameUnknown
from tests.repositories.content import APP, push_image

pytestmark = pytest.mark.django_db

# In byte order: digits, capitals, underscore, small letters; '-' and '.' before all of them.
NAMES = ["0", "1.0", "1.0-rc", "1.0.1", "10", "A", "B", "Z", "_", "a", "a-b", "a.b", "a0", "b"]


def history(name: str) -> list[str]:
    """The digests that a tag has named, oldest first; empty: deleted."""
    changes = TagChange.objects.filter(repository__name=APP, name=name)
    return list(changes.order_by("id").values_list("digest", flat=True))


def listing(limit: int = 100, last: str = "") -> list[str]:
    return tags.listing(repository=APP, limit=limit, last=last)


@pytest.fixture
def tagged(writer: Principal) -> list[str]:
    """One image under every one of NAMES."""
    push_image(writer, b"layer", tags=sorted(NAMES, key=str.lower))
    return NAMES


def test_tags_are_listed_in_byte_order(tagged: list[str]) -> None:
    assert tagged == sorted(tagged, key=str.encode)
    assert listing() == tagged


@pytest.mark.parametrize("limit", [1, 2, 5, 14, 15])
def test_pages_follow_one_another_without_gap_or_overlap(tagged: list[str], limit: int) -> None:
    seen: list[str] = []
    while page := listing(limit, seen[-1] if seen else ""):
        assert len(page) <= limit
        seen += page

    assert seen == tagged


@pytest.mark.parametrize(
    ("last", "first"),
    [("", "0"), ("!", "0"), ("1", "1.0"), ("C", "Z"), ("Z", "_"), ("aa", "b"), ("a/", "a0")],
)
def test_the_position_behind_which_a_list_starts_need_not_be_a_tag(
    tagged: list[str], last: str, first: str
) -> None:
    assert listing(1, last) == [first]


@pytest.mark.parametrize("last", ["b", "c", "\u00e9", "\U0001f600"])
def test_behind_the_last_tag_there_is_nothing(tagged: list[str], last: str) -> None:
    assert listing(1, last) == []


def test_no_entries_can_be_asked_for(tagged: list[str]) -> None:
    assert listing(0) == []


def test_a_repository_without_tags_has_an_empty_list(writer: Principal, team: Team) -> None:
    Repository.objects.create(name=APP, team=team)

    assert listing() == []


def test_a_repository_that_does_not_exist_has_no_list(db: None) -> None:
    with pytest.raises(NameUnknown):
        listing()


def test_a_tag_moves_and_its_history_tells_whereto(writer: Principal) -> None:
    first = push_image(writer, b"one", tags=["latest", "v1"])
    second = push_image(writer, b"two", tags=["latest", "v2"])

    assert manifests.read(repository=APP, reference="latest").digest == str(second.digest)
    assert manifests.read(repository=APP, reference="v1").digest == str(first.digest)
    assert history("latest") == [str(first.digest), str(second.digest)]
    assert history("v1") == [str(first.digest)]


def test_a_tag_that_names_it_already_has_not_moved(writer: Principal) -> None:
    pushed = push_image(writer, b"one", tags=["latest"])
    created = Tag.objects.get().created_at
    push_image(writer, b"one", tags=["latest", "latest"])

    assert history("latest") == [str(pushed.digest)]
    assert Tag.objects.get().created_at == created
    assert Tag.objects.get().pushed_at > created


def test_a_tag_that_moves_back_and_forth_has_all_of_it_in_its_history(writer: Principal) -> None:
    digests = [
        str(push_image(writer, content, tags=["latest"]).digest) for content in (b"1", b"2", b"1")
    ]

    assert history("latest") == digests


def test_the_history_tells_who_moved_the_tag(writer: Principal, maintainer: Principal) -> None:
    push_image(writer, b"one", tags=["latest"])
    tags.delete(principal=maintainer, repository=APP, name="latest")
    changes = TagChange.objects.order_by("id").values_list("changed_by", flat=True)

    assert list(changes) == ["writer", "maintainer"]


def test_a_deleted_tag_leaves_its_manifest_and_its_siblings(writer: Principal) -> None:
    pushed = push_image(writer, b"one", tags=["latest", "v1"])
    tags.delete(principal=writer, repository=APP, name="latest")

    assert listing() == ["v1"]
    assert history("latest") == [str(pushed.digest), ""]
    assert history("v1") == [str(pushed.digest)]
    assert manifests.read(repository=APP, reference=str(pushed.digest))
    with pytest.raises(ManifestUnknown):
        manifests.read(repository=APP, reference="latest")


def test_a_tag_is_deleted_once(writer: Principal) -> None:
    push_image(writer, b"one", tags=["latest"])
    tags.delete(principal=writer, repository=APP, name="latest")

    with pytest.raises(ManifestUnknown):
        tags.delete(principal=writer, repository=APP, name="latest")
    with pytest.raises(NameUnknown):
        tags.delete(principal=writer, repository="payments/absent", name="latest")


def test_tags_that_go_with_their_manifest_have_it_in_their_history(writer: Principal) -> None:
    pushed = push_image(writer, b"one", tags=["latest", "v1"])
    manifests.delete(principal=writer, repository=APP, digest=pushed.digest)

    assert history("latest") == history("v1") == [str(pushed.digest), ""]


def test_the_same_tag_of_two_repositories_is_two(writer: Principal) -> None:
    push_image(writer, b"one", tags=["latest"])
    push_image(writer, b"two", repository="payments/other", tags=["latest"])
    tags.delete(principal=writer, repository="payments/other", name="latest")

    assert listing() == ["latest"]
    assert len(history("latest")) == 1


def test_tags_differ_by_case(writer: Principal) -> None:
    one = push_image(writer, b"one", tags=["Latest"])
    two = push_image(writer, b"two", tags=["latest"])

    assert manifests.read(repository=APP, reference="Latest").digest == str(one.digest)
    assert manifests.read(repository=APP, reference="latest").digest == str(two.digest)
