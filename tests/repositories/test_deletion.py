"""Deletes: they take what they say, and free to the byte what they promise."""

import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from pytest_django import Settings

from accounts.models import AuditEvent
from repositories import deletion, garbage, manifests, trash, uploads
from repositories.access import Principal
from repositories.manifests import PushedManifest
from repositories.models import (
    BlobLink,
    Manifest,
    Pull,
    Repository,
    Review,
    Tag,
    TagChange,
    Upload,
)
from repositories.oci.digests import Digest
from repositories.oci.errors import NameUnknown
from repositories.previews import Preview
from repositories.storage.filesystem import FilesystemStorage
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, described, push_blob, push_document, push_image
from tests.repositories.test_garbage import on_disk, stored

pytestmark = pytest.mark.django_db

NOW = timedelta(0)
OTHER = "payments/other"


def preview(principal: Principal, *names: str, digests: Sequence[Digest] = ()) -> Preview:
    return deletion.preview(
        principal=principal, repository=APP, names=names, digests=list(map(str, digests))
    )


def delete(principal: Principal, *names: str, digests: Sequence[Digest] = ()) -> Preview:
    return deletion.delete(
        principal=principal, repository=APP, names=names, digests=list(map(str, digests))
    )


def freed() -> int:
    """The bytes that the collector frees now."""
    garbage.collect(grace=NOW, insist=True)
    return trash.purge(grace=NOW).purged_bytes


def here() -> set[str]:
    return set(Manifest.objects.values_list("digest", flat=True))


def test_an_image_goes_with_its_only_tag_and_frees_what_only_it_uses(
    maintainer: Principal,
) -> None:
    push_image(maintainer, b"shared", b"only v1's", tags=["v1"])
    kept = push_image(maintainer, b"shared", tags=["v2"])
    said = preview(maintainer, "v1")

    assert (said.tags, len(said.manifests), said.blobs) == (("v1",), 1, 1)
    assert (said.bytes, said.shared_bytes) == (len(b"only v1's"), len(b"shared" + CONFIG))
    assert delete(maintainer, "v1") == said
    assert freed() == said.bytes
    assert here() == {str(kept.digest)}
    last = TagChange.objects.filter(name="v1").latest("pk")
    assert (last.digest, last.changed_by) == ("", "maintainer")


def test_an_image_with_another_tag_stays(maintainer: Principal) -> None:
    pushed = push_image(maintainer, b"layer", tags=["v1", "v2"])
    said = delete(maintainer, "v1")

    assert (said.tags, said.manifests, said.bytes, freed()) == (("v1",), (), 0, 0)
    assert here() == {str(pushed.digest)}
    assert preview(maintainer, "v1", "v2") == preview(maintainer, "v2")
    assert preview(maintainer, "v2").bytes == len(b"layer" + CONFIG)


def test_an_index_takes_along_what_only_it_lists_and_what_is_attached(
    maintainer: Principal,
) -> None:
    one, two = push_image(maintainer, b"one"), push_image(maintainer, b"two", tags=["two"])
    push_document(maintainer, documents.index(described(one), described(two)), tags=["multi"])
    push_image(maintainer, b"signature", subject=described(one))
    said = delete(maintainer, "multi")

    assert (len(said.manifests), said.children) == (3, 2)
    assert said.bytes == len(b"one" + b"signature") == freed()
    assert here() == {str(two.digest)}


def test_what_another_index_lists_stays(maintainer: Principal) -> None:
    child = push_image(maintainer, b"child")
    push_document(maintainer, documents.index(described(child)), tags=["a"])
    other = documents.index(described(child), annotations={"other": "index"})
    push_document(maintainer, other)
    said = delete(maintainer, "a")

    assert (len(said.manifests), said.children, said.bytes) == (1, 0, 0)
    assert len(here()) == 2


def test_a_tagged_child_of_an_index_that_stays_loses_its_tag_only(maintainer: Principal) -> None:
    child = push_image(maintainer, b"child", tags=["child"])
    push_document(maintainer, documents.index(described(child)), tags=["multi"])
    said = delete(maintainer, "child")
    assert (said.tags, said.manifests) == (("child",), ())


def test_a_manifest_that_is_named_by_digest_goes_with_all_its_tags(maintainer: Principal) -> None:
    pushed = push_image(maintainer, b"layer", tags=["v1", "v2"])
    push_document(maintainer, documents.index(described(pushed)), tags=["multi"])
    said = delete(maintainer, digests=[pushed.digest])

    assert (said.tags, said.manifests) == (("v1", "v2"), (str(pushed.digest),))
    assert set(Tag.objects.values_list("name", flat=True)) == {"multi"}


def test_what_other_repositories_have_is_not_freed(maintainer: Principal) -> None:
    push_image(maintainer, b"layer", tags=["v1"])
    push_image(maintainer, b"layer", repository=OTHER, tags=["v1"])
    said = delete(maintainer, "v1")

    assert (said.blobs, said.bytes, said.shared_bytes) == (0, 0, len(b"layer" + CONFIG))
    assert freed() == 0
    assert BlobLink.objects.filter(repository__name=APP).count() == 0


def test_what_is_not_there_counts_nothing(maintainer: Principal) -> None:
    push_image(maintainer, b"layer", tags=["v1"])
    nothing = Preview((), (), 0, 0, 0, 0)
    assert preview(maintainer, "absent", digests=[Digest.of(b"absent")]) == nothing
    assert delete(maintainer, "absent", digests=[Digest.of(b"absent")]) == nothing


def test_a_repository_goes_with_everything_in_it(
    maintainer: Principal, disk: FilesystemStorage
) -> None:
    image = push_image(maintainer, b"layer", b"shared", tags=["v1"])
    push_document(maintainer, documents.index(described(image)), tags=["multi"])
    push_blob(maintainer, b"of no image")
    uploads.start(principal=maintainer, repository=APP)
    push_image(maintainer, b"shared", repository=OTHER, tags=["v1"])
    said = deletion.preview_repository(principal=maintainer, repository=APP)

    assert (said.tags, len(said.manifests), said.blobs) == (("multi", "v1"), 2, 2)
    assert said.bytes == len(b"layer" + b"of no image")
    assert said.shared_bytes == len(b"shared" + CONFIG)
    assert deletion.delete_repository(principal=maintainer, repository=APP) == said
    with pytest.raises(NameUnknown):
        manifests.read(repository=APP, reference="v1")
    for table in (TagChange, Pull, Upload, Manifest, BlobLink, Tag):
        assert not table.objects.filter(repository__name=APP).exists()
    assert freed() == said.bytes
    assert on_disk(disk) == stored()
    event = AuditEvent.objects.get(action="repository.delete")
    assert (event.actor, event.target) == ("maintainer", APP)
    assert event.detail == {"manifests": 2, "tags": 2, "bytes": said.bytes}
    assert not Review.objects.exists()


@pytest.mark.parametrize("who", ["reader", "writer"])
def test_only_who_may_delete_sees_and_does_it(
    who: str, maintainer: Principal, stranger: Principal, request: pytest.FixtureRequest
) -> None:
    push_image(maintainer, b"layer", tags=["v1"])
    principal: Principal = request.getfixturevalue(who)
    for act in (preview, delete):
        with pytest.raises(PermissionDenied):
            act(principal, "v1")
        with pytest.raises(Repository.DoesNotExist):
            act(stranger, "v1")
    for whole in (deletion.preview_repository, deletion.delete_repository):
        with pytest.raises(PermissionDenied):
            whole(principal=principal, repository=APP)
        with pytest.raises(Repository.DoesNotExist):
            whole(principal=stranger, repository=APP)
    assert Tag.objects.count() == 1


def test_nobody_deletes_where_that_is_switched_off(
    administrator: Principal, settings: Settings
) -> None:
    push_image(administrator, b"layer", tags=["v1"])
    settings.DELETE_ENABLED = False
    with pytest.raises(PermissionDenied, match="REGISTRY_STORAGE_DELETE_ENABLED"):
        delete(administrator, "v1")
    with pytest.raises(PermissionDenied, match="REGISTRY_STORAGE_DELETE_ENABLED"):
        deletion.delete_repository(principal=administrator, repository=APP)
    assert Tag.objects.count() == 1


def fill(principal: Principal, lots: random.Random) -> None:
    """Images of a few shared layers in two repositories, indexes and signatures of them."""
    layers = [lots.randbytes(lots.randrange(1, 60)) for _ in range(8)]
    pushed: list[PushedManifest] = []
    for number in range(10):
        chosen = lots.sample(layers, lots.randrange(1, 4))
        names = [f"v{number}"] if lots.random() < 0.7 else []
        fields: dict[str, Any] = {"annotations": {"number": str(number)}}
        if pushed and lots.random() < 0.3:
            fields["subject"] = described(lots.choice(pushed))
        pushed.append(push_image(principal, *chosen, tags=names, **fields))
        if lots.random() < 0.15:
            push_image(principal, *chosen, repository=OTHER, tags=names, **fields)
    for number in range(3):
        children = [described(child) for child in lots.sample(pushed, 2)]
        index = documents.index(*children, annotations={"number": str(number)})
        push_document(principal, index, tags=[f"i{number}"] if lots.random() < 0.8 else [])


def some(lots: random.Random, rows: Iterable[str], count: int) -> list[str]:
    """So many of the rows, or all."""
    found = sorted(rows)
    return lots.sample(found, min(count, len(found)))


@pytest.mark.parametrize("seed", range(10))
def test_the_bytes_that_are_promised_are_the_bytes_that_are_freed(
    seed: int, maintainer: Principal, disk: FilesystemStorage
) -> None:
    """A hundred random sets in all, of which some free much and some nothing."""
    lots = random.Random(seed)
    fill(maintainer, lots)
    assert freed() == 0
    for _ in range(10):
        tags = Tag.objects.filter(repository__name=APP).values_list("name", flat=True)
        digests = Manifest.objects.filter(repository__name=APP).values_list("digest", flat=True)
        names = some(lots, tags, lots.randrange(3))
        named = [Digest.parse(text) for text in some(lots, digests, lots.randrange(2))]
        said = preview(maintainer, *names, digests=named)
        before = sum(path.stat().st_size for path in disk.root.rglob("data"))
        assert delete(maintainer, *names, digests=named) == said
        assert freed() == said.bytes
        assert before - sum(path.stat().st_size for path in disk.root.rglob("data")) == said.bytes
        assert on_disk(disk) == stored()
    said = deletion.preview_repository(principal=maintainer, repository=APP)
    deletion.delete_repository(principal=maintainer, repository=APP)
    assert freed() == said.bytes
