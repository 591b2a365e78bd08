"""The files of a layer and of an image, in a browser without JavaScript."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape
from pytest_django import Settings

from repositories.access import principal_of
from repositories.layers import listing
from repositories.layers.process import Progress, State
from repositories.models import Repository
from repositories.oci.digests import Digest
from repositories.storage import storage
from tests.accounts.web.conftest import World
from tests.oci.documents import LAYER_TYPE
from tests.repositories.content import push_image
from tests.repositories.layers.archives import archive, entry, layer
from tests.repositories.layers.conftest import listed, settle

NAME = "payments/api"
XSS = "<script>alert(1)</script>&\"'"


@pytest.fixture(autouse=True)
def _listings(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.DATA_FOLDER = tmp_path / "data"
    yield
    settle()


def pushed(world: World, *layers: bytes) -> str:
    """The digest of an image of these layers."""
    owner = principal_of(world.users["owner"])
    return str(push_image(owner, *layers, repository=NAME).digest)


def page(client: Client, address: str) -> str:
    """What the page says when the listing is done."""
    while True:
        answer = client.get(address)
        assert answer.status_code == 200, answer.content
        settle()
        if "hx-trigger" not in answer.content.decode():
            return answer.content.decode()


def of_layer(content: bytes, query: str = "") -> str:
    return f"/repositories/{NAME}/-/layers/{Digest.of(content)}/{query}"


def of_image(digest: str, query: str = "") -> str:
    return f"/repositories/{NAME}/-/files/{digest}/{query}"


def test_one_goes_down_into_folders_and_up_again(world: World) -> None:
    content = layer({"usr/bin/env": b"x" * 2048, "usr/lib": None})
    image = pushed(world, content)
    client = world.client("reader")
    root = page(client, of_layer(content))
    assert 'href="?folder=usr"' in root
    assert f'href="{of_image(image)}"' in root
    assert LAYER_TYPE in root
    below = page(client, of_layer(content, "?folder=usr%2Fbin"))
    assert ">env<" in below
    assert "2.00 KiB" in below
    assert "-rw-r--r--" in below
    assert 'href="?folder=usr">usr</a>' in below
    assert client.get(of_layer(content, "?folder=usr/nothing")).status_code == 404
    assert client.get(of_layer(content, "?folder=usr/bin/env")).status_code == 404


def test_long_folders_have_pages(world: World) -> None:
    content = layer({f"f{n:03}": b"" for n in range(450)})
    pushed(world, content)
    client = world.client("reader")
    address, seen = of_layer(content), []
    while address:
        shown = page(client, address)
        seen += re.findall(r">(f\d{3})<", shown)
        following = re.search(r'href="(\?[^"]*)" rel="next"', shown)
        address = of_layer(content, following[1].replace("&amp;", "&")) if following else ""
    assert seen == [f"f{n:03}" for n in range(450)]


def test_a_search_shows_where_things_are(world: World) -> None:
    content = layer({"a/b/needle": b"", "a/needles": b"", "hay": b""})
    pushed(world, content)
    shown = page(world.client("reader"), of_layer(content, "?q=NEEDLE"))
    assert "2 found" in shown
    assert "a/b/needle" in shown
    assert ">hay<" not in shown
    assert "0 found" in page(world.client("reader"), of_layer(content, "?q=nothing"))


def test_deletions_are_shown_as_such(world: World) -> None:
    content = archive(entry(".wh.gone"), entry("d/.wh..wh..opq"))
    pushed(world, content)
    shown = page(world.client("reader"), of_layer(content))
    assert "<del>gone</del>" in shown
    assert "deletes what was in it" in shown


def test_the_image_says_where_files_are_from_and_what_is_wasted(world: World) -> None:
    image = pushed(world, layer({"a": b"1" * 3000}), layer({"a": b"2", "b": b""}))
    shown = page(world.client("reader"), of_image(image))
    assert "2.93 KiB" in shown
    assert shown.count('data-label="Layer">2<') == 2
    assert f"?image={image}" in shown


def test_hostile_names_are_text(world: World) -> None:
    content = archive(entry(XSS, kind=b"2", link=XSS), entry("\u202eevil"), entry(XSS + "/x"))
    image = pushed(world, content)
    for address in (of_layer(content), of_image(image), of_layer(content, "?q=script")):
        shown = page(world.client("reader"), address)
        assert "<script>alert" not in shown
        assert escape("<script>alert(1)<") in shown
        assert "\u202e" not in shown


@pytest.mark.parametrize(
    "query",
    [
        *("?after=x", "?after=99999999999", "?after=-1", "?after=٣", "?q=%00", "?image=x"),
        *("?folder=%00", "?folder=%ff", "?folder=..", "?folder=" + "a/" * 3000, "?q=" + "x" * 5000),
    ],
)
def test_nonsense_in_the_address_is_no_error(query: str, world: World) -> None:
    content = layer({"a": b""})
    pushed(world, content)
    page(world.client("reader"), of_layer(content))
    answer = world.client("reader").get(of_layer(content, query))
    assert answer.status_code in (200, 404)


def test_while_it_is_made_the_page_says_how_far_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = layer({"a": b""})
    image = pushed(world, content)
    half = Progress(State.WORKING, 3 * 2**20, 10 * 2**20, 1234)
    monkeypatch.setattr(listing, "wait", lambda **_: half)
    shown = world.client("reader").get(of_layer(content)).content.decode()
    assert "3.00 MiB of 10.0 MiB read, 1234 entries so far" in shown
    assert f'<progress value="{3 * 2**20}" max="{10 * 2**20}"' in shown
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in shown
    assert f'hx-get="{of_layer(content)}"' in shown
    assert image not in shown


def test_a_killed_child_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    content = layer({"a": b""})
    pushed(world, content)
    monkeypatch.setattr(listing, "wait", lambda **_: Progress(State.FAILED))
    shown = world.client("reader").get(of_layer(content)).content.decode()
    assert "tried again in a minute" in shown


def test_what_is_no_layer_says_so(world: World) -> None:
    image = pushed(world, b"no archive")
    shown = page(world.client("reader"), of_layer(b"no archive"))
    assert "not a tar archive" in shown
    assert "only in part" in page(world.client("reader"), of_image(image))


def test_lost_bytes_are_told(world: World) -> None:
    content = layer({"lost": b""})
    image = pushed(world, content)
    path: Any = storage()
    path.blob_path(Digest.of(content)).unlink()
    for address in (of_layer(content), of_image(image)):
        answer = world.client("reader").get(address)
        assert "are missing on the server" in answer.content.decode()


def test_anonymous_people_read_what_is_public_and_nothing_else(
    world: World, settings: Settings
) -> None:
    content = layer({"a": b""})
    image = pushed(world, content)
    listed(Digest.of(content))
    client = Client()
    for address in (of_layer(content), of_image(image)):
        missing = address.replace("payments/api", "payments/nothing")
        assert client.get(address).headers["Location"].startswith("/sign-in")
        assert "next=" in client.get(missing).headers["Location"]

        settings.ANONYMOUS_ACCESS = "pull"
        hidden, absent = client.get(address), client.get(missing)
        assert hidden.status_code == absent.status_code == 404
        Repository.objects.update(visibility=Repository.Visibility.PUBLIC)
        page(client, address)
        assert client.get(address.replace("-/", "-/x")).status_code == 404
        Repository.objects.update(visibility=Repository.Visibility.PRIVATE)
        settings.ANONYMOUS_ACCESS = "none"


def test_in_open_mode_everybody_reads(world: World, settings: Settings) -> None:
    content = layer({"a": b""})
    pushed(world, content)
    settings.OPEN_ACCESS = True
    page(Client(), of_layer(content))


def test_another_repositorys_layer_is_not_found(world: World) -> None:
    content = layer({"secret": b""})
    owner = principal_of(world.users["owner"])
    push_image(owner, content, repository="payments/other")
    assert world.client("owner").get(of_layer(content)).status_code == 404
