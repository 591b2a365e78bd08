"""The files of layers and images, for programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from repositories.access import principal_of
from repositories.layers import listing
from repositories.layers.process import Progress, State
from repositories.models import Repository
from repositories.oci.digests import Digest
from tests.api.v1.conftest import Caller, Cast, World, problem
from tests.oci.documents import LAYER_TYPE, descriptor, image
from tests.repositories.content import push_blob, push_document, push_image
from tests.repositories.layers.archives import archive, entry, layer
from tests.repositories.layers.conftest import settle

APP = "payments/app"


@pytest.fixture(autouse=True)
def _listings(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.DATA_FOLDER = tmp_path / "data"
    yield
    settle()


def pushed(world: World, *layers: bytes) -> str:
    return str(push_image(principal_of(world.users["owner"]), *layers, repository=APP).digest)


def of_layer(content: bytes, query: str = "") -> str:
    return f"repositories/{APP}/-/layers/{Digest.of(content)}/files{query}"


def of_image(digest: str, query: str = "") -> str:
    return f"repositories/{APP}/-/manifests/{digest}/files{query}"


def done(caller: Caller, path: str) -> dict[str, Any]:
    """The answer when the listing is done."""
    while (response := caller.get(path)).status_code == 202:
        assert response["Retry-After"] == "1"
        settle()
    assert response.status_code == 200, response.content
    content: dict[str, Any] = response.json()
    return content


def test_a_folder_of_a_layer(world: World, cast: Cast) -> None:
    content = archive(
        entry("d/f", b"12345", mode=b"0004755\0"),
        entry("d/l", kind=b"2", link="f"),
        entry("d/.wh.gone"),
    )
    pushed(world, content)
    root = done(cast["reader"], of_layer(content))
    assert (root["entries"], root["problem"], root["next"], root["wasted"]) == (4, "", None, {})
    assert [(f["path"], f["type"], f["size"]) for f in root["results"]] == [("d", "folder", 5)]
    found = done(cast["reader"], of_layer(content, "?folder=d"))["results"]
    assert found[0] == {
        "path": "d/f",
        "type": "file",
        "size": 5,
        "mode": "4755",
        "uid": 0,
        "gid": 0,
        "modified_at": "1970-01-01T00:00:00Z",
        "link": "",
        "replaces": False,
        "is_opaque": False,
        "layer": 0,
    }
    assert [(f["path"], f["type"], f["link"]) for f in found[1:]] == [
        ("d/gone", "deleted", ""),
        ("d/l", "symlink", "f"),
    ]


def test_pages_and_search(world: World, cast: Cast) -> None:
    names = [f"n{number:03}" for number in range(25)]
    content = layer({f"d/{name}": b"" for name in names})
    pushed(world, content)
    seen, address = [], of_layer(content, "?folder=d&limit=10")
    while address:
        page = done(cast["reader"], address)
        seen += [file["path"] for file in page["results"]]
        parts = urlsplit(page["next"] or "")
        address = f"{parts.path.removeprefix('/api/v1/')}?{parts.query}" if page["next"] else ""
    assert seen == [f"d/{name}" for name in names]
    found = done(cast["reader"], of_layer(content, "?search=N01"))["results"]
    assert [file["path"] for file in found] == [f"d/n{number:03}" for number in range(10, 20)]


def test_the_files_of_an_image(world: World, cast: Cast) -> None:
    digest = pushed(world, layer({"a": b"123", "b": b"1"}), archive(entry(".wh.a")))
    found = done(cast["reader"], of_image(digest))
    assert [(file["path"], file["layer"]) for file in found["results"]] == [("b", 0)]
    assert found["wasted"] == {"0": 3}


def test_while_it_is_made_it_says_how_far_it_is(
    world: World, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = layer({"a": b""})
    pushed(world, content)
    monkeypatch.setattr(listing, "wait", lambda **_: Progress(State.WORKING, 5, 10, 2))
    response = cast["reader"].get(of_layer(content))
    assert response.status_code == 202
    assert response.json() == {"state": "working", "read": 5, "total": 10, "entries": 2}

    monkeypatch.setattr(listing, "wait", lambda **_: Progress(State.FAILED))
    response = cast["reader"].get(of_layer(content))
    assert problem(response)["status"] == 503
    assert response["Retry-After"] == "60"


def test_what_cannot_be_looked_into_says_why(world: World, cast: Cast) -> None:
    owner = principal_of(world.users["owner"])
    for content in (b"{}", b"secret"):
        push_blob(owner, content, repository=APP)
    layers = [descriptor(b"secret", f"{LAYER_TYPE}+encrypted")]
    push_document(owner, image(layers=layers), repository=APP)
    told = problem(cast["reader"].get(of_layer(b"secret")))
    assert told["status"] == 400
    assert "encrypted" in told["detail"]
    assert told["type"].endswith(":refused")
    assert "tar archive" in done(cast["reader"], of_layer(b"{}"))["problem"]


def test_what_is_not_there(world: World, cast: Cast) -> None:
    content = layer({"a": b""})
    pushed(world, content)
    done(cast["reader"], of_layer(content))
    for path in (
        of_layer(content, "?folder=nowhere"),
        of_layer(content, "?folder=a"),
        of_layer(b"unknown"),
        of_image(str(Digest.of(b"unknown"))),
    ):
        assert problem(cast["reader"].get(path))["status"] == 404
    for query in ("?folder=%00", "?cursor=0", "?cursor=x", "?limit=1000", "?search=", "?other=1"):
        assert problem(cast["reader"].get(of_layer(content, query)))["status"] == 400


def test_public_ones_are_open_where_anonymous_access_is_on(
    world: World, cast: Cast, settings: Settings
) -> None:
    content = layer({"a": b""})
    digest = pushed(world, content)
    Repository.objects.filter(name=APP).update(visibility=Repository.Visibility.PUBLIC)
    assert cast["anonymous"].get(of_layer(content)).status_code == 401
    settings.ANONYMOUS_ACCESS = "pull"
    assert done(cast["anonymous"], of_layer(content))["results"]
    assert done(cast["anonymous"], of_image(digest))["results"]
