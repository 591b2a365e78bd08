"""end-3 and end-9: manifests pulled, negotiated, deleted."""

import pytest
from pytest_django import Settings

from repositories import pulls
from repositories.access import Principal
from repositories.manifests import PushedManifest
from repositories.models import Manifest, Pull, Tag
from repositories.oci import media_types
from repositories.oci.digests import Digest
from tests.api.doors import Caller
from tests.oci.documents import descriptor, encode, image, index
from tests.repositories.content import APP, described, push_document, push_image

PAYLOAD = encode(image(b"layer"))
DIGEST = str(Digest.of(PAYLOAD))
MANIFESTS = f"/v2/{APP}/manifests"
ABSENT = f"sha256:{'0' * 64}"


@pytest.fixture
def pushed(writer: Principal) -> PushedManifest:
    """An image that two tags name."""
    return push_image(writer, b"layer", tags=["latest", "v1"])


@pytest.mark.usefixtures("pushed")
class TestGet:
    def test_a_get_is_a_pull_and_nothing_else_is(
        self, call: Caller, reader: Principal, stranger: Principal
    ) -> None:
        etag = {"If-None-Match": f'"{DIGEST}"'}
        for method, reference, by, headers in (
            ("HEAD", "latest", reader, {}),
            ("GET", "absent", reader, {}),
            ("GET", "latest", stranger, {}),
            ("GET", "latest", reader, etag),
            ("GET", "latest", reader, {"Accept": "text/html"}),
        ):
            call(method, f"{MANIFESTS}/{reference}", by=by, headers=headers)
        pulls.flush()
        assert not Pull.objects.exists()
        for reference in ("latest", "latest", DIGEST):
            assert call("GET", f"{MANIFESTS}/{reference}", by=reader).status == 200
        pulls.flush()
        rows = Pull.objects.order_by("tag").values_list("tag", "digest", "pulled_by", "count")
        assert list(rows) == [("", DIGEST, "reader", 1), ("latest", DIGEST, "reader", 2)]
        assert Manifest.objects.get().pull_count == 3

    @pytest.mark.parametrize("reference", ["latest", DIGEST])
    def test_it_comes_as_it_was_pushed(
        self, reference: str, call: Caller, reader: Principal
    ) -> None:
        answer = call("GET", f"{MANIFESTS}/{reference}", by=reader)

        assert (answer.status, answer.body) == (200, PAYLOAD)
        assert answer.headers["Content-Type"] == media_types.OCI_MANIFEST
        assert answer.headers["Docker-Content-Digest"] == DIGEST
        assert answer.headers["ETag"] == f'"{DIGEST}"'

    @pytest.mark.parametrize("reference", ["latest", DIGEST, "absent", ABSENT, "sha256:x", "-x"])
    def test_head_is_get_without_the_body(
        self, reference: str, call: Caller, reader: Principal
    ) -> None:
        get = call("GET", f"{MANIFESTS}/{reference}", by=reader)
        head = call("HEAD", f"{MANIFESTS}/{reference}", by=reader)

        assert (head.status, dict(head.headers)) == (get.status, dict(get.headers))
        assert head.headers["Content-Length"] == str(len(get.body))

    @pytest.mark.parametrize("reference", ["absent", ABSENT, "-x", "x" * 129, "%d0%b0"])
    def test_what_is_not_there_is_unknown(
        self, reference: str, call: Caller, reader: Principal
    ) -> None:
        answer = call("GET", f"{MANIFESTS}/{reference}", by=reader)

        assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")

    @pytest.mark.parametrize(
        "reference", ["sha256:x", "md5:abc", DIGEST.upper(), DIGEST + "0", DIGEST + "%0a", ":"]
    )
    def test_what_is_no_digest_is_said_to_be_none(
        self, reference: str, call: Caller, reader: Principal
    ) -> None:
        answer = call("GET", f"{MANIFESTS}/{reference}", by=reader)

        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")

    def test_a_repository_that_does_not_exist_is_unknown(
        self, call: Caller, reader: Principal
    ) -> None:
        answer = call("GET", f"/v2/payments/absent/manifests/{DIGEST}", by=reader)

        assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")

    @pytest.mark.parametrize(
        "accept", [media_types.OCI_MANIFEST, "*/*", "application/*;q=0.1", None, ""]
    )
    def test_a_tag_is_served_as_a_type_that_the_client_accepts(
        self, accept: str | None, call: Caller, reader: Principal
    ) -> None:
        headers = {} if accept is None else {"Accept": accept}

        assert call("GET", f"{MANIFESTS}/latest", by=reader, headers=headers).status == 200

    @pytest.mark.parametrize(
        "accept", [media_types.OCI_INDEX, "text/html", "*/*;q=0", f"{media_types.OCI_MANIFEST};q=0"]
    )
    def test_a_tag_is_not_served_as_a_type_that_the_client_does_not_accept(
        self, accept: str, call: Caller, reader: Principal
    ) -> None:
        headers = {"Accept": accept}
        answer = call("GET", f"{MANIFESTS}/latest", by=reader, headers=headers)

        assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")
        assert media_types.OCI_MANIFEST in answer.message
        # By digest there is nothing else that could be meant.
        assert call("GET", f"{MANIFESTS}/{DIGEST}", by=reader, headers=headers).status == 200

    @pytest.mark.parametrize(
        "condition", [f'"{DIGEST}"', DIGEST, f'W/"{DIGEST}"', f'"x", "{DIGEST}"', "*"]
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_what_the_client_has_already_is_not_sent_again(
        self, condition: str, method: str, call: Caller, reader: Principal
    ) -> None:
        headers = {"If-None-Match": condition}
        answer = call(method, f"{MANIFESTS}/latest", by=reader, headers=headers)

        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == f'"{DIGEST}"'
        assert answer.headers["Docker-Content-Digest"] == DIGEST

    @pytest.mark.parametrize("condition", ["", '""', f'"{ABSENT}"', DIGEST[:-1], DIGEST + "0"])
    def test_what_the_client_has_not_is_sent(
        self, condition: str, call: Caller, reader: Principal
    ) -> None:
        headers = {"If-None-Match": condition}

        assert call("GET", f"{MANIFESTS}/latest", by=reader, headers=headers).body == PAYLOAD

    def test_what_has_moved_meanwhile_is_sent(
        self, call: Caller, reader: Principal, writer: Principal
    ) -> None:
        push_image(writer, b"newer", tags=["latest"])
        headers = {"If-None-Match": f'"{DIGEST}"'}

        assert call("GET", f"{MANIFESTS}/latest", by=reader, headers=headers).status == 200


class TestDelete:
    def test_a_deleted_tag_leaves_manifest_and_sibling(
        self, call: Caller, maintainer: Principal, pushed: PushedManifest
    ) -> None:
        answer = call("DELETE", f"{MANIFESTS}/latest", by=maintainer)

        assert (answer.status, answer.body) == (202, b"")
        assert call("GET", f"{MANIFESTS}/latest", by=maintainer).code == "MANIFEST_UNKNOWN"
        assert call("GET", f"{MANIFESTS}/v1", by=maintainer).status == 200
        assert call("GET", f"{MANIFESTS}/{DIGEST}", by=maintainer).status == 200

    def test_a_deleted_manifest_takes_its_tags_along(
        self, call: Caller, maintainer: Principal, pushed: PushedManifest
    ) -> None:
        answer = call("DELETE", f"{MANIFESTS}/{DIGEST}", by=maintainer)

        assert (answer.status, answer.body) == (202, b"")
        assert "Warning" not in answer.headers
        for reference in ("latest", "v1", DIGEST):
            answer = call("GET", f"{MANIFESTS}/{reference}", by=maintainer)
            assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")

    def test_a_deleted_index_says_what_becomes_of_its_children(
        self, call: Caller, maintainer: Principal, pushed: PushedManifest
    ) -> None:
        parent = push_document(maintainer, index(described(pushed)))
        answer = call("DELETE", f"{MANIFESTS}/{parent.digest}", by=maintainer)

        assert answer.status == 202
        assert answer.headers["Warning"].startswith('299 - "1 manifests')
        assert call("GET", f"{MANIFESTS}/{DIGEST}", by=maintainer).status == 200

    @pytest.mark.parametrize(
        ("reference", "status", "code"),
        [
            ("absent", 404, "MANIFEST_UNKNOWN"),
            (ABSENT, 404, "MANIFEST_UNKNOWN"),
            ("sha256:x", 400, "DIGEST_INVALID"),
            (".x", 404, "MANIFEST_UNKNOWN"),
        ],
    )
    def test_what_is_not_there_cannot_be_deleted(
        self,
        reference: str,
        status: int,
        code: str,
        call: Caller,
        maintainer: Principal,
        pushed: PushedManifest,
    ) -> None:
        answer = call("DELETE", f"{MANIFESTS}/{reference}", by=maintainer)

        assert (answer.status, answer.code) == (status, code)

    @pytest.mark.parametrize("reference", ["latest", DIGEST])
    def test_where_deletes_are_switched_off_nothing_is_deleted(
        self,
        reference: str,
        call: Caller,
        administrator: Principal,
        pushed: PushedManifest,
        settings: Settings,
    ) -> None:
        """S6: by tag as well."""
        settings.DELETE_ENABLED = False
        answer = call("DELETE", f"{MANIFESTS}/{reference}", by=administrator)

        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert "REGISTRY_STORAGE_DELETE_ENABLED" in answer.message
        assert (Manifest.objects.count(), Tag.objects.count()) == (1, 2)


def test_an_index_is_served_with_its_type(call: Caller, writer: Principal) -> None:
    child = descriptor(b"absent", media_types.DOCKER_MANIFEST)
    push_document(writer, index(child, mediaType=media_types.DOCKER_LIST), tags=["multi"])
    answer = call("GET", f"{MANIFESTS}/multi", by=writer)

    assert answer.headers["Content-Type"] == media_types.DOCKER_LIST
