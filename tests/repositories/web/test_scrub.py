"""The page of the scrub: what it says in each state, and that it stays small beside much damage."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from repositories import scrub
from repositories.models import ScrubFinding, ScrubPass
from repositories.oci.digests import Digest
from repositories.storage.filesystem import FilesystemStorage
from tests.accounts.web.conftest import World
from tests.repositories.scrubbing import cut, flip, look, repair
from tests.repositories.web.images import NAME, push

PAGE = "/manage/scrub"
LAYER = b"a layer of an image"
DIGEST = Digest.of(LAYER)


@pytest.fixture
def admin(world: World) -> Client:
    push(world, "v1", LAYER)
    return world.client("admin")


def shown(client: Client, query: str = "") -> str:
    answer = client.get(f"{PAGE}{query}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_before_the_first_pass_it_says_when_that_begins(admin: Client) -> None:
    page = shown(admin)
    assert "There was no pass yet" in page
    assert "It is empty: no file was set apart." in page


def test_without_damage_all_is_well(admin: Client) -> None:
    look()
    page = shown(admin)
    assert "The last pass" in page
    assert "all is well" in page
    assert "Nothing was found." in page


def test_damage_leads_to_its_images_and_is_in_quarantine(
    admin: Client, disk: FilesystemStorage
) -> None:
    flip(disk, DIGEST)
    repair()
    page = shown(admin)
    for part in (
        f'href="/repositories/{NAME}/-/images/v1"',
        str(DIGEST),
        "its bytes are not those that were pushed",
        "waits for a push",
        "1 damaged file of 19 bytes lies in berth/quarantine",
    ):
        assert part in page
    assert "all is well" not in page


def test_what_a_push_has_healed_is_said_to_be(
    admin: Client, world: World, disk: FilesystemStorage
) -> None:
    flip(disk, DIGEST)
    repair()
    push(world, "v1", LAYER)
    page = shown(admin)
    assert "healed" in page
    assert "waits for a push" not in page
    assert "all is well" in page
    assert "lies in berth/quarantine" in page


def test_what_is_no_damage_has_a_list_of_its_own(admin: Client) -> None:
    row = look()
    ScrubFinding.objects.create(
        scrub=row, kind="orphan", is_damage=False, target="sha256:stray", size=5
    )
    assert "sha256:stray" not in shown(admin)
    assert f"?pass={row.number}&amp;what=notices" in shown(admin)
    page = shown(admin, f"?pass={row.number}&what=notices")
    assert "sha256:stray" in page
    assert "the garbage collector moves it to the trash" in page


def test_the_pass_under_way_is_beside_the_last_one(
    admin: Client, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(disk, DIGEST)
    look()
    monkeypatch.setattr(scrub, "_half", None)
    ScrubPass.objects.update(started_at=timezone.now() - timedelta(days=40))
    scrub.run_slice(rate=10**9, seconds=0, days=30)
    page = shown(admin)
    assert "The pass under way" in page
    assert "The last pass" in page
    assert "reading blobs" in page
    assert str(DIGEST) in page  # of the last one
    assert "Nothing was found." in shown(admin, "?pass=2")


def test_damage_that_was_left_alone_is_said_loudly(admin: Client) -> None:
    look()
    ScrubPass.objects.update(withheld=7)
    assert "7 damaged blobs were left as they are" in shown(admin)


@pytest.mark.parametrize("query", ["?pass=x", "?pass=99", "?pass=%00", "?what=x", "?after=-1"])
def test_an_address_that_somebody_made_up_shows_the_page(query: str, admin: Client) -> None:
    look()
    assert "The last pass" in shown(admin, query)


def test_much_damage_takes_no_more_queries(admin: Client) -> None:
    row = look()
    hits = {
        "images": [{"repository": NAME, "digest": str(DIGEST), "tags": ["v1", "v2"]}],
        "image_count": 10**6,
        "repositories": [NAME],
        "repository_count": 1000,
    }
    counts = []
    for size in (1, 120):
        for number in range(size):
            target = f"sha256:{size}-{number}"
            ScrubFinding.objects.create(
                scrub=row, kind="missing", is_damage=True, target=target, size=1, hits=hits
            )
        with CaptureQueriesContext(connection) as queries:
            assert "1000000 images" in shown(admin)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 10
