"""The page of a repository: tags, their order and sizes, selecting, comparing, deleting."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.web.paging import PAGE_SIZE
from repositories.models import Manifest, Repository, Tag, TagChange
from tests.accounts.web.conftest import World
from tests.repositories.web.images import NAME, XSS, push, push_list

PAGE = f"/repositories/{NAME}/-/"
MOST_QUERIES = 10


def names(client: Client, **query: str) -> list[str]:
    answer = client.get(PAGE, query)
    assert answer.status_code == 200
    return [row.tag.name for row in answer.context["tags"]]


@pytest.fixture
def many(world: World) -> World:
    """More tags than fit on a page, of one image."""
    image = push(world, "v000", b"layer")
    manifest = Manifest.objects.get(digest=str(image.digest))
    now = timezone.now()
    Tag.objects.bulk_create(
        [
            Tag(
                repository=world.repository,
                name=f"v{n:03}",
                manifest=manifest,
                pushed_at=now - timedelta(minutes=n // 7),
                pulled_at=now - timedelta(hours=n) if n % 2 else None,
            )
            for n in range(1, 2 * PAGE_SIZE + 10)
        ]
    )
    return world


@pytest.mark.parametrize("sort", ["pushed", "name", "pulled", "unused", "", "size'", "\x00"])
def test_every_order_pages_through_all_tags_once(many: World, sort: str) -> None:
    client = many.client("reader")
    found, following = [], f"sort={sort}"
    while following:
        answer = client.get(f"{PAGE}?{following}")
        found += [row.tag.name for row in answer.context["tags"]]
        following = answer.context["page"].next
    assert sorted(found) == [f"v{n:03}" for n in range(2 * PAGE_SIZE + 10)]


@pytest.mark.parametrize("who", ["reader", "maintainer", "admin", "guest"])
def test_a_page_of_tags_takes_few_queries(
    many: World, django_assert_max_num_queries: DjangoAssertNumQueries, who: str
) -> None:
    client = many.client(who)
    with django_assert_max_num_queries(MOST_QUERIES):
        answer = client.get(PAGE, {"sort": "name", "after": "v050"})
    assert answer.status_code == 200
    assert len(answer.content) < 150_000


def test_tags_are_sorted_by_their_use(world: World) -> None:
    for tag in ("old", "new", "never"):
        push(world, tag, tag.encode())
    now = timezone.now()
    Tag.objects.filter(name="old").update(pulled_at=now - timedelta(days=9), created_at=now)
    Tag.objects.filter(name="new").update(pulled_at=now)
    Tag.objects.filter(name="never").update(created_at=now - timedelta(days=1))
    client = world.client("reader")
    assert names(client, sort="pulled") == ["new", "never", "old"]
    assert names(client, sort="unused") == ["old", "never", "new"]
    assert names(client) == ["never", "new", "old"]


def test_tags_are_filtered_by_a_part_of_their_name(world: World) -> None:
    for tag in ("1.0-alpine", "1.0", "Alpine_x", "100%"[:3]):
        push(world, tag, tag.encode())
    client = world.client("reader")
    assert names(client, q="alpine", sort="name") == ["1.0-alpine", "Alpine_x"]
    assert names(client, q="%") == []
    assert names(client, q="e_x") == ["Alpine_x"]
    assert "No tag matches." in client.get(PAGE, {"q": "nothing"}).content.decode()


def test_sizes_say_what_is_unique_and_what_is_shared(world: World) -> None:
    base = b"b" * 4096
    push(world, "one", base, b"1" * 2048)
    push(world, "two", base, b"2" * 2048)
    text = world.client("reader").get(PAGE).content.decode()
    rows = world.client("reader").get(PAGE).context["tags"]
    # The base layer and the config, which both have.
    assert {row.size.shared for row in rows} == {
        4096 + len(b'{"os": "linux", "architecture": "amd64"}')
    }
    assert "4.04 KiB shared" in text
    assert "deleting the tag would free it" in text


def test_an_empty_repository_says_how_to_push(world: World) -> None:
    text = world.client("writer").get(PAGE).content.decode()
    assert f"docker push testserver/{NAME}:latest" in text


def test_untagged_manifests_are_counted_and_listed(world: World) -> None:
    first = push(world, "v1", b"first")
    push(world, "v1", b"second")
    images = push(world, "", b"amd"), push(world, "", b"arm")
    push_list(world, "list", *images)
    client = world.client("reader")
    assert "2 untagged manifests<" in client.get(PAGE).content.decode()
    rows = client.get(f"{PAGE}untagged").context["page"].rows
    assert {row.digest for row in rows} == {world.image, str(first.digest)}


def test_in_a_large_repository_untagged_manifests_are_not_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repositories.tag_lists.COUNTED", 1)
    monkeypatch.setattr("repositories.web.repository.COUNTED", 1)
    for content in (b"1", b"2", b"3"):
        push(world, "v1", content)
    text = world.client("reader").get(PAGE).content.decode()
    assert "Untagged manifests" in text
    assert "1 untagged" not in text


def test_what_people_wrote_is_text(world: World) -> None:
    Repository.objects.filter(name=NAME).update(description=f"# Title\n\n{XSS} **bold**")
    push(world, "v1", b"x")
    Manifest.objects.update(pushed_by=XSS[:100])
    text = world.client("reader").get(PAGE).content.decode()
    assert "<script>alert" not in text
    assert "<strong>bold</strong>" in text


@pytest.mark.parametrize("who", ["maintainer", "owner", "admin"])
def test_selected_tags_are_listed_and_then_deleted(world: World, who: str) -> None:
    for tag in ("v1", "v2", "v3"):
        push(world, tag, tag.encode())
    client = world.client(who)
    address = f"{PAGE}delete-tags"
    asked = client.get(f"{address}?tag=v1&tag=v2&tag=gone&tag=../x")
    assert [name for name, _ in asked.context["tags"]] == ["v1", "v2"]
    assert Tag.objects.count() == 3
    done = client.post(address, {"tag": ["v1", "v2", "gone", "../x"]}, follow=True)
    assert "2 tags are deleted." in done.content.decode()
    assert list(Tag.objects.values_list("name", flat=True)) == ["v3"]
    assert TagChange.objects.filter(digest="", changed_by=who).count() == 2


@pytest.mark.parametrize("who", ["guest", "reader", "writer"])
def test_who_may_not_delete_is_not_offered_it_and_told_why(world: World, who: str) -> None:
    push(world, "v1", b"x")
    client = world.client(who)
    assert "delete-tags" not in client.get(PAGE).content.decode()
    answer = client.post(f"{PAGE}delete-tags", {"tag": ["v1"]})
    assert answer.status_code == 403
    assert Tag.objects.count() == 1


def test_nobody_deletes_where_that_is_switched_off(world: World, settings: Settings) -> None:
    settings.DELETE_ENABLED = False
    push(world, "v1", b"x")
    client = world.client("owner")
    assert "delete-tags" not in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}delete-tags", {"tag": ["v1"]}).status_code == 403
    assert client.get(f"{PAGE}settings").status_code == 200


def test_two_selected_tags_are_compared_the_older_first(world: World) -> None:
    for tag in ("old", "new"):
        push(world, tag, tag.encode())
    client = world.client("reader")
    for query in ("tag=new&tag=old", "tag=old&tag=new"):
        answer = client.get(f"{PAGE}compare?{query}")
        assert answer.headers["Location"] == (
            "/compare?before=payments%2Fapi%3Aold&after=payments%2Fapi%3Anew"
        )
    answer = client.get(f"{PAGE}compare?tag=gone&tag=new")
    assert (
        answer.headers["Location"] == "/compare?before=payments%2Fapi%3A&after=payments%2Fapi%3Anew"
    )


def test_anonymous_visitors_see_what_is_public_only_where_that_is_allowed(
    world: World, settings: Settings
) -> None:
    push(world, "v1", b"x")
    client = world.client("anonymous")
    assert client.get(PAGE).headers["Location"].startswith("/sign-in")
    settings.ANONYMOUS_ACCESS = "pull"
    assert client.get(PAGE).status_code == 404
    Repository.objects.update(visibility="public")
    for address in (PAGE, f"{PAGE}images/v1", f"{PAGE}images/v1/manifest.json"):
        assert client.get(address).status_code == 200, address
    answer = client.post(f"{PAGE}delete-tags", {"tag": ["v1"]})
    assert answer.headers["Location"].startswith("/sign-in")
    assert Tag.objects.count() == 1


def test_a_description_is_previewed_before_it_is_saved(world: World) -> None:
    client = world.client("maintainer")
    address = f"{PAGE}description"
    text = client.post(address, {"description": "*hello*", "preview": "yes"}).content.decode()
    assert "<em>hello</em>" in text
    assert Repository.objects.get().description == ""
    assert client.post(address, {"description": "*hello*"}).status_code == 302
    assert "<em>hello</em>" in client.get(PAGE).content.decode()
    refused = client.post(address, {"description": "\N{SNOWMAN}" * 30_000})
    assert "shorten it" in refused.content.decode()
    assert Repository.objects.get().description == "*hello*"
