"""Pages of what was deleted: a button after each delete, a list, and why something cannot be."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from repositories import garbage, trash
from repositories.access import principal_of
from repositories.models import Deletion, Manifest, Repository, Tag
from repositories.oci import media_types
from tests.accounts.web.conftest import World
from tests.oci import documents
from tests.oci.documents import descriptor
from tests.repositories.content import push_document
from tests.repositories.web.images import NAME, XSS, push, push_list

PAGE = f"/repositories/{NAME}/-/"


def words(content: bytes) -> str:
    return " ".join(content.decode().split())


def delete(world: World, *tags: str) -> Client:
    client = world.client("maintainer")
    client.post(f"{PAGE}delete-tags", {"tag": list(tags), "images": "yes"})
    return client


def address() -> str:
    return f"{PAGE}deleted/{Deletion.objects.latest('pk').pk}"


@pytest.mark.parametrize("images", [{}, {"images": "yes"}])
def test_after_a_delete_there_is_a_button_that_undoes_it(
    world: World, images: dict[str, str]
) -> None:
    push(world, "v1", b"layer")
    before = set(Manifest.objects.values_list("digest", flat=True))
    client = world.client("maintainer")
    done = client.post(f"{PAGE}delete-tags", {"tag": ["v1"], **images}, follow=True)
    assert f'action="{address()}"' in done.content.decode()
    back = client.post(address(), follow=True)

    assert "1 tag is back" in words(back.content)
    assert back.redirect_chain[-1][0] == PAGE
    assert set(Manifest.objects.values_list("digest", flat=True)) == before
    assert Tag.objects.filter(name="v1").exists()
    again = client.post(f"{PAGE}deleted/999999", follow=True)
    assert "undone already, or its time is over" in words(again.content)


def test_the_list_says_who_deleted_what_and_until_when_it_can_be_undone(world: World) -> None:
    for tag in ("v1", "v2"):
        push(world, tag, tag.encode())
    client = delete(world, "v1", "v2")
    for page in (PAGE, f"{PAGE}activity"):
        assert f"{PAGE}deleted" in client.get(page).content.decode()
    text = words(client.get(f"{PAGE}deleted").content)
    until = Deletion.objects.get().until
    assert f"{until:%Y-%m-%d %H:%M}" in text
    for part in ("v1", "maintainer", "2 tags", "2 manifests", f'action="{address()}"'):
        assert part in text
    shown = words(client.get(address()).content)
    assert "v2" in shown
    Deletion.objects.update(until=timezone.now())
    assert "There is nothing to undo" in words(client.get(f"{PAGE}deleted").content)
    assert client.get(address()).status_code == 404


def test_a_tag_that_was_pushed_anew_is_named_and_the_rest_is_offered(world: World) -> None:
    for tag in ("v1", "v2"):
        push(world, tag, tag.encode())
    client = delete(world, "v1", "v2")
    new = push(world, "v1", b"new")
    refused = client.post(address())
    text = words(refused.content)
    assert refused.status_code == 200
    assert "1 tag has been pushed anew since, and stays as it is: v1" in text
    assert 'name="rest"' in text
    client.post(address(), {"rest": "yes"})
    tags = dict(Tag.objects.values_list("name", "manifest__digest"))
    assert set(tags) == {"v1", "v2"}
    assert tags["v1"] == str(new.digest)


def test_what_is_gone_is_told(world: World) -> None:
    pushed = push(world, "v1", b"gone for good")
    client = delete(world, "v1")
    garbage.collect(grace=timedelta(0), insist=True)
    trash.purge(grace=timedelta(0))
    text = words(client.post(address()).content)
    assert "Nothing was put back" in text
    assert str(pushed.digest) in text
    assert 'name="rest"' not in text


def test_a_deleted_repository_comes_back_from_the_page_of_its_team(world: World) -> None:
    push(world, "v1", b"layer")
    client = world.client("maintainer")
    said = words(client.get(f"{PAGE}delete").content)
    assert "Maintainers of the team can bring it back until" in said
    assert "Nobody can undo it" not in said
    done = client.post(f"{PAGE}delete", {"name": NAME}, follow=True)
    where = f"/teams/payments/deleted/{Deletion.objects.get(kind='repository').pk}"
    assert f'action="{where}"' in done.content.decode()
    assert "/teams/payments/deleted" in client.get("/teams/payments").content.decode()
    assert NAME in words(client.get("/teams/payments/deleted").content)
    assert "/deleted" not in world.client("writer").get("/teams/payments").content.decode()
    assert client.get(where).status_code == 200
    back = client.post(where, follow=True)
    assert back.redirect_chain[-1][0] == PAGE
    assert Tag.objects.filter(repository__name=NAME, name="v1").exists()


def test_a_repository_that_is_there_again_is_told(world: World) -> None:
    push(world, "v1", b"layer")
    client = world.client("owner")
    client.post(f"{PAGE}delete", {"name": NAME})
    push(world, "v2", b"new")
    where = f"/teams/payments/deleted/{Deletion.objects.get(kind='repository').pk}"
    text = words(client.post(where).content)
    assert f"There is a repository {NAME} again" in text
    client.post(where, {"rest": "yes"})
    repository = Repository.objects.get(name=NAME)
    assert set(repository.tags.values_list("name", flat=True)) == {"v1", "v2"}


def test_without_a_grace_the_pages_say_that_nobody_can_undo_it(
    world: World, settings: Settings
) -> None:
    settings.GARBAGE_GRACE = 0
    pushed = push(world, "v1", b"layer")
    client = world.client("maintainer")
    pages = ("delete", "delete-tags?tag=v1", f"images/{pushed.digest}/delete")
    for page in pages:
        assert "Nobody can undo it" in words(client.get(f"{PAGE}{page}").content)
    done = client.post(f"{PAGE}delete-tags", {"tag": ["v1"]}, follow=True)
    assert "notice undo" not in done.content.decode()


def test_a_manifest_is_deleted_by_its_digest_after_a_preview(world: World) -> None:
    one, two = push(world, "", b"one"), push(world, "two", b"two")
    index = push_list(world, "multi", one, two)
    client = world.client("maintainer")
    page = f"{PAGE}images/{index.digest}"
    assert f"{page}/delete" in client.get(page).content.decode()
    assert f"{PAGE}delete-tags?tag=multi" in client.get(f"{PAGE}images/multi").content.decode()
    text = words(client.get(f"{page}/delete").content)
    assert "linux/amd64" in text
    assert "1 manifest stays" in text
    assert "the tag two names it" in text
    done = client.post(f"{page}/delete", follow=True)
    assert "1 tag is deleted. 2 manifests are deleted." in words(done.content)
    assert "not here any more" in words(client.get(f"{page}/delete").content)
    client.post(address())
    assert Tag.objects.filter(name="multi").exists()


def test_a_hostile_platform_is_only_a_text(world: World) -> None:
    one = push(world, "", b"one")
    entry = descriptor(
        b"",
        media_types.OCI_MANIFEST,
        digest=str(one.digest),
        size=1,
        platform={"os": XSS, "architecture": XSS},
    )
    owner = principal_of(world.users["owner"])
    push_document(owner, documents.index(entry), repository=NAME, tags=["multi"])
    page = world.client("owner").get(f"{PAGE}delete-tags?tag=multi").content.decode()
    assert XSS not in page
    assert "&lt;script&gt;" in page


def test_a_tag_is_put_back_on_the_page_of_its_history(world: World) -> None:
    old, new = push(world, "v1", b"old"), push(world, "v1", b"new")
    client = world.client("writer")
    page = client.get(f"{PAGE}images/v1/history").content.decode()
    assert f'value="{old.digest}"' in page
    assert f'value="{new.digest}"' not in page
    assert "Put back" not in world.client("reader").get(f"{PAGE}images/v1/history").content.decode()
    done = client.post(f"{PAGE}images/v1/rollback", {"digest": str(old.digest)}, follow=True)
    assert f"v1 names {old.digest} again." in words(done.content)
    assert Tag.objects.get(name="v1").manifest.digest == str(old.digest)


@pytest.mark.parametrize("digest", ["", XSS, "\0", "x" * 500, f"sha256:{64 * '0'}"])
def test_what_the_tag_never_named_is_refused(world: World, digest: str) -> None:
    pushed = push(world, "v1", b"layer")
    done = world.client("writer").post(f"{PAGE}images/v1/rollback", {"digest": digest}, follow=True)
    assert "never named this digest" in words(done.content)
    assert Tag.objects.get(name="v1").manifest.digest == str(pushed.digest)
