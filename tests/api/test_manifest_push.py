"""end-7: manifests pushed, under one tag or many, and the limits."""

import io

import pytest
from pytest_django import Settings

from api.v2.manifests import MAX_TAGS
from repositories.access import Principal
from repositories.models import Manifest, Tag
from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.oci.manifests import MAX_BYTES
from tests.api.doors import HOST, Answer, Caller
from tests.oci.documents import CONFIG, descriptor, encode, image
from tests.repositories.content import APP, push_blob

PAYLOAD = encode(image(b"layer"))
DIGEST = str(Digest.of(PAYLOAD))
MANIFESTS = f"/v2/{APP}/manifests"


@pytest.fixture
def put(call: Caller, writer: Principal) -> "Put":
    """Pushes a manifest to a repository that has its blobs."""
    push_blob(writer, CONFIG)
    push_blob(writer, b"layer")
    return Put(call, writer)


class Put:
    def __init__(self, call: Caller, writer: Principal) -> None:
        self._call = call
        self._writer = writer

    def __call__(
        self,
        reference: str,
        payload: bytes = PAYLOAD,
        *,
        content_type: str = media_types.OCI_MANIFEST,
        **options: object,
    ) -> Answer:
        headers = {"Content-Type": content_type}
        target = f"{MANIFESTS}/{reference}"
        return self._call("PUT", target, payload, by=self._writer, headers=headers, **options)


def tags() -> list[str]:
    return list(Tag.objects.order_by("name").values_list("name", flat=True))


def test_a_manifest_pushed_by_tag_is_there(put: Put) -> None:
    answer = put("v1")

    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["Location"] == f"http://{HOST}{MANIFESTS}/{DIGEST}"
    assert answer.headers["Docker-Content-Digest"] == DIGEST
    assert "OCI-Subject" not in answer.headers
    assert "OCI-Tag" not in answer.headers
    assert tags() == ["v1"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_pushed_by_digest_is_there_without_a_tag(put: Put, algorithm: str) -> None:
    digest = str(Digest.of(PAYLOAD, algorithm))
    answer = put(digest)

    assert answer.status == 201
    assert answer.headers["Location"].endswith(f"/manifests/{digest}")
    assert answer.headers["Docker-Content-Digest"] == digest
    assert tags() == []


def test_the_subject_is_acknowledged_whether_it_is_here_or_not(put: Put) -> None:
    subject = descriptor(b"absent", media_types.OCI_MANIFEST)
    answer = put("v1", encode(image(b"layer", subject=subject)))

    assert (answer.status, answer.headers["OCI-Subject"]) == (201, subject["digest"])


def test_a_digest_can_be_pushed_under_several_tags_at_once(put: Put) -> None:
    answer = put(f"{DIGEST}?tag=v1&tag=latest&tag=v1")

    assert answer.status == 201
    assert answer.headers["OCI-Tag"] == "v1, latest"
    assert tags() == ["latest", "v1"]


def test_a_tag_can_be_pushed_with_others(put: Put) -> None:
    assert put("v1?tag=latest").status == 201
    assert tags() == ["latest", "v1"]


def test_thirty_two_tags_are_taken_and_no_more(put: Put) -> None:
    names = [f"v{number}" for number in range(MAX_TAGS + 1)]
    too_many = put(f"{DIGEST}?" + "&".join(f"tag={name}" for name in names))
    assert (too_many.status, too_many.code) == (414, "TAG_INVALID")
    assert tags() == []

    enough = put(f"{DIGEST}?" + "&".join(f"tag={name}" for name in names[:MAX_TAGS]))
    assert MAX_TAGS == 32
    assert enough.status == 201
    assert len(tags()) == 32


@pytest.mark.parametrize(
    "reference", [f"{DIGEST}?tag=.x", f"{DIGEST}?tag=", f"v1?tag={DIGEST}", "-x", "x" * 129, "a%0a"]
)
def test_one_tag_that_is_none_refuses_them_all(put: Put, reference: str) -> None:
    answer = put(reference)

    assert (answer.status, answer.code) == (400, "TAG_INVALID")
    assert not Manifest.objects.exists()


def test_a_digest_that_is_not_that_of_the_manifest_is_refused(put: Put) -> None:
    answer = put(DIGEST, PAYLOAD + b"\n")

    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert str(Digest.of(PAYLOAD + b"\n")) in answer.message


def test_missing_blobs_are_named(put: Put) -> None:
    answer = put("v1", encode(image(b"absent")))

    assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert answer.json()["errors"][0]["detail"] == [{"digest": str(Digest.of(b"absent"))}]


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [
        (b"", media_types.OCI_MANIFEST),
        (b"{}", media_types.OCI_MANIFEST),
        (PAYLOAD[:-1], media_types.OCI_MANIFEST),
        (PAYLOAD, media_types.OCI_INDEX),
        (PAYLOAD, "text/html"),
        (PAYLOAD, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
    ],
)
def test_what_is_no_manifest_of_its_type_is_refused(
    put: Put, payload: bytes, content_type: str
) -> None:
    answer = put("v1", payload, content_type=content_type)

    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert not Manifest.objects.exists()


def test_a_chunked_body_is_read(put: Put) -> None:
    """Django's own `request.body` is empty for it."""
    assert put("v1", chunked=True).headers["Docker-Content-Digest"] == DIGEST


def padded(size: int) -> bytes:
    """A manifest of exactly so many bytes."""
    bare = encode(image(b"layer", annotations={"padding": ""}))
    return bare.replace(b'"padding": ""', b'"padding": "%s"' % (b"x" * (size - len(bare))))


@pytest.mark.parametrize("chunked", [False, True])
def test_four_mebibytes_are_taken(put: Put, chunked: bool) -> None:
    assert MAX_BYTES == 4 * 1024 * 1024
    assert put("v1", padded(MAX_BYTES), chunked=chunked).status == 201


@pytest.mark.parametrize("chunked", [False, True])
def test_one_byte_more_is_too_large(put: Put, chunked: bool) -> None:
    answer = put("v1", padded(MAX_BYTES + 1), chunked=chunked)

    assert (answer.status, answer.code) == (413, "MANIFEST_INVALID")
    assert not Manifest.objects.exists()


class Endless(io.RawIOBase):
    """A body that never ends, and counts what was read of it."""

    count = 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0
        self.count += size
        return b" " * size


def test_of_an_endless_body_no_more_than_the_limit_is_read(call: Caller, writer: Principal) -> None:
    """S19."""
    endless = Endless()
    target = f"{MANIFESTS}/v1"
    answer = call("PUT", target, endless, by=writer, chunked=True)  # type: ignore[arg-type]

    assert answer.status == 413
    assert endless.count <= MAX_BYTES + 512 * 1024


def test_a_length_over_the_limit_is_refused_before_anything_is_read(
    call: Caller, writer: Principal
) -> None:
    endless = Endless()
    target = f"{MANIFESTS}/v1"
    answer = call("PUT", target, endless, by=writer, length=10**18)  # type: ignore[arg-type]

    assert answer.status == 413
    assert endless.count == 0


def test_a_body_shorter_than_announced_is_refused(put: Put) -> None:
    """The server raises nothing when a client goes away."""
    answer = put("v1", length=len(PAYLOAD) + 1)

    assert (answer.status, answer.code) == (400, "SIZE_INVALID")
    assert not Manifest.objects.exists()


@pytest.mark.parametrize("length", ["-1", "+5", "1_0", "0x10", "5.0", " ", "9" * 30, "\xb2"])
def test_a_length_that_is_no_number_is_refused(
    length: str, call: Caller, writer: Principal
) -> None:
    target = f"{MANIFESTS}/v1"
    answer = call("PUT", target, PAYLOAD, by=writer, CONTENT_LENGTH=length)

    assert (answer.status, answer.code) == (400, "UNSUPPORTED")


def test_in_open_mode_the_first_push_makes_a_public_repository(
    call: Caller, settings: Settings
) -> None:
    settings.OPEN_ACCESS = True
    payload = encode({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": []})

    assert call("PUT", "/v2/hello-world/manifests/latest", payload).status == 201
    assert Manifest.objects.get().repository.visibility == "public"
