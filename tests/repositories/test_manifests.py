"""Manifests: stored and served as the exact bytes that were pushed."""

import pytest
from django.db import IntegrityError

from accounts.models import Team
from repositories import manifests, tags
from repositories.access import Principal
from repositories.models import Manifest, ManifestBlob, ManifestChild, Repository, Tag
from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.oci.errors import (
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
)
from tests.oci.documents import CONFIG, CONFIG_TYPE, descriptor, encode, image, index
from tests.repositories.content import APP, described, push_blob, push_document, push_image

pytestmark = pytest.mark.django_db

OTHER = "payments/other"


def push(
    principal: Principal, payload: bytes, *, digest: Digest | None = None, content_type: str = ""
) -> manifests.PushedManifest:
    return manifests.push(
        principal=principal,
        repository=APP,
        digest=digest,
        names=(),
        payload=payload,
        content_type=content_type,
    )


def test_a_manifest_is_read_by_tag_and_by_digest_as_it_was_pushed(writer: Principal) -> None:
    """I4: bytes that no JSON library would write again."""
    push_blob(writer, CONFIG)
    payload = (
        b' {\n\t"layers" :[] , "schemaVersion":2,"x":1.0e1,"\\u0061":"\\u0000",\r\n "config":%s}\n'
    )
    payload %= encode(descriptor(CONFIG, CONFIG_TYPE))
    pushed = manifests.push(
        principal=writer,
        repository=APP,
        digest=None,
        names=["v1"],
        payload=payload,
        content_type=media_types.DOCKER_MANIFEST,
    )

    stored = (str(Digest.of(payload)), media_types.DOCKER_MANIFEST, payload)
    assert pushed == manifests.PushedManifest(Digest.of(payload), "", ("v1",))
    assert manifests.read(repository=APP, reference="v1")[:3] == stored
    assert manifests.read(repository=APP, reference=str(pushed.digest))[:3] == stored


def test_a_manifest_can_be_pushed_by_its_sha512(writer: Principal) -> None:
    push_blob(writer, CONFIG)
    payload = encode(image())
    pushed = push(writer, payload, digest=Digest.of(payload, "sha512"))

    assert pushed.digest.algorithm == "sha512"
    assert manifests.read(repository=APP, reference=str(pushed.digest)).payload == payload
    with pytest.raises(ManifestUnknown):
        manifests.read(repository=APP, reference=str(Digest.of(payload)))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_is_not_stored_under_the_digest_of_another(
    writer: Principal, algorithm: str
) -> None:
    push_blob(writer, CONFIG)
    payload = encode(image())
    with pytest.raises(DigestInvalid) as caught:
        push(writer, payload + b" ", digest=Digest.of(payload, algorithm))

    assert str(Digest.of(payload + b" ", algorithm)) in caught.value.message
    assert not Manifest.objects.exists()


def test_a_manifest_is_not_served_through_another_repository(writer: Principal, team: Team) -> None:
    pushed = push_image(writer, b"layer", tags=["v1"])
    Repository.objects.create(name=OTHER, team=team)

    for reference in ("v1", str(pushed.digest)):
        with pytest.raises(ManifestUnknown):
            manifests.read(repository=OTHER, reference=reference)
        with pytest.raises(NameUnknown):
            manifests.read(repository="payments/absent", reference=reference)


def test_what_an_image_is_made_of_is_written_down_in_order(writer: Principal) -> None:
    push_image(writer, b"one", b"two", b"one")
    rows = ManifestBlob.objects.order_by("position").values_list("role", "link__blob__digest")

    assert list(rows) == [
        ("config", str(Digest.of(CONFIG))),
        ("layer", str(Digest.of(b"one"))),
        ("layer", str(Digest.of(b"two"))),
        ("layer", str(Digest.of(b"one"))),
    ]


def test_an_artifact_whose_only_layer_is_its_empty_config_is_taken(writer: Principal) -> None:
    empty = descriptor(CONFIG, media_types.EMPTY_CONFIG)
    push_blob(writer, CONFIG)
    push_document(writer, image(config=empty, layers=[empty], artifactType="application/x"))

    assert Manifest.objects.get().artifact_type == "application/x"


def test_missing_blobs_are_all_named(writer: Principal) -> None:
    push_blob(writer, b"here")
    with pytest.raises(ManifestBlobUnknown) as caught:
        push_document(writer, image(b"here", b"gone", b"lost"))

    missing = sorted(str(Digest.of(content)) for content in (CONFIG, b"gone", b"lost"))
    assert caught.value.detail == [{"digest": digest} for digest in missing]
    assert all(digest in caught.value.message for digest in missing)
    assert not Manifest.objects.exists()


def test_a_blob_of_another_repository_is_missing(writer: Principal, stranger: Principal) -> None:
    """S13: a manifest gives nobody what they cannot read."""
    push_blob(writer, b"secret", repository=OTHER)
    push_blob(stranger, CONFIG, repository="stranger/app")
    with pytest.raises(ManifestBlobUnknown):
        push_document(stranger, image(b"secret"), repository="stranger/app")


def test_a_nondistributable_layer_need_not_be_here(writer: Principal) -> None:
    push_blob(writer, CONFIG)
    layer = descriptor(b"base", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")
    push_document(writer, image(layers=[layer]))

    assert ManifestBlob.objects.count() == 1


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_size_that_is_not_the_blobs_is_refused(writer: Principal, difference: int) -> None:
    push_blob(writer, CONFIG)
    push_blob(writer, b"layer")
    layer = descriptor(b"layer", size=5 + difference)
    with pytest.raises(ManifestInvalid, match="has 5"):
        push_document(writer, image(layers=[layer]))


def test_one_wrong_size_of_a_blob_that_is_listed_twice_is_refused(writer: Principal) -> None:
    push_blob(writer, CONFIG)
    push_blob(writer, b"layer")
    for layers in ([4, 5], [5, 4]):
        listed = [descriptor(b"layer", size=size) for size in layers]
        with pytest.raises(ManifestInvalid):
            push_document(writer, image(layers=listed))


def test_a_refused_manifest_makes_no_repository(writer: Principal) -> None:
    with pytest.raises(ManifestBlobUnknown):
        push_document(writer, image(b"layer"), tags=["v1"])

    assert not Repository.objects.exists()


def test_an_artifact_type_longer_than_its_column_is_refused(writer: Principal) -> None:
    push_blob(writer, CONFIG)
    with pytest.raises(ManifestInvalid):
        push_document(writer, image(artifactType=f"{'a' * 127}/{'b' * 127}x"))
    push_document(writer, image(artifactType=f"{'a' * 127}/{'b' * 127}"))

    assert len(Manifest.objects.get().artifact_type) == 255


def test_an_index_writes_down_its_children_whether_they_are_here_or_not(
    writer: Principal,
) -> None:
    child = push_image(writer, b"layer")
    absent = descriptor(b"absent", media_types.OCI_MANIFEST)
    push_document(writer, index(described(child), absent), tags=["multi"])
    rows = ManifestChild.objects.order_by("position").values_list("digest", flat=True)

    assert list(rows) == [str(child.digest), absent["digest"]]


def test_indexes_nest(writer: Principal) -> None:
    pushed = push_image(writer, b"layer")
    for _ in range(20):
        pushed = push_document(writer, index(described(pushed, mediaType=media_types.OCI_INDEX)))

    assert Manifest.objects.count() == 21


def test_pushing_the_same_manifest_again_changes_nothing(writer: Principal) -> None:
    first = push_image(writer, b"layer", tags=["v1"])
    row = Manifest.objects.values().get()
    second = push_image(writer, b"layer", tags=["v1"])

    assert first == second
    assert Manifest.objects.values().get() == row
    assert ManifestBlob.objects.count() == 2


def test_one_manifest_in_two_repositories_is_two(writer: Principal) -> None:
    push_image(writer, b"layer", tags=["v1"])
    pushed = push_image(writer, b"layer", repository=OTHER, tags=["v1"])
    manifests.delete(principal=writer, repository=APP, digest=pushed.digest)

    assert manifests.read(repository=OTHER, reference="v1").digest == str(pushed.digest)


def test_who_pushed_is_written_down(writer: Principal, nobody: Principal) -> None:
    push_image(writer, b"layer")
    push_image(nobody, b"layer", repository="hello-world")
    rows = Manifest.objects.order_by("id").values_list("pushed_by", flat=True)

    assert list(rows) == ["writer", ""]


def test_a_deleted_manifest_is_gone_with_its_tags_and_its_blobs_stay(writer: Principal) -> None:
    pushed = push_image(writer, b"layer", tags=["v1", "latest"])
    kept = push_image(writer, b"other", tags=["v2"])

    assert manifests.delete(principal=writer, repository=APP, digest=pushed.digest) == 0
    assert list(Tag.objects.values_list("name", flat=True)) == ["v2"]
    for reference in ("v1", "latest", str(pushed.digest)):
        with pytest.raises(ManifestUnknown):
            manifests.read(repository=APP, reference=reference)
    assert manifests.read(repository=APP, reference="v2").digest == str(kept.digest)
    push_document(writer, image(b"layer"))  # without pushing its blobs again


def test_a_manifest_is_deleted_once(writer: Principal) -> None:
    pushed = push_image(writer, b"layer")
    manifests.delete(principal=writer, repository=APP, digest=pushed.digest)

    with pytest.raises(ManifestUnknown):
        manifests.delete(principal=writer, repository=APP, digest=pushed.digest)
    with pytest.raises(NameUnknown):
        manifests.delete(principal=writer, repository="payments/absent", digest=pushed.digest)


def test_deleting_an_index_leaves_its_children_and_counts_them(writer: Principal) -> None:
    children = [push_image(writer, content) for content in (b"amd64", b"arm64")]
    absent = descriptor(b"absent", media_types.OCI_MANIFEST)
    pushed = push_document(writer, index(absent, *map(described, children)))

    assert manifests.delete(principal=writer, repository=APP, digest=pushed.digest) == 2
    for child in children:
        assert manifests.read(repository=APP, reference=str(child.digest))


def test_deleting_a_child_leaves_its_index(writer: Principal) -> None:
    child = push_image(writer, b"amd64")
    pushed = push_document(writer, index(described(child)))

    assert manifests.delete(principal=writer, repository=APP, digest=child.digest) == 0
    assert manifests.read(repository=APP, reference=str(pushed.digest))


def test_a_push_that_lost_a_race_is_tried_again(
    writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Foreign keys are checked at COMMIT, where a delete may have come in between."""
    for content in (CONFIG, b"layer"):
        push_blob(writer, content)
    insert, failures = manifests._insert, [IntegrityError("a blob link is gone")]

    def unlucky(*args: object) -> tuple[int, tags.Current]:
        if failures:
            raise failures.pop()
        return insert(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(manifests, "_insert", unlucky)
    push_document(writer, image(b"layer"), tags=["v1"])

    assert manifests.read(repository=APP, reference="v1")
