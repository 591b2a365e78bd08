"""Blobs: stored once, served through the repositories that link them, and through no other."""

from typing import Any

import pytest

from accounts.models import Team
from repositories import blobs, limits, manifests
from repositories.access import Principal
from repositories.models import Blob, BlobLink, Repository
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobInUse, BlobUnknown, NameUnknown
from repositories.storage.filesystem import FilesystemStorage
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, push_blob, push_image

pytestmark = pytest.mark.django_db

CONTENT = b"content"
DIGEST = Digest.of(CONTENT)
OTHER = "payments/other"


def links() -> set[str]:
    """The repositories that may serve CONTENT."""
    found = BlobLink.objects.filter(blob__digest=str(DIGEST))
    return set(found.values_list("repository__name", flat=True))


def mount(principal: Principal, repository: str, source: str = "") -> bool:
    return blobs.mount(principal=principal, repository=repository, source=source, digest=DIGEST)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_pushed_blob_is_found_with_its_size(writer: Principal, algorithm: str) -> None:
    digest = push_blob(writer, CONTENT, algorithm=algorithm)

    assert blobs.find(repository=APP, digest=digest)[:2] == (digest, len(CONTENT))


def test_a_blob_is_not_served_through_a_repository_that_does_not_link_it(
    writer: Principal, team: Team
) -> None:
    """I2: knowing a digest gives nobody its bytes."""
    push_blob(writer, CONTENT)
    Repository.objects.create(name=OTHER, team=team)

    with pytest.raises(BlobUnknown):
        blobs.find(repository=OTHER, digest=DIGEST)


def test_in_a_repository_that_does_not_exist_the_name_is_unknown(writer: Principal) -> None:
    push_blob(writer, CONTENT)

    with pytest.raises(NameUnknown):
        blobs.find(repository="payments/absent", digest=DIGEST)


def test_the_same_bytes_are_stored_once_and_linked_from_each_repository(
    writer: Principal, disk: FilesystemStorage
) -> None:
    push_blob(writer, CONTENT)
    inode = disk.blob_path(DIGEST).stat().st_ino
    push_blob(writer, CONTENT)
    push_blob(writer, CONTENT, repository=OTHER)

    assert Blob.objects.count() == 1
    assert links() == {APP, OTHER}
    assert disk.blob_path(DIGEST).stat().st_ino == inode
    assert list(disk.uploads()) == []


@pytest.mark.parametrize("damage", ["lost", "truncated"])
def test_a_blob_whose_bytes_were_lost_is_healed_by_the_next_push(
    damage: str, writer: Principal, disk: FilesystemStorage
) -> None:
    push_blob(writer, CONTENT)
    path = disk.blob_path(DIGEST)
    if damage == "lost":
        path.unlink()
    else:
        path.write_bytes(CONTENT[:3])
    push_blob(writer, CONTENT, repository=OTHER)

    assert path.read_bytes() == CONTENT


def test_an_unlinked_blob_leaves_its_repository_and_no_other(
    writer: Principal, disk: FilesystemStorage
) -> None:
    push_blob(writer, CONTENT)
    push_blob(writer, CONTENT, repository=OTHER)
    blobs.unlink(principal=writer, repository=APP, digest=DIGEST)

    assert links() == {OTHER}
    assert disk.blob_path(DIGEST).exists()
    with pytest.raises(BlobUnknown):
        blobs.find(repository=APP, digest=DIGEST)


def test_a_blob_is_unlinked_once(writer: Principal) -> None:
    push_blob(writer, CONTENT)
    blobs.unlink(principal=writer, repository=APP, digest=DIGEST)

    with pytest.raises(BlobUnknown):
        blobs.unlink(principal=writer, repository=APP, digest=DIGEST)
    with pytest.raises(NameUnknown):
        blobs.unlink(principal=writer, repository="payments/absent", digest=DIGEST)


@pytest.mark.parametrize("content", [CONFIG, CONTENT], ids=["config", "layer"])
def test_a_blob_stays_while_a_manifest_is_made_of_it(writer: Principal, content: bytes) -> None:
    pushed = push_image(writer, CONTENT)
    with pytest.raises(BlobInUse, match=str(pushed.digest)):
        blobs.unlink(principal=writer, repository=APP, digest=Digest.of(content))

    manifests.delete(principal=writer, repository=APP, digest=pushed.digest)
    blobs.unlink(principal=writer, repository=APP, digest=Digest.of(content))


def test_a_manifest_elsewhere_keeps_no_blob_here(writer: Principal) -> None:
    push_image(writer, CONTENT, repository=OTHER)
    push_blob(writer, CONTENT)
    blobs.unlink(principal=writer, repository=APP, digest=DIGEST)

    assert links() == {OTHER}


def test_a_readable_blob_is_mounted(writer: Principal) -> None:
    push_blob(writer, CONTENT)

    assert mount(writer, OTHER, source=APP)
    assert links() == {APP, OTHER}


def test_a_blob_is_mounted_without_a_source_from_wherever_it_can_be_read(
    writer: Principal,
) -> None:
    push_blob(writer, CONTENT)

    assert mount(writer, OTHER)
    assert links() == {APP, OTHER}


def test_mounting_twice_changes_nothing(writer: Principal) -> None:
    push_blob(writer, CONTENT)

    assert mount(writer, OTHER, source=APP)
    assert mount(writer, OTHER, source=APP)
    assert BlobLink.objects.count() == 2


def test_a_repository_that_another_push_makes_meanwhile_is_found(
    writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_blob(writer, CONTENT)
    there = Repository.objects.create(name=OTHER, team=Team.objects.get())
    hold = limits.hold_and_fetch

    def early(*args: Any) -> Any:
        held, rows = hold(*args)
        return held._replace(repository_id=None), rows

    monkeypatch.setattr(limits, "hold_and_fetch", early)
    assert mount(writer, OTHER, APP)
    assert BlobLink.objects.get(repository=there)


@pytest.mark.django_db(transaction=True)
def test_a_team_that_is_gone_by_the_end_of_a_push_is_made_anew(
    writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_blob(writer, CONTENT)
    hold, team_ids = limits.hold_and_fetch, [2**30]

    def early(*args: Any) -> Any:
        held, rows = hold(*args)
        return (held._replace(team_id=team_ids.pop()) if team_ids else held), rows

    monkeypatch.setattr(limits, "hold_and_fetch", early)
    assert mount(writer, OTHER, APP)
    assert BlobLink.objects.get(repository__name=OTHER)
    assert not team_ids


@pytest.mark.parametrize("source", [APP, ""])
def test_a_private_blob_cannot_be_mounted_by_a_stranger(
    source: str, writer: Principal, stranger: Principal
) -> None:
    """S13: the answer is the one for a blob that does not exist."""
    push_blob(writer, CONTENT)

    assert not mount(stranger, "stranger/app", source=source)
    assert not blobs.mount(
        principal=stranger,
        repository="stranger/app",
        source=source,
        digest=Digest.of(b"absent"),
    )
    assert links() == {APP}
    assert not Repository.objects.filter(name="stranger/app").exists()


@pytest.mark.parametrize("visibility", ["internal", "public"])
def test_a_blob_that_everybody_may_read_can_be_mounted_by_a_stranger(
    visibility: str, writer: Principal, stranger: Principal
) -> None:
    push_blob(writer, CONTENT)
    Repository.objects.filter(name=APP).update(visibility=visibility)

    assert mount(stranger, "stranger/app", source=APP)
    assert links() == {APP, "stranger/app"}


def test_a_blob_is_not_mounted_from_where_it_is_not(writer: Principal, team: Team) -> None:
    push_blob(writer, CONTENT)
    Repository.objects.create(name=OTHER, team=team)

    assert not mount(writer, "payments/third", source=OTHER)
    assert not mount(writer, "payments/third", source="payments/absent")


def test_a_blob_whose_only_readable_source_stands_behind_private_ones_is_mounted(
    writer: Principal, stranger: Principal
) -> None:
    for number in range(5):
        push_blob(writer, CONTENT, repository=f"payments/private{number}")
    push_blob(stranger, CONTENT, repository="stranger/mine")

    assert mount(stranger, "stranger/app")
