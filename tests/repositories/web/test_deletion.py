"""Deleting on pages: what it frees is said first; images go where that was asked for."""

import pytest
from pytest_django import Settings

from repositories.models import Manifest, Repository, Tag
from tests.accounts.web.conftest import World
from tests.repositories.web.images import NAME, push

PAGE = f"/repositories/{NAME}/-/"


def words(content: bytes) -> str:
    return " ".join(content.decode().split())


def test_the_page_says_what_becomes_free_and_what_stays_in_use(world: World) -> None:
    push(world, "v1", b"x" * 2048, b"shared")
    push(world, "v2", b"shared")
    answer = world.client("maintainer").get(f"{PAGE}delete-tags?tag=v1")
    preview = answer.context["preview"]
    text = words(answer.content)

    assert len(preview.manifests) == 1
    assert preview.bytes >= 2048
    assert "Delete with images, freeing 2.0" in text
    assert "keep their space, unless you delete them as well" in text


def test_images_go_with_their_tags_only_when_that_was_asked_for(world: World) -> None:
    for tag in ("v1", "v2"):
        push(world, tag, tag.encode())
    client, images = world.client("maintainer"), Manifest.objects.count()
    client.post(f"{PAGE}delete-tags", {"tag": ["v1"]})
    assert (Tag.objects.count(), Manifest.objects.count()) == (1, images)
    done = client.post(f"{PAGE}delete-tags", {"tag": ["v2"], "images": "yes"}, follow=True)

    assert "1 tag is deleted. 1 manifest is deleted." in words(done.content)
    assert (Tag.objects.count(), Manifest.objects.count()) == (0, images - 1)


def test_where_other_tags_lead_to_the_image_only_the_tag_can_go(world: World) -> None:
    push(world, "v1", b"x")
    Tag.objects.create(
        repository=world.repository, name="v2", manifest=Manifest.objects.get(tags__name="v1")
    )
    text = words(world.client("maintainer").get(f"{PAGE}delete-tags?tag=v1").content)
    assert "Delete 1 tag" in text
    assert 'name="images"' not in text


def test_the_page_says_when_untagged_images_go(world: World, settings: Settings) -> None:
    settings.GARBAGE_UNTAGGED = 30
    push(world, "v1", b"x")
    text = words(world.client("maintainer").get(f"{PAGE}delete-tags?tag=v1").content)
    assert "reachable by their digests for 30 days, and go then" in text


@pytest.mark.parametrize("typed", ["", "api", "payments/API", "payments/other"])
def test_a_repository_is_deleted_only_by_its_name(world: World, typed: str) -> None:
    push(world, "v1", b"x")
    client = world.client("maintainer")
    assert f"{PAGE}delete" in client.get(f"{PAGE}settings").content.decode()
    answer = client.post(f"{PAGE}delete", {"name": typed})

    assert answer.status_code == 200
    assert Repository.objects.filter(name=NAME).exists()


def test_a_deleted_repository_is_gone(world: World) -> None:
    push(world, "v1", b"x")
    client = world.client("maintainer")
    asked = client.get(f"{PAGE}delete")
    assert asked.context["preview"].tags == ("v1",)
    done = client.post(f"{PAGE}delete", {"name": NAME}, follow=True)

    assert f"{NAME} is deleted." in words(done.content)
    assert client.get(PAGE).status_code == 404
    assert not Repository.objects.filter(name=NAME).exists()


def test_nobody_deletes_a_repository_where_that_is_switched_off(
    world: World, settings: Settings
) -> None:
    settings.DELETE_ENABLED = False
    client = world.client("owner")
    assert "Deleting is switched off" in words(client.get(f"{PAGE}delete").content)
    assert client.post(f"{PAGE}delete", {"name": NAME}).status_code == 403
    assert Repository.objects.filter(name=NAME).exists()
