"""What programs are told of tags and images."""

import json
from typing import Any

import pytest

from repositories.access import principal_of
from repositories.models import Tag
from tests.api.v1.conftest import Cast, World, problem
from tests.oci.documents import CONFIG_TYPE, descriptor, image
from tests.repositories.content import APP, push_blob, push_document, push_image

BASE = f"repositories/{APP}/-"
HISTORY = [{"created_by": "RUN /bin/sh -c make # buildkit", "created": "2026-01-02T03:04:05Z"}]


def push(world: World, tag: str, *layers: bytes, **run: object) -> str:
    writer = principal_of(world.users["owner"])
    config = {"os": "linux", "architecture": "arm64", "config": run, "history": HISTORY}
    content = json.dumps(config).encode()
    for blob in (content, *layers):
        push_blob(writer, blob)
    document = image(*layers, config=descriptor(content, CONFIG_TYPE))
    return str(push_document(writer, document, tags=[tag]).digest)


def get(cast: Cast, path: str, who: str = "reader") -> Any:
    response = cast[who].get(f"{BASE}/{path}")
    assert response.status_code == 200, response.content
    return response.json()


def test_tags_have_sizes_and_platforms(world: World, cast: Cast) -> None:
    digest = push(world, "v2", b"layer")
    found = {tag["name"]: tag for tag in get(cast, "tags")["results"]}
    assert list(found) == ["v1", "v2"]
    tag = found["v2"]
    assert (tag["digest"], tag["kind"], tag["platforms"]) == (digest, "image", ["linux/arm64"])
    assert tag["total_size"] == tag["unique_size"] > tag["shared_size"] == 0
    assert tag["pushed_by"] == "owner"


def test_a_page_of_tags_begins_behind_any_name(world: World, cast: Cast) -> None:
    manifest = Tag.objects.get(repository__name=APP).manifest
    for name in ("_X", "A.b", "z-9"):
        Tag.objects.create(repository=manifest.repository, name=name, manifest=manifest)
    assert [t["name"] for t in get(cast, "tags?cursor=A.b")["results"]] == ["_X", "v1", "z-9"]
    assert get(cast, "tags?limit=1")["next"].endswith("limit=1&cursor=A.b")
    assert problem(cast["reader"].get(f"{BASE}/tags?cursor=-x"))["status"] == 400


def test_an_image_is_shown_with_config_layers_and_history(world: World, cast: Cast) -> None:
    digest = push(world, "v2", b"layer", Env=["A=1", "A=2"], Labels={"<b>": "\u0000"})
    push_image(principal_of(world.users["owner"]), b"layer", repository="payments/other")
    push_image(principal_of(world.users["keeper"]), b"layer", repository="vault/other")
    for reference in ("v2", digest):
        found = get(cast, f"images/{reference}")
        assert found["manifest"]["digest"] == digest
        assert found["entries"] == []
        shown = found["image"]
        assert shown["config"]["env"] == {"A": "2"}
        assert shown["config"]["labels"] == {"<b>": "\u0000"}
        assert shown["history"][0]["instruction"] == "RUN make"
        assert shown["history"][0]["created"] == "2026-01-02T03:04:05Z"
        (layer,) = shown["layers"]
        assert (layer["size"], layer["instruction"]) == (5, "RUN make")
        assert (layer["shared_with"], layer["shared_with_more"]) == (["payments/other"], False)


def test_referrers_of_a_tag_and_of_a_digest_are_the_same(world: World, cast: Cast) -> None:
    digest = push(world, "v2", b"layer")
    subject = descriptor(media_type="application/vnd.oci.image.manifest.v1+json", digest=digest)
    push_image(principal_of(world.users["owner"]), subject=subject, artifactType="a/b")
    found = get(cast, "images/v2/referrers")
    assert found == get(cast, f"images/{digest}/referrers")
    (node,) = found["nodes"]
    assert (node["refers_to"], node["depth"]) == (digest, 1)
    assert (node["manifest"]["kind"], node["manifest"]["artifact_type"]) == ("artifact", "a/b")


def test_a_tags_moves_are_listed_with_their_ends(world: World, cast: Cast) -> None:
    first, second = push(world, "v2", b"first"), push(world, "v2", b"second")
    now, before = get(cast, "tags/v2/changes")["results"]
    assert (now["digest"], now["until"], now["is_here"]) == (second, None, True)
    assert (before["digest"], before["until"]) == (first, now["since"])
    assert get(cast, "tags/none/changes")["results"] == []


def test_two_images_are_compared(world: World, cast: Cast) -> None:
    push(world, "v2", b"base", b"old", Cmd=["a"], Env=["A=1"])
    push(world, "v3", b"base", b"newer", Cmd=["b"])
    found = get(cast, "comparison?before=v2&after=v3")
    assert [layer["size"] for layer in found["added"]] == [5]
    assert found["cmd"] == {"before": ["a"], "after": ["b"]}
    assert found["env"] == [{"name": "A", "before": "1", "after": None}]
    assert found["entrypoint"] is None


def test_an_image_that_one_may_not_see_cannot_be_compared_with(world: World, cast: Cast) -> None:
    path = f"{BASE}/comparison?before=v1&after=v1&after_repository="
    hidden, missing = [cast["reader"].get(path + name) for name in ("vault/app", "no/where")]
    assert (hidden.status_code, hidden.content) == (missing.status_code, missing.content)
    assert hidden.status_code == 404
    assert cast["admin"].get(path + "vault/app").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("images/none", 404),
        ("images/sha256:short", 404),
        ("images/sha256:short/referrers", 404),
        ("images/-x", 404),
        ("images/v1?platform=%00", 400),
        ("images/v1?platform=a%20b", 400),
        ("comparison?before=v1", 400),
        ("comparison?before=v1&after=%2E%2E", 400),
        ("comparison?before=v1&after=v9", 404),
        ("tags?limit=0", 400),
        ("tags?order=size", 400),
    ],
)
def test_bad_requests_are_refused(path: str, status: int, cast: Cast) -> None:
    assert problem(cast["reader"].get(f"{BASE}/{path}"))["status"] == status
