"""What takes the space in a repository, and how much needs it."""

import pytest

from accounts.models import Team
from repositories import blobs, space
from repositories.access import Principal
from repositories.models import (
    Blob,
    BlobLink,
    Manifest,
    ManifestBlob,
    ManifestChild,
    Repository,
    Tag,
)
from tests.repositories.content import push_blob

pytestmark = pytest.mark.django_db


def link(repository: Repository, size: int) -> BlobLink:
    blob, _ = Blob.objects.get_or_create(digest=f"sha256:{size}", defaults={"size": size})
    return BlobLink.objects.create(repository=repository, blob=blob)


def image(repository: Repository, name: str, *links: BlobLink) -> Manifest:
    manifest = Manifest.objects.create(repository=repository, digest=f"sha256:{name}")
    for position, one in enumerate(links):
        ManifestBlob.objects.create(manifest=manifest, link=one, role="layer", position=position)
    return manifest


def test_a_tag_of_an_index_needs_what_its_images_are_made_of(repository: Repository) -> None:
    base = link(repository, 10)
    child = image(repository, "child", base)
    index = image(repository, "index")
    ManifestChild.objects.create(parent=index, digest=child.digest, position=0)
    for name, manifest in (("multi", index), ("both", child)):
        Tag.objects.create(repository=repository, name=name, manifest=manifest)
    (blob,) = space.largest(repository)
    assert (blob.size, blob.images, blob.tags, blob.has_more) == (10, 1, 2, False)


def test_a_link_has_the_size_of_its_blob(writer: Principal, repository: Repository) -> None:
    small = push_blob(writer, b"small", repository=repository.name)
    large = push_blob(writer, b"much larger", repository="payments/source")
    mounted = blobs.mount(
        principal=writer, repository=repository.name, source="payments/source", digest=large
    )
    assert mounted
    assert [(b.digest, b.size) for b in space.largest(repository)] == [
        (str(large), 11),
        (str(small), 5),
    ]
    blob = Blob.objects.create(digest="sha256:1", size=1)
    BlobLink.objects.bulk_create([BlobLink(repository=repository, blob=blob)])
    assert [b.size for b in space.largest(repository)] == [11, 5, 1]


def test_other_repositories_do_not_count(repository: Repository, team: Team) -> None:
    other = Repository.objects.create(name="payments/other", team=team)
    mine, theirs = link(repository, 10), link(other, 10)
    link(other, 99)
    image(repository, "child", mine)
    foreign = image(other, "child", theirs)
    index = image(other, "index")
    ManifestChild.objects.create(parent=index, digest=foreign.digest, position=0)
    Tag.objects.create(repository=other, name="v1", manifest=index)
    (blob,) = space.largest(repository)
    assert (blob.images, blob.tags) == (1, 0)


def test_counting_ends_somewhere(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "MAX_USES", 2)
    monkeypatch.setattr(space, "MAX_BLOBS", 3)
    links = [link(repository, size) for size in range(1, 6)]
    for name in "abc":
        manifest = image(repository, name, links[4])
        Tag.objects.create(repository=repository, name=name, manifest=manifest)
    image(repository, "d", links[3])
    found = space.largest(repository)
    assert [(b.size, b.images, b.has_more) for b in found] == [
        (5, 2, True),
        (4, 1, False),
        (3, 0, False),
    ]
