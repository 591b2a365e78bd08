"""end-2 and end-10: blobs pulled, whole and in part, and deleted."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from repositories.access import Principal
from repositories.models import BlobLink, Review
from repositories.oci.digests import Digest
from repositories.storage.base import Storage
from repositories.storage.filesystem import FilesystemStorage
from tests.api.doors import Caller
from tests.repositories.content import APP, push_blob, push_image

CONTENT = bytes(range(256))
DIGEST = Digest.of(CONTENT)
BLOBS = f"/v2/{APP}/blobs"
BLOB = f"{BLOBS}/{DIGEST}"
# Sent from the file itself, and larger than what is sent with one piece.
LARGE = CONTENT * 4096 * 2 + b"end"

PARTS = {
    "bytes=0-0": (0, 0),
    "bytes=0-9": (0, 9),
    "bytes=10-19": (10, 19),
    "bytes=255-255": (255, 255),
    "bytes=0-255": (0, 255),
    "bytes=0-999": (0, 255),
    "bytes=200-": (200, 255),
    "bytes=-1": (255, 255),
    "bytes=-10": (246, 255),
    "bytes=-999": (0, 255),
    "Bytes=0-9": (0, 9),
    "bytes= 0-9 ": (0, 9),
}
VERSIONS = {
    f'"{DIGEST}"': 206,
    f' "{DIGEST}" ': 206,
    f'"{Digest.of(b"other")}"': 200,
    f'W/"{DIGEST}"': 200,
    str(DIGEST): 200,
    "Tue, 24 Nov 2026 00:00:00 GMT": 200,
    "": 200,
}
NO_SINGLE_RANGE = ["", "bytes", "bytes=", "bytes=-", "bytes=5-1", "bytes=a-b", "bytes=0-1,3-4"]
NO_SINGLE_RANGE += ["items=0-1", "bytes=0x0-1", "bytes=+0-1", "bytes=\xb2-3"]
NO_SINGLE_RANGE += ["bytes=0-" + "9" * 100, "bytes=" + "0-," * 999]
OUTSIDE = ["bytes=256-", "bytes=256-300", "bytes=99999999999-", "bytes=-0"]


@pytest.fixture
def blob(writer: Principal) -> Digest:
    return push_blob(writer, CONTENT)


@pytest.mark.usefixtures("blob")
class TestGet:
    def test_it_comes_as_it_was_pushed(self, call: Caller, reader: Principal) -> None:
        answer = call("GET", BLOB, by=reader)

        assert (answer.status, answer.body) == (200, CONTENT)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Docker-Content-Digest"] == str(DIGEST)
        assert answer.headers["ETag"] == f'"{DIGEST}"'
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert "private" in answer.headers["Cache-Control"]

    @pytest.mark.parametrize(
        "asked", [None, "bytes=0-9", "bytes=-1", "bytes=300-", "bytes=5-1", "items=0-1"]
    )
    def test_head_is_get_without_the_body(
        self, asked: str | None, call: Caller, reader: Principal
    ) -> None:
        headers = {} if asked is None else {"Range": asked}
        get = call("GET", BLOB, by=reader, headers=headers)
        head = call("HEAD", BLOB, by=reader, headers=headers)

        assert (head.status, dict(head.headers)) == (get.status, dict(get.headers))
        assert head.headers["Content-Length"] == str(len(get.body))

    def test_a_part_is_sent_as_asked(self, call: Caller, reader: Principal) -> None:
        for asked, (start, end) in PARTS.items():
            answer = call("GET", BLOB, by=reader, headers={"Range": asked})
            assert (asked, answer.status) == (asked, 206)
            assert answer.body == CONTENT[start : end + 1]
            assert answer.headers["Content-Range"] == f"bytes {start}-{end}/256"
            assert answer.headers["Docker-Content-Digest"] == str(DIGEST)

    def test_what_is_no_single_range_of_bytes_is_ignored(
        self, call: Caller, reader: Principal
    ) -> None:
        for asked in NO_SINGLE_RANGE:
            answer = call("GET", BLOB, by=reader, headers={"Range": asked})
            assert (asked, answer.status, answer.body) == (asked, 200, CONTENT)
            assert "Content-Range" not in answer.headers

    def test_a_part_that_is_not_there_is_refused(self, call: Caller, reader: Principal) -> None:
        for asked in OUTSIDE:
            answer = call("GET", BLOB, by=reader, headers={"Range": asked})
            assert (asked, answer.status, answer.code) == (asked, 416, "RANGE_INVALID")
            assert answer.headers["Content-Range"] == "bytes */256"

    def test_a_part_is_sent_only_of_the_version_that_the_client_has(
        self, call: Caller, reader: Principal
    ) -> None:
        for condition, status in VERSIONS.items():
            headers = {"Range": "bytes=0-9", "If-Range": condition}
            answer = call("GET", BLOB, by=reader, headers=headers)
            assert (condition, answer.status) == (condition, status)
            assert len(answer.body) == (10 if status == 206 else 256)

    @pytest.mark.parametrize("condition", [f'"{DIGEST}"', f'W/"{DIGEST}"', "*"])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_what_the_client_has_already_is_not_sent_again(
        self, condition: str, method: str, call: Caller, reader: Principal
    ) -> None:
        headers = {"If-None-Match": condition, "Range": "bytes=0-9"}
        answer = call(method, BLOB, by=reader, headers=headers)

        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == f'"{DIGEST}"'

    @pytest.mark.parametrize(
        ("digest", "status", "code"),
        [
            (Digest.of(b"absent"), 404, "BLOB_UNKNOWN"),
            (Digest.of(CONTENT, "sha512"), 404, "BLOB_UNKNOWN"),
            ("sha256:x", 400, "DIGEST_INVALID"),
            ("x", 400, "DIGEST_INVALID"),
            ("", 400, "DIGEST_INVALID"),
            (f"{DIGEST}%0a", 400, "DIGEST_INVALID"),
            ("sha256:%2e%2e%2f%2e%2e%2fetc", 404, "UNSUPPORTED"),
        ],
    )
    def test_what_is_not_there_is_not_served(
        self, digest: Digest | str, status: int, code: str, call: Caller, administrator: Principal
    ) -> None:
        answer = call("GET", f"{BLOBS}/{digest}", by=administrator)

        assert (answer.status, answer.code) == (status, code)

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_lost_file_is_not_there_so_that_clients_push_it_again(
        self, method: str, call: Caller, reader: Principal, blob_storage: Storage
    ) -> None:
        """A client asks by HEAD before it pushes: told 200, it would never heal the loss."""
        assert isinstance(blob_storage, FilesystemStorage)
        blob_storage.blob_path(DIGEST).unlink()

        assert call(method, BLOB, by=reader).status == 404
        answer = call("GET", BLOB, by=reader)
        assert answer.code == "BLOB_UNKNOWN"
        assert "push it again" in answer.message

    def test_a_file_of_another_size_is_not_there_for_who_is_about_to_push_it(
        self, call: Caller, writer: Principal, blob_storage: Storage
    ) -> None:
        assert isinstance(blob_storage, FilesystemStorage)
        blob_storage.blob_path(DIGEST).write_bytes(CONTENT[:100])
        assert call("HEAD", BLOB, by=writer).status == 404

        push_blob(writer, CONTENT)
        assert call("HEAD", BLOB, by=writer).status == 200
        assert call("GET", BLOB, by=writer).body == CONTENT

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_web_server_in_front_can_be_asked_to_send_it(
        self, method: str, call: Caller, reader: Principal, settings: Settings
    ) -> None:
        settings.ACCEL_REDIRECT = "/_blobs"
        answer = call(method, BLOB, by=reader, headers={"Range": "bytes=0-9"})
        path = f"/_blobs/docker/registry/v2/blobs/sha256/{DIGEST.hex[:2]}/{DIGEST.hex}/data"

        assert answer.headers.get("X-Accel-Redirect") == (path if method == "GET" else None)
        assert answer.headers["Docker-Content-Digest"] == str(DIGEST)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        (None, 0, len(LARGE)),
        ("bytes=1000-", 1000, len(LARGE)),
        ("bytes=5-1500000", 5, 1500001),
        ("bytes=-1234567", len(LARGE) - 1234567, len(LARGE)),
    ],
)
def test_a_large_blob_is_sent_from_its_file(
    asked: str | None, start: int, end: int, call: Caller, writer: Principal
) -> None:
    digest = push_blob(writer, LARGE)
    headers = {} if asked is None else {"Range": asked}

    assert call("GET", f"{BLOBS}/{digest}", by=writer, headers=headers).body == LARGE[start:end]


def test_an_empty_blob_is_served(call: Caller, writer: Principal) -> None:
    digest = push_blob(writer, b"")
    whole = call("GET", f"{BLOBS}/{digest}", by=writer)
    part = call("GET", f"{BLOBS}/{digest}", by=writer, headers={"Range": "bytes=0-0"})

    assert (whole.status, whole.body) == (200, b"")
    assert (part.status, part.headers["Content-Range"]) == (416, "bytes */0")


class TestDelete:
    def test_a_deleted_blob_is_not_served_any_more(
        self, call: Caller, maintainer: Principal, blob: Digest
    ) -> None:
        answer = call("DELETE", BLOB, by=maintainer)

        assert (answer.status, answer.body) == (202, b"")
        for method in ("GET", "DELETE"):
            again = call(method, BLOB, by=maintainer)
            assert (again.status, again.code) == (404, "BLOB_UNKNOWN")

    def test_a_blob_that_a_manifest_needs_is_not_deleted(
        self, call: Caller, maintainer: Principal
    ) -> None:
        pushed = push_image(maintainer, CONTENT)
        answer = call("DELETE", BLOB, by=maintainer)

        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert str(pushed.digest) in answer.message
        assert call("GET", BLOB, by=maintainer).status == 200

    def test_where_deletes_are_switched_off_nothing_is_deleted(
        self, call: Caller, administrator: Principal, blob: Digest, settings: Settings
    ) -> None:
        settings.DELETE_ENABLED = False
        answer = call("DELETE", BLOB, by=administrator)

        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert BlobLink.objects.exists()


@pytest.mark.parametrize(("who", "begins_anew"), [("reader", False), ("writer", True)])
def test_asking_for_a_blob_keeps_it_for_who_may_push(
    call: Caller, who: str, begins_anew: bool, request: pytest.FixtureRequest, writer: Principal
) -> None:
    """A client that is told that a blob is here does not push it before its manifest."""
    push_blob(writer, CONTENT)
    old = timezone.now() - timedelta(days=1)
    Review.objects.update(nominated_at=old)
    assert call("HEAD", BLOB, by=request.getfixturevalue(who)).status == 200
    assert (Review.objects.get().nominated_at > old) is begins_anew


def test_asking_for_a_blob_of_an_image_writes_nothing(call: Caller, writer: Principal) -> None:
    push_image(writer, CONTENT)
    Review.objects.all().delete()
    assert call("HEAD", BLOB, by=writer).status == 200
    assert call("GET", BLOB, by=writer).status == 200
    assert not Review.objects.exists()
