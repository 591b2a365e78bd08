"""Every page is reached from the first one by clicks alone, without a script."""

import re
from collections import Counter, deque
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

import pytest
from django.test import Client
from django.urls import Resolver404, resolve
from pytest_django import Settings

from repositories import deletion
from repositories.access import principal_of
from repositories.models import Upload
from repositories.oci.digests import Digest
from repositories.storage import storage
from tests.accounts.web.conftest import LAYER, World
from tests.accounts.web.test_who_may import ROWS
from tests.repositories.layers.conftest import listed, settle
from tests.repositories.web.images import push

# Of many pages of one kind, so many are opened.
_MOST_OF_A_KIND = 4
# No page links to these: the first is for those who have not signed in, and whoever makes an
# invitation sends its secret address to somebody.
ELSEWHERE = {"sign-in", "invitation"}


class Links(HTMLParser):
    """Where the links of a page lead, and its forms that only ask, as they stand."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._form: str | None = None
        self._fields: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.found.append(given["href"])
        elif tag == "form":
            self._form = given.get("action", "") if given.get("method") == "get" else None
            self._fields = []
        elif tag == "input" and given.get("name") and given.get("type") != "checkbox":
            self._fields.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            self.found.append(f"{self._form}?{urlencode(self._fields)}")
            self._form = None


def crawl(client: Client, start: str = "/") -> Iterator[tuple[str, str]]:
    """The name of each address, and the address, breadth first."""
    waiting, seen, kinds = deque([start]), {start}, Counter[str]()
    while waiting:
        address = waiting.popleft()
        try:
            name = resolve(urlsplit(address).path).url_name or ""
        except Resolver404:
            continue  # a static file
        if kinds[name] == _MOST_OF_A_KIND or address.startswith(("/admin/", "/api/")):
            continue
        kinds[name] += 1
        answer = client.get(address, follow=True)
        assert answer.status_code == 200, address
        yield name, address
        if answer.headers["Content-Type"].startswith("text/html"):
            found = (urldefrag(urljoin(address, link))[0] for link in links_of(answer))
            fresh = [link for link in dict.fromkeys(found) if link not in seen]
            seen.update(fresh)
            waiting += fresh


def links_of(answer: object) -> list[str]:
    page: str = answer.content.decode()  # type: ignore[attr-defined]
    return [link for link in Links(page).found if not re.match(r"[a-z]+:|//", link)]


@pytest.fixture
def full(world: World, settings: Settings, tmp_path: Path) -> Iterator[World]:
    """One of everything: an image with a tag, a listed layer, an upload that is under way; and a
    tag and a repository that were deleted."""
    settings.DATA_FOLDER = tmp_path / "data"
    push(world, "v1", LAYER)
    push(world, "v2", LAYER)
    push(world, "v1", LAYER, name="payments/gone")
    owner = principal_of(world.users["owner"])
    deletion.delete_tags(principal=owner, repository=world.repository.name, names=["v2"])
    deletion.delete_repository(principal=owner, repository="payments/gone")
    listed(Digest.of(LAYER))
    row = Upload.objects.create(repository=world.repository, started_by="admin")
    storage().create_upload(str(row.pk))
    yield world
    settle()


def test_an_administrator_reaches_every_page(full: World) -> None:
    wanted = {row.name for row in ROWS if row.data is None} - ELSEWHERE
    reached = dict(crawl(full.client("admin")))
    assert sorted(wanted - set(reached)) == []


def test_who_has_not_signed_in_finds_where_to(full: World) -> None:
    assert "sign-in" in dict(crawl(Client()))


@pytest.mark.parametrize("who", ["stranger", "reader", "owner"])
def test_no_link_leads_to_what_one_may_not_see(full: World, who: str) -> None:
    """The crawl itself looks at each answer."""
    assert "home" in dict(crawl(full.client(who)))


def test_a_layer_leads_to_its_image_and_back(full: World) -> None:
    client = full.client("reader")
    images = "/repositories/payments/api/-/images/"
    (layer,) = (link for link in links_of(client.get(f"{images}v1")) if "/-/layers/" in link)
    digest = layer.partition("?image=")[2]
    answer = client.get(layer)
    assert f"{images}{digest}" in links_of(answer)
    assert layer in links_of(client.get(f"{images}{digest}"))
    files = f"/repositories/payments/api/-/files/{digest}/"
    assert files in links_of(answer)
    assert f"{images}{digest}" in links_of(client.get(files))
