"""Descriptions, the search, the activity, uploads and sizes, as programs have them."""

import json

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from repositories import usage
from repositories.models import Blob, BlobLink, Manifest, Pull, Repository, Tag, TagChange
from repositories.models.repository import MAX_DESCRIPTION_BYTES
from repositories.storage import storage
from tests.api.v1.conftest import Cast, World, problem

PATH = "repositories/payments/app"


def test_a_description_is_written_by_maintainers_and_read_by_all(world: World, cast: Cast) -> None:
    text = "# Payments\n\n\tThe <b>API</b> \u00fc \U0001f6a2.\r\nMore"
    answer = cast["maintainer"].call("PATCH", PATH, {"description": text})
    assert answer.json()["description"] == text.replace("\r\n", "\n")
    assert cast["reader"].get(PATH).json()["description"] == answer.json()["description"]
    assert cast["writer"].call("PATCH", PATH, {"description": "x"}).status_code == 403
    assert AuditEvent.objects.filter(action="repository.set-description").count() == 1
    both = {"description": "", "visibility": "internal"}
    answer = cast["maintainer"].call("PATCH", PATH, both)
    assert answer.json() == answer.json() | both
    assert cast["maintainer"].call("PATCH", PATH, {}).json() == answer.json()
    assert cast["writer"].call("PATCH", PATH, {}).status_code == 403


@pytest.mark.parametrize("text", ["a\0b", "a\x1bb", "a" * (MAX_DESCRIPTION_BYTES + 1), 5, None])
def test_a_description_is_text_of_a_bounded_length(text: object, cast: Cast) -> None:
    answer = problem(cast["maintainer"].call("PATCH", PATH, {"description": text}))
    assert (answer["status"], set(answer["errors"])) == (400, {"description"})


def test_its_length_is_that_of_its_bytes(cast: Cast) -> None:
    text = "\u00fc" * (MAX_DESCRIPTION_BYTES // 2)
    assert cast["maintainer"].call("PATCH", PATH, {"description": text}).status_code == 200
    answer = problem(cast["maintainer"].call("PATCH", PATH, {"description": text + "x"}))
    assert str(MAX_DESCRIPTION_BYTES) in answer["errors"]["description"][0]


def _fill() -> None:
    repository = Repository.objects.get(name="payments/app")
    manifest = Manifest.objects.create(
        repository=repository, digest=f"sha256:{'abcdef':0<64}", payload=b"12345"
    )
    Tag.objects.create(repository=repository, name="v7", manifest=manifest)
    TagChange.objects.create(repository=repository, name="v7", digest=manifest.digest)
    Pull.objects.create(
        repository=repository, tag="v7", digest=manifest.digest, at=timezone.now(), count=3
    )


@pytest.mark.parametrize("text", ["payments", "v7", "abcdef"])
def test_the_search_finds_what_the_caller_may_pull(text: str, world: World, cast: Cast) -> None:
    _fill()
    nothing: dict[str, list[object]] = {"repositories": [], "tags": [], "digests": []}
    assert cast["stranger"].get(f"search?q={text}").json() == nothing
    for name in ("reader", "robot", "scoped", "admin"):
        found = cast[name].get(f"search?q={text}").json()
        assert "payments/app" in json.dumps(found), name
    assert cast["reader"].get("search?q=vault").json() == nothing


@pytest.mark.parametrize("query", ["", "q=", "q=%00", "q=" + "a" * 256, "q=a&q=b", "name=x"])
def test_a_search_is_for_one_text(query: str, cast: Cast) -> None:
    assert cast["reader"].get(f"search?{query}").status_code == 400


def test_the_activity_tells_what_happened(world: World, cast: Cast) -> None:
    _fill()
    found = cast["reader"].get("activity").json()["results"]
    assert [(e["kind"], e["repository"], e["tag"], e["count"]) for e in found] == [
        ("pulled", "payments/app", "v7", 3),
        ("pushed", "payments/app", "v7", 1),
    ]
    assert cast["stranger"].get("activity").json() == {"results": [], "next": None}


def test_an_upload_is_listed_with_its_bytes_and_cancelled(world: World, cast: Cast) -> None:
    upload = str(world.ids["payments"]["upload"])
    with storage().write_upload(upload) as writer:
        writer.write(b"12345")
        writer.sync()
    (found,) = cast["writer"].get("uploads?repository=payments/app").json()["results"]
    assert (found["id"], found["bytes"], found["started_by"]) == (upload, 5, "somebody")
    assert cast["reader"].get("uploads").json()["results"] == []
    assert cast["maintainer"].call("DELETE", f"uploads/{upload}").status_code == 204
    assert cast["maintainer"].call("DELETE", f"uploads/{upload}").status_code == 404
    assert upload not in [stored.id for stored in storage().uploads()]


def test_sizes_are_those_of_the_last_measure(world: World, cast: Cast) -> None:
    for model in (Manifest, BlobLink, Blob):
        model.objects.all().delete()
    _fill()
    assert cast["reader"].get(PATH).json()["bytes"] is None
    usage.measure()
    assert cast["reader"].get(PATH).json()["bytes"] == 5
    (sample,) = cast["reader"].get("usage?team=payments").json()["samples"]
    assert (sample["bytes"], sample["manifests"]) == (5, 1)
    assert cast["admin"].get("usage").json()["samples"][0]["bytes"] == 5
    assert cast["owner"].get("usage").status_code == 403
    sizes = cast["reader"].get("usage/repositories").json()["results"]
    assert sizes == [{"repository": "payments/app", "bytes": 5, "unique_bytes": 5}]
    assert cast["reader"].get("usage/teams").json()["results"][0]["team"] == "payments"
    for name in ("scoped", "robot", "stranger"):
        assert cast[name].get("usage/teams").json()["results"] == []
