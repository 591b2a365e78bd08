"""S13, S14: knowing a digest or an upload's id opens nothing (zot CVE-2024-39897, Quay
CVE-2026-32589)."""

import json
import uuid

import pytest

from repositories.models import BlobLink
from repositories.oci import media_types
from tests.security.client import bearer, encode_image, send, token_for
from tests.security.conftest import APP, CONFIG, FOREIGN, PRIVATE, World

INSIDERS = ["writer", "maintainer", "owner", "robot", "scoped"]
SECRET = f"the only layer of {PRIVATE}".encode()


def headers_of(world: World, who: str) -> list[str]:
    """The credentials themselves, and a bearer token that was asked for everything."""
    own = world.by(who)
    assert own is not None
    scopes = [f"repository:{name}:pull,push,delete" for name in (APP, PRIVATE, FOREIGN)]
    return [own, bearer(token_for(*scopes, by=own))]


@pytest.mark.parametrize("who", ["stranger", *INSIDERS])
def test_a_private_blob_is_not_read_by_its_digest(world: World, who: str) -> None:
    digest = world.foreign.layer
    for header in headers_of(world, who):
        for name in (APP, PRIVATE, "payments/new", f"{who}/new"):
            for method in ("GET", "HEAD"):
                assert send(method, f"/v2/{name}/blobs/{digest}", by=header).status in (401, 404)


@pytest.mark.parametrize("who", INSIDERS)
def test_a_private_blob_is_not_mounted(world: World, who: str) -> None:
    digest = world.foreign.layer
    for header in headers_of(world, who):
        for source in (f"&from={PRIVATE}", "&from=", "", f"&from={FOREIGN}", f"&from={PRIVATE}/"):
            path = f"/v2/{APP}/blobs/uploads/?mount={digest}{source}"
            answer = send("POST", path, by=header)
            assert answer.status == 202, answer.text
            assert str(digest) not in answer.text
    assert not BlobLink.objects.filter(repository__name=APP, blob__digest=str(digest)).exists()


@pytest.mark.parametrize("who", INSIDERS)
def test_a_manifest_does_not_bring_a_private_blob_along(world: World, who: str) -> None:
    payload = encode_image(CONFIG, SECRET)
    kind = {"Content-Type": media_types.OCI_MANIFEST}
    for header in headers_of(world, who):
        answer = send("PUT", f"/v2/{APP}/manifests/x", payload, by=header, headers=kind)
        assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize("who", INSIDERS)
def test_an_index_does_not_bring_a_private_image_along(world: World, who: str) -> None:
    child = {"mediaType": media_types.OCI_MANIFEST, "digest": str(world.foreign.manifest)}
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX}
    payload = json.dumps(document | {"manifests": [child | {"size": 1}]}).encode()
    kind = {"Content-Type": media_types.OCI_INDEX}
    for header in headers_of(world, who):
        answer = send("PUT", f"/v2/{APP}/manifests/x", payload, by=header, headers=kind)
        assert answer.status in (201, 404), answer.text
        path = f"/v2/{APP}/manifests/{world.foreign.manifest}"
        assert send("GET", path, by=header).status == 404


def test_an_upload_s_id_is_good_in_its_own_repository_only(world: World) -> None:
    begun = send("POST", f"/v2/{PRIVATE}/blobs/uploads/", by=world.by("admin"))
    upload = begun.headers["Docker-Upload-UUID"]
    digest = world.foreign.layer
    for who in (*INSIDERS, "admin"):
        for header in headers_of(world, who):
            path = f"/v2/{APP}/blobs/uploads/{upload}"
            for method, query in (("GET", ""), ("PATCH", ""), ("DELETE", "")):
                assert send(method, path + query, b"x", by=header).status == 404
            assert send("PUT", f"{path}?digest={digest}", SECRET, by=header).status == 404
    state = send("GET", f"/v2/{PRIVATE}/blobs/uploads/{upload}", by=world.by("admin"))
    assert (state.status, state.headers["Range"]) == (204, "0-0")


def test_only_the_canonical_text_of_an_upload_s_id_is_one(world: World) -> None:
    begun = send("POST", f"/v2/{APP}/blobs/uploads/", by=world.by("owner"))
    found = uuid.UUID(begun.headers["Docker-Upload-UUID"])
    canonical = str(found)
    spellings = [canonical.upper(), found.hex, found.urn, f"{{{canonical}}}", f"{canonical} "]
    spellings += [f"{canonical}%00", f"%20{canonical}", canonical.replace("-", ""), str(found.int)]
    for text in spellings:
        if text != canonical:
            path = f"/v2/{APP}/blobs/uploads/{text}"
            assert send("GET", path, by=world.by("owner")).status == 404, text
    assert send("GET", f"/v2/{APP}/blobs/uploads/{found}", by=world.by("owner")).status == 204
