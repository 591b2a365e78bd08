"""S6: what a limit forbids is forbidden on every path, and what it does not is not.

Read-only by the setting, by the switch, archived; deleting switched off; an immutable tag: each
against every verb of `/v2/`, the management API and the pages, and against the jobs and commands.
Distribution deleted tags all the same (CVE-2026-41888).
"""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any, NamedTuple

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import tokens
from accounts.models import User
from api.v1.urls import urlpatterns as api_urls
from api.v2.routes import ROUTES
from repositories import jobs, limit_settings, manifests, uploads
from repositories.access import principal_of
from repositories.models import Blob, BlobLink, Manifest, Repository, Review, Tag, Upload
from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.uploads import Chunk
from tests.security.client import encode_image, send
from tests.security.conftest import APP, CONFIG, OWN, World

NEW = b"a new blob"
OTHER = f"{OWN}/other"
PAGE = f"/repositories/{APP}/-"
API = f"/api/v1/repositories/{APP}"
READ_ONLY = ("setting", "switch", "archived")
LIMITS = (*READ_ONLY, "deletes off", "immutable")


class Place(NamedTuple):
    """What is there: an image with the tags `1` and `free`, a blob of no image, an upload."""

    world: World
    upload: str
    unused: Digest
    token: str
    client: Client

    def v2(self, method: str, path: str, body: bytes = b"", kind: str = "") -> int:
        headers = {"Content-Type": kind} if kind else {}
        return send(
            method, f"/v2/{APP}/{path}", body, by=self.world.by("admin"), headers=headers
        ).status

    def api(self, method: str, address: str, body: object = None) -> int:
        return self.client.generic(
            method,
            address,
            b"" if body is None else json.dumps(body),
            "application/json",
            HTTP_AUTHORIZATION=f"Bearer {self.token}",
        ).status_code

    def page(self, address: str, **fields: object) -> int:
        return self.client.post(address, fields).status_code

    @property
    def digest(self) -> Digest:
        return self.world.own.manifest


@pytest.fixture
def place(world: World, settings: Settings) -> Place:
    """The administrator's, who may do everything that is not forbidden to all."""
    settings.GARBAGE_UNTAGGED = 1
    settings.GARBAGE_GRACE = 0
    admin = User.objects.get(username="admin")
    principal = principal_of(admin)
    unused = Digest.of(b"unused")
    uploads.push_whole(principal=principal, repository=APP, digest=unused, content=[b"unused"])
    payload = encode_image(CONFIG, b"the only layer of payments/app")
    manifests.push(
        principal=principal,
        repository=APP,
        digest=None,
        names=["free"],
        payload=payload,
        content_type=media_types.OCI_MANIFEST,
    )
    # An untagged one, for the collector.
    manifests.push(
        principal=principal,
        repository=APP,
        digest=None,
        names=[],
        payload=encode_image(CONFIG),
        content_type=media_types.OCI_MANIFEST,
    )
    session = uploads.start(principal=principal, repository=APP)
    uploads.append(repository=APP, upload=session.id, chunk=Chunk([NEW]))
    old = timezone.now() - timedelta(days=400)
    Manifest.objects.update(pushed_at=old)
    Review.objects.update(nominated_at=old)
    Upload.objects.update(started_at=old)
    _, token = tokens.create(owner=admin, name="all")
    client = Client()
    client.force_login(admin)
    return Place(world, session.id, unused, token, client)


def limit(name: str, settings: Settings) -> None:
    principal = principal_of(User.objects.get(username="admin"))
    if name == "setting":
        settings.READ_ONLY = True
    elif name == "switch":
        limit_settings.set_read_only(principal=principal, on=True)
    elif name == "archived":
        limit_settings.set_archived(principal=principal, name=APP, archived=True)
    elif name == "deletes off":
        settings.DELETE_ENABLED = False
    else:
        limit_settings.set_immutable_tags(principal=principal, name=APP, patterns=["1"])


OTHER_IMAGE = encode_image(CONFIG, b"unused")
SAME_IMAGE = encode_image(CONFIG, b"the only layer of payments/app")
KIND = media_types.OCI_MANIFEST


def manifest(place: Place, reference: str, payload: bytes) -> int:
    return place.v2("PUT", f"manifests/{reference}", payload, KIND)


def collect(place: Place) -> int:
    """The jobs and the command that take away; whether anything went is seen afterwards."""
    jobs.collect_garbage()
    jobs.sweep_storage()
    jobs.purge_uploads()
    try:
        call_command("collect_garbage", grace="0s", stdout=StringIO())
    except CommandError:
        return 405
    return 200


class Row(NamedTuple):
    """A write: which limits forbid it, and the statuses that say so."""

    name: str
    act: Callable[[Place], int]
    by: tuple[str, ...]
    refused: frozenset[int]


PUSH = READ_ONLY
DELETE = (*READ_ONLY, "deletes off")
DELETE_FIXED = (*DELETE, "immutable")
PUSH_FIXED = (*READ_ONLY, "immutable")
V2 = frozenset({403, 405})
PAGES = frozenset({403})

ROWS = [
    # /v2/: uploads
    Row("POST upload", lambda p: p.v2("POST", "blobs/uploads/"), PUSH, V2),
    Row(
        "POST blob",
        lambda p: p.v2("POST", f"blobs/uploads/?digest={Digest.of(b'x')}", b"x"),
        PUSH,
        V2,
    ),
    Row(
        "mount",
        lambda p: p.v2("POST", f"blobs/uploads/?mount={p.world.own.layer}&from={APP}"),
        PUSH,
        V2,
    ),
    Row("mount nothing", lambda p: p.v2("POST", f"blobs/uploads/?mount={p.digest}"), PUSH, V2),
    Row("PATCH", lambda p: p.v2("PATCH", f"blobs/uploads/{p.upload}", b"more"), PUSH, V2),
    Row(
        "PUT upload",
        lambda p: p.v2("PUT", f"blobs/uploads/{p.upload}?digest={Digest.of(NEW)}"),
        PUSH,
        V2,
    ),
    Row("DELETE upload", lambda p: p.v2("DELETE", f"blobs/uploads/{p.upload}"), PUSH, V2),
    # /v2/: manifests, tags and blobs
    Row("PUT new tag", lambda p: manifest(p, "new", OTHER_IMAGE), PUSH, V2),
    Row("PUT same", lambda p: manifest(p, "1", SAME_IMAGE), PUSH, V2),
    Row("PUT moved", lambda p: manifest(p, "1", OTHER_IMAGE), PUSH_FIXED, V2),
    Row("PUT free moved", lambda p: manifest(p, "free", OTHER_IMAGE), PUSH, V2),
    Row(
        "PUT ?tag=",
        lambda p: manifest(p, f"{Digest.of(OTHER_IMAGE)}?tag=new&tag=1", OTHER_IMAGE),
        PUSH_FIXED,
        V2,
    ),
    Row("PUT tag and ?tag=", lambda p: manifest(p, "new?tag=1", OTHER_IMAGE), PUSH_FIXED, V2),
    Row("PUT digest", lambda p: manifest(p, str(Digest.of(OTHER_IMAGE)), OTHER_IMAGE), PUSH, V2),
    Row("DELETE tag", lambda p: p.v2("DELETE", "manifests/1"), DELETE_FIXED, V2),
    Row("DELETE free tag", lambda p: p.v2("DELETE", "manifests/free"), DELETE, V2),
    Row("DELETE manifest", lambda p: p.v2("DELETE", f"manifests/{p.digest}"), DELETE_FIXED, V2),
    Row("DELETE blob", lambda p: p.v2("DELETE", f"blobs/{p.unused}"), DELETE, V2),
    # The management API
    Row(
        "api deletions",
        lambda p: p.api("POST", f"{API}/-/deletions", {"tags": ["free", "1"]}),
        DELETE_FIXED,
        V2,
    ),
    Row(
        "api digests",
        lambda p: p.api("POST", f"{API}/-/deletions", {"digests": [str(p.digest)]}),
        DELETE_FIXED,
        V2,
    ),
    Row(
        "api free tag",
        lambda p: p.api("POST", f"{API}/-/deletions", {"tags": ["free"]}),
        DELETE,
        V2,
    ),
    Row("api repository", lambda p: p.api("DELETE", API), DELETE_FIXED, V2),
    Row("api upload", lambda p: p.api("DELETE", f"/api/v1/uploads/{p.upload}"), PUSH, V2),
    # Pages
    Row(
        "page tags",
        lambda p: p.page(f"{PAGE}/delete-tags", tag=["free", "1"]),
        DELETE_FIXED,
        PAGES,
    ),
    Row("page free tag", lambda p: p.page(f"{PAGE}/delete-tags", tag=["free"]), DELETE, PAGES),
    Row(
        "page images",
        lambda p: p.page(f"{PAGE}/delete-tags", tag=["1"], images="yes"),
        DELETE_FIXED,
        PAGES,
    ),
    Row("page repository", lambda p: p.page(f"{PAGE}/delete", name=APP), DELETE_FIXED, PAGES),
    Row("page upload", lambda p: p.page(f"/uploads/{p.upload}/cancel"), PUSH, PAGES),
]


def stored() -> list[object]:
    """What there is, to be pulled, or on its way; when a tag was last pushed aside."""
    tags = Tag.objects.order_by("pk").values_list("pk", "name", "manifest_id")
    models = (Repository, Manifest, BlobLink, Blob, Upload)
    rows: list[object] = [list(model.objects.order_by("pk").values_list()) for model in models]
    sizes = [storage().upload_size(str(id)) for id in Upload.objects.values_list("pk", flat=True)]
    return [*rows, list(tags), sizes]


CELLS = [pytest.param(row, name, id=f"{row.name}-{name}") for row in ROWS for name in ("", *LIMITS)]


@pytest.mark.parametrize(("row", "name"), CELLS)
def test_each_write_under_each_limit(row: Row, name: str, place: Place, settings: Settings) -> None:
    if name:
        limit(name, settings)
    before = stored()
    status = row.act(place)
    if name in row.by:
        assert status in row.refused
        assert stored() == before
    else:
        assert status in (200, 201, 202, 204, 302)
        assert stored() != before or row.name in ("mount", "PUT same")


@pytest.mark.parametrize("name", ["", *LIMITS])
def test_the_collector_under_each_limit(name: str, place: Place, settings: Settings) -> None:
    if name:
        limit(name, settings)
    before, fixed = stored(), set(Tag.objects.values_list())
    collect(place)
    if name in READ_ONLY:
        assert stored() == before
    else:
        assert stored() != before
    assert set(Tag.objects.values_list()) == fixed
    assert storage().blob_size(place.world.own.layer)


def test_every_write_of_the_specification_has_a_row() -> None:
    methods = {
        (method, route.pattern.pattern.partition("/(")[0] + route.pattern.pattern[10:17])
        for route in ROUTES
        for method in route.operations
        if method not in ("GET", "HEAD")
    }
    assert len(methods) == len(
        {"POST upload", "PATCH", "PUT upload", "DELETE upload"}
        | {"PUT new tag", "DELETE tag", "DELETE blob"}
    )


def test_every_write_of_the_api_to_what_is_stored_has_a_row() -> None:
    """Those of these addresses that can lead to a repository's content."""
    names: set[Any] = {pattern.name for pattern in api_urls if "repository" in str(pattern.pattern)}
    assert names == {
        *("tags", "tag-changes", "image", "referrer-tree", "comparison", "layer-content"),
        *("image-content", "grants", "grant", "repository-limits"),  # which delete nothing
        *("deletion-preview", "deletions", "repository"),
        *("undo", "tag-rollback"),  # limited as tests/repositories/test_undo.py says
        *("retention", "retention-preview"),  # it is applied later: test_retention.py there
    }


def test_what_is_refused_says_why_in_the_pages_too(place: Place, settings: Settings) -> None:
    limit("immutable", settings)
    said = place.client.post(f"{PAGE}/delete-tags", {"tag": ["1"]}).content.decode()
    assert "The tag 1 is immutable." in said
    assert "immutable" in place.client.get(f"{PAGE}/").content.decode()
    assert "The tag 1 is immutable." in place.client.get(f"{PAGE}/delete").content.decode()
    limit("archived", settings)
    for address in (f"{PAGE}/", f"{PAGE}/delete", f"{PAGE}/settings"):
        said = place.client.get(address).content.decode()
        assert "This repository is archived: pulls go on." in said
        assert "formaction" not in said
    limit("switch", settings)
    said = place.client.get(f"{PAGE}/").content.decode()
    assert "Administrators can switch this off." in said
