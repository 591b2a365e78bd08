"""Undo: what a delete took comes back as it was, whole or not at all."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent, Membership, Team, User
from repositories import (
    blobs,
    deleted,
    deletion,
    garbage,
    limit_settings,
    manifests,
    referrers,
    tags,
    trash,
    undo,
    uploads,
)
from repositories.access import Principal
from repositories.database import execute, fetch
from repositories.manifests import PushedManifest
from repositories.models import (
    Blob,
    BlobLink,
    DeletedManifest,
    Deletion,
    Manifest,
    ManifestBlob,
    ManifestChild,
    Repository,
    RepositoryGrant,
    RepositoryLimits,
    Tag,
    TagChange,
)
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown, ManifestUnknown, QuotaExceeded, ReadOnly
from repositories.storage import storage
from repositories.storage.filesystem import FilesystemStorage
from repositories.trash import Tally
from repositories.undo import CannotUndo, Undone
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, described, push_blob, push_document, push_image
from tests.repositories.scrubbing import flip, repair
from tests.repositories.test_garbage import pass_time

pytestmark = pytest.mark.django_db

NOW = timedelta(0)
DAY = timedelta(days=1)
OTHER = "payments/other"
VOLATILE = {"id", "repository_id", "manifest_id", "parent_id", "link_id"}


def contents() -> dict[str, object]:
    """What pulls and lists are answered from, but for ids."""
    return {
        "manifests": sorted(
            (
                row.repository.name,
                row.digest,
                row.media_type,
                bytes(row.payload),
                row.subject,
                row.artifact_type,
                row.referrer,
                row.pushed_at,
                row.pushed_by,
                row.pull_count,
            )
            for row in Manifest.objects.select_related("repository")
        ),
        "parts": sorted(
            ManifestBlob.objects.values_list(
                "manifest__digest",
                "link__blob__digest",
                "link__repository__name",
                "role",
                "position",
            )
        ),
        "entries": sorted(
            ManifestChild.objects.values_list("parent__digest", "digest", "position")
        ),
        "tags": sorted(
            Tag.objects.values_list(
                "name", "manifest__digest", "created_at", "pushed_at", "pull_count"
            )
        ),
    }


def undo_last(principal: Principal, **fields: Any) -> Undone:
    record = Deletion.objects.filter(repository__name=APP).latest("pk")
    return undo.undo(principal=principal, repository=APP, deletion=record.pk, **fields)


def collect() -> None:
    garbage.collect(grace=NOW, insist=True)
    trash.purge(grace=NOW)


def can_pull(digest: Digest) -> bool:
    """Whether everything that an image is made of is served."""
    read = manifests.read(repository=APP, reference=str(digest))
    parts = ManifestBlob.objects.filter(manifest=read.id)
    for text in parts.values_list("link__blob__digest", flat=True):
        found = blobs.find(repository=APP, digest=Digest.parse(text))
        with storage().open_blob(found.digest) as file:
            assert Digest.of(file.read()) == found.digest
    return True


def fill(principal: Principal) -> tuple[PushedManifest, PushedManifest, PushedManifest]:
    """An index of two images, one of them signed."""
    one, two = push_image(principal, b"one", b"shared"), push_image(principal, b"two", b"shared")
    index = push_document(
        principal, documents.index(described(one), described(two)), tags=["multi"]
    )
    push_image(principal, b"signature", subject=described(one), artifactType="text/x")
    Manifest.objects.update(pull_count=7)
    Tag.objects.update(pull_count=5)
    return one, two, index


def by_tag(principal: Principal, index: PushedManifest) -> None:
    tags.delete(principal=principal, repository=APP, name="multi")


def by_digest(principal: Principal, index: PushedManifest) -> None:
    manifests.delete(principal=principal, repository=APP, digest=index.digest)


def with_all(principal: Principal, index: PushedManifest) -> None:
    deletion.delete(principal=principal, repository=APP, names=["multi"])


def tags_alone(principal: Principal, index: PushedManifest) -> None:
    deletion.delete_tags(principal=principal, repository=APP, names=["multi", "absent"])


@pytest.mark.parametrize("delete", [by_tag, by_digest, with_all, tags_alone])
def test_what_was_deleted_comes_back_as_it_was(
    delete: Callable[[Principal, PushedManifest], None], maintainer: Principal
) -> None:
    one, _, index = fill(maintainer)
    before = contents()
    delete(maintainer, index)
    assert contents() != before
    assert Deletion.objects.count() == 1
    done = undo_last(maintainer)

    assert contents() == before
    assert (done.repository, done.tags, done.left) == (APP, ("multi",), ())
    assert can_pull(one.digest)
    assert can_pull(index.digest)
    assert len(referrers.listing(repository=APP, subject=one.digest).entries) == 1
    assert not Deletion.objects.exists()
    collect()
    assert contents() == before
    last = TagChange.objects.filter(name="multi").latest("pk")
    assert (last.digest, last.changed_by) == (str(index.digest), "maintainer")
    event = AuditEvent.objects.get(action="deletion.undo")
    assert (event.actor, event.target) == ("maintainer", APP)


def test_many_deletes_at_once_are_one_record(maintainer: Principal) -> None:
    for number in range(5):
        push_image(maintainer, b"%d" % number, tags=[f"v{number}"])
    before = contents()
    names = [f"v{number}" for number in range(5)]
    done = deletion.delete(principal=maintainer, repository=APP, names=names)

    listed = undo.of_repository(principal=maintainer, repository=APP).get()
    assert listed.pk == done.deletion
    assert (listed.tags_count, listed.manifests_count) == (5, 5)  # type: ignore[attr-defined]
    assert undo_last(maintainer).manifests == 5
    assert contents() == before


def test_a_repository_comes_back_with_its_settings_and_what_was_deleted_before(
    maintainer: Principal, team: Team
) -> None:
    one, _, _ = fill(maintainer)
    row = Repository.objects.get(name=APP)
    Repository.objects.filter(pk=row.pk).update(
        description="# Of ours", visibility="internal", pull_count=9
    )
    guest, leaving = (User.objects.create_user(name) for name in ("guest", "leaving"))
    for user in (guest, leaving):
        RepositoryGrant.objects.create(repository=row, user=user, role=20)
    push_image(maintainer, b"early", tags=["early"])
    everything = contents()
    deletion.delete(principal=maintainer, repository=APP, names=["early"])
    before = contents()
    done = deletion.delete_repository(principal=maintainer, repository=APP)
    leaving.delete()
    assert not BlobLink.objects.exists()
    listed = undo.of_team(principal=maintainer, team=team.name).get()
    assert (listed.pk, listed.name, listed.tags_count) == (  # type: ignore[attr-defined]
        done.deletion,
        APP,
        1,
    )
    undo.undo_repository(principal=maintainer, team=team.name, deletion=listed.pk)

    assert contents() == before
    assert can_pull(one.digest)
    again = Repository.objects.get(name=APP)
    assert (again.description, again.visibility, again.pull_count, again.created_at) == (
        "# Of ours",
        "internal",
        9,
        row.created_at,
    )
    assert list(again.grants.values_list("user__username", "role")) == [("guest", 20)]
    undo_last(maintainer)
    assert contents() == everything
    collect()
    assert contents() == everything


def test_what_the_collector_removed_without_a_tag_comes_back(
    maintainer: Principal, settings: Settings
) -> None:
    settings.GARBAGE_UNTAGGED = 1
    push_image(maintainer, b"tagged", tags=["v1"])
    one = push_image(maintainer, b"one")
    push_document(maintainer, documents.index(described(one)))
    pass_time(1.1)
    before = contents()
    assert garbage.collect(grace=DAY).manifests == 2
    assert garbage.collect(grace=DAY, insist=True) == Tally()
    record = Deletion.objects.get()
    assert (record.kind, record.deleted_by) == ("untagged", "garbage collection")
    assert undo_last(maintainer).manifests == 2
    assert contents() == before
    garbage.collect(grace=DAY, insist=True)
    assert contents() == before


def test_a_tag_that_was_pushed_anew_stays_and_the_rest_comes_back(maintainer: Principal) -> None:
    push_image(maintainer, b"one", tags=["v1"])
    push_image(maintainer, b"two", tags=["v2"])
    deletion.delete(principal=maintainer, repository=APP, names=["v1", "v2"])
    new = push_image(maintainer, b"new", tags=["v1"])
    before = contents()
    with pytest.raises(CannotUndo, match="v1") as refused:
        undo_last(maintainer)

    assert contents() == before
    assert (refused.value.moved, refused.value.missing) == (("v1",), ())
    assert refused.value.can_rest
    done = undo_last(maintainer, rest=True)
    assert (done.tags, done.left, done.manifests) == (("v2",), ("v1",), 2)
    assert manifests.read(repository=APP, reference="v1").digest == str(new.digest)


def test_a_tag_that_names_the_same_again_is_no_obstacle(maintainer: Principal) -> None:
    pushed = push_image(maintainer, b"one", tags=["v1", "v2"])
    deletion.delete(principal=maintainer, repository=APP, names=["v1", "v2"])
    push_image(maintainer, b"one", tags=["v1"])
    assert undo_last(maintainer).tags == ("v2",)
    assert can_pull(pushed.digest)


def test_what_is_gone_is_named_and_nothing_is_done_by_halves(maintainer: Principal) -> None:
    one = push_image(maintainer, b"gone", tags=["v1"])
    push_image(maintainer, b"stays", tags=["v2"])
    push_image(maintainer, b"stays", repository=OTHER)
    deletion.delete(principal=maintainer, repository=APP, names=["v1", "v2"])
    collect()
    before = contents()
    for rest in (False, True):
        with pytest.raises(CannotUndo) as refused:
            undo_last(maintainer, rest=rest)
        assert refused.value.missing == ((str(one.digest), str(Digest.of(b"gone"))),)
        assert str(Digest.of(b"gone")) in " ".join(refused.value.messages)
        assert not refused.value.can_rest
        assert contents() == before
    # Blobs that another repository has kept are linked again.
    push_blob(maintainer, b"gone", repository=OTHER)
    undo_last(maintainer)
    assert can_pull(one.digest)


def test_what_is_made_of_a_damaged_blob_comes_back_once_that_is_pushed_again(
    maintainer: Principal, disk: FilesystemStorage
) -> None:
    one = push_image(maintainer, b"damaged", b"whole", tags=["v1"])
    before = contents()
    digest = Digest.of(b"damaged")
    deletion.delete_tags(principal=maintainer, repository=APP, names=["v1"])
    manifests.delete(principal=maintainer, repository=APP, digest=one.digest)
    flip(disk, digest)
    repair()
    while_deleted = contents()
    with pytest.raises(CannotUndo) as refused:
        undo_last(maintainer)
    assert refused.value.missing == ((str(one.digest), str(digest)),)
    assert contents() == while_deleted

    push_blob(maintainer, b"damaged", repository=OTHER)
    undo_last(maintainer)
    undo_last(maintainer)
    assert contents() == before
    assert can_pull(one.digest)


def test_when_the_grace_is_over_it_says_so_and_what_is_gone(maintainer: Principal) -> None:
    push_image(maintainer, b"gone", tags=["v1"])
    deletion.delete(principal=maintainer, repository=APP, names=["v1"])
    Deletion.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert not undo.of_repository(principal=maintainer, repository=APP).exists()
    with pytest.raises(CannotUndo, match="could be undone until") as refused:
        undo_last(maintainer)
    assert (refused.value.missing, refused.value.can_rest) == ((), False)
    collect()
    with pytest.raises(CannotUndo, match=str(Digest.of(b"gone"))):
        undo_last(maintainer)
    assert deleted.purge() == 1
    assert not DeletedManifest.objects.exists()


def test_records_go_when_their_time_is_over_and_not_before(maintainer: Principal) -> None:
    push_image(maintainer, b"layer", tags=["v1"])
    deletion.delete_repository(principal=maintainer, repository=APP)
    assert deleted.purge() == 0
    assert DeletedManifest.objects.count() == 1
    Deletion.objects.update(until=timezone.now())
    assert deleted.purge() == 1
    assert not DeletedManifest.objects.exists()


def test_without_a_grace_nothing_is_kept(maintainer: Principal, settings: Settings) -> None:
    settings.GARBAGE_GRACE = 0
    push_image(maintainer, b"layer", tags=["v1"])
    assert deletion.delete(principal=maintainer, repository=APP, names=["v1"]).deletion is None
    assert deletion.delete_repository(principal=maintainer, repository=APP).deletion is None
    assert not Deletion.objects.exists()


def test_a_tag_comes_back_whose_manifest_a_later_delete_took(maintainer: Principal) -> None:
    one, _, index = fill(maintainer)
    before = contents()
    tags.delete(principal=maintainer, repository=APP, name="multi")
    first = Deletion.objects.get()
    deletion.delete(principal=maintainer, repository=APP, names=[], digests=[str(index.digest)])
    undo.undo(principal=maintainer, repository=APP, deletion=first.pk)
    assert contents() == before
    assert can_pull(one.digest)
    assert undo_last(maintainer) == Undone(APP, (), 0, ())


def test_a_repository_of_the_name_that_is_there_again_keeps_its_settings(
    maintainer: Principal, team: Team
) -> None:
    push_image(maintainer, b"old", tags=["v1", "old"])
    Repository.objects.update(visibility="public", description="old")
    done = deletion.delete_repository(principal=maintainer, repository=APP)
    push_image(maintainer, b"new", tags=["v1"])
    assert done.deletion
    again = {"principal": maintainer, "team": team.name, "deletion": done.deletion}
    with pytest.raises(CannotUndo, match="again") as refused:
        undo.undo_repository(**again)  # type: ignore[arg-type]
    assert refused.value.can_rest
    back = undo.undo_repository(**again, rest=True)  # type: ignore[arg-type]
    assert (back.tags, back.left) == (("old",), ("v1",))
    row = Repository.objects.get(name=APP)
    assert (row.visibility, row.description) == ("private", "")


def test_the_second_of_two_who_undo_finds_nothing_to_do(maintainer: Principal) -> None:
    push_image(maintainer, b"layer", tags=["v1"])
    done = deletion.delete(principal=maintainer, repository=APP, names=["v1"])
    assert done.deletion
    undo.undo(principal=maintainer, repository=APP, deletion=done.deletion)
    with pytest.raises(Deletion.DoesNotExist):
        undo.undo(principal=maintainer, repository=APP, deletion=done.deletion)


@pytest.mark.parametrize("who", ["reader", "writer"])
def test_only_who_may_delete_sees_and_undoes_it(
    who: str,
    maintainer: Principal,
    stranger: Principal,
    administrator: Principal,
    request: pytest.FixtureRequest,
    team: Team,
) -> None:
    push_image(maintainer, b"layer", tags=["v1"])
    push_image(maintainer, b"layer", repository=OTHER, tags=["v1"])
    id = deletion.delete(principal=maintainer, repository=APP, names=["v1"]).deletion
    whole = deletion.delete_repository(principal=maintainer, repository=OTHER).deletion
    assert id
    assert whole
    principal: Principal = request.getfixturevalue(who)
    for act in (
        lambda who: undo.of_repository(principal=who, repository=APP),
        lambda who: undo.undo(principal=who, repository=APP, deletion=id),
    ):
        with pytest.raises(PermissionDenied):
            act(principal)
        with pytest.raises(Repository.DoesNotExist):
            act(stranger)
    for act in (
        lambda who: undo.of_team(principal=who, team=team.name),
        lambda who: undo.undo_repository(principal=who, team=team.name, deletion=whole),
    ):
        with pytest.raises(PermissionDenied):
            act(principal)
        with pytest.raises(Team.DoesNotExist):
            act(stranger)
    # A record of another repository or team is none here.
    with pytest.raises(Deletion.DoesNotExist):
        undo.undo(principal=maintainer, repository=APP, deletion=whole)
    vault = Team.objects.create(name="vault")
    keeper = User.objects.create_user("keeper")
    Membership.objects.create(team=vault, user=keeper, role=Membership.Role.OWNER)
    with pytest.raises(Deletion.DoesNotExist):
        undo.undo_repository(principal=administrator, team="vault", deletion=whole)
    undo.undo_repository(principal=administrator, team=team.name, deletion=whole)
    undo.undo(principal=administrator, repository=APP, deletion=id)


def test_payloads_of_records_are_served_to_nobody(maintainer: Principal) -> None:
    pushed = push_image(maintainer, b"layer", tags=["v1"])
    deletion.delete(principal=maintainer, repository=APP, names=["v1"])
    for reference in ("v1", str(pushed.digest)):
        with pytest.raises(ManifestUnknown):
            manifests.read(repository=APP, reference=reference)


def test_an_upload_under_way_does_not_come_back(maintainer: Principal, team: Team) -> None:
    push_blob(maintainer, b"of no image")
    uploads.start(principal=maintainer, repository=APP)
    done = deletion.delete_repository(principal=maintainer, repository=APP)
    assert done.deletion
    undo.undo_repository(principal=maintainer, team=team.name, deletion=done.deletion)
    assert Repository.objects.filter(name=APP).exists()
    with pytest.raises(BlobUnknown):
        blobs.find(repository=APP, digest=Digest.of(b"of no image"))


def test_ten_thousand_manifests_come_back_by_bounded_statements(
    maintainer: Principal, team: Team
) -> None:
    push_blob(maintainer, CONFIG)
    push_blob(maintainer, b"layer")
    repository = Repository.objects.get(name=APP)
    rows = []
    for number in range(10_000):
        payload = documents.encode(documents.image(b"layer", annotations={"of": str(number)}))
        rows.append(
            Manifest(
                repository=repository,
                digest=str(Digest.of(payload)),
                media_type="application/vnd.oci.image.manifest.v1+json",
                payload=payload,
            )
        )
    made = Manifest.objects.bulk_create(rows, batch_size=500)
    links = list(BlobLink.objects.order_by("pk"))
    ManifestBlob.objects.bulk_create(
        [
            ManifestBlob(manifest=row, link=link, role="layer", position=position)
            for row in made
            for position, link in enumerate(links)
        ],
        batch_size=500,
    )
    Tag.objects.bulk_create(
        [
            Tag(repository=repository, name=f"t{number}", manifest=row)
            for number, row in enumerate(made)
        ],
        batch_size=500,
    )
    taken_for_empty()
    done = deletion.delete_repository(principal=maintainer, repository=APP)
    assert done.deletion
    with CaptureQueriesContext(connection) as queries:
        back = undo.undo_repository(principal=maintainer, team=team.name, deletion=done.deletion)
    assert (back.manifests, len(back.tags)) == (10_000, 10_000)
    assert (Manifest.objects.count(), Tag.objects.count()) == (10_000, 10_000)
    assert len(queries) < 10_000 / 20 * 5 + 100
    assert rows_read() < 10_000 * 100
    assert Blob.objects.count() == 2


def taken_for_empty() -> None:
    """Have PostgreSQL plan as when it last looked at the tables just before they filled."""
    if connection.vendor == "postgresql":
        execute(
            "UPDATE pg_class SET relpages = 1000, reltuples = 0 "
            "WHERE relkind = 'r' AND relname LIKE 'repositories_%%'",
            [],
        )


def rows_read() -> int:
    """All rows that PostgreSQL read in this transaction; SQLite does not say."""
    if connection.vendor != "postgresql":
        return 0
    rows = fetch(
        "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) "
        "FROM pg_stat_xact_user_tables",
        [],
    )
    return int(rows[0][0])


def test_what_limits_pushes_limits_undoing_too(
    maintainer: Principal, administrator: Principal, team: Team
) -> None:
    push_image(maintainer, b"a layer")
    deletion.delete_repository(principal=maintainer, repository=APP)
    before = sum(BlobLink.objects.values_list("size", flat=True))
    limit_settings.set_team_quota(principal=administrator, team=team.name, quota=before + 3)
    record = Deletion.objects.get()

    def put_back() -> Undone:
        return undo.undo_repository(principal=maintainer, team=team.name, deletion=record.pk)

    with pytest.raises(QuotaExceeded):
        put_back()
    assert not Repository.objects.filter(name=APP).exists()
    limit_settings.set_team_quota(principal=administrator, team=team.name, quota=None)
    limit_settings.set_read_only(principal=administrator, on=True)
    with pytest.raises(ReadOnly):
        put_back()
    limit_settings.set_read_only(principal=administrator, on=False)
    assert put_back().manifests == 1


def test_in_an_archived_repository_nothing_is_undone(
    maintainer: Principal, administrator: Principal
) -> None:
    push_image(maintainer, b"a layer", tags=["v1"])
    deletion.delete(principal=maintainer, repository=APP, names=["v1"])
    limit_settings.set_archived(principal=maintainer, name=APP, archived=True)
    with pytest.raises(ReadOnly):
        undo_last(maintainer)
    limit_settings.set_archived(principal=maintainer, name=APP, archived=False)
    assert undo_last(maintainer).tags == ("v1",)


def test_limits_come_back_with_their_repository(
    maintainer: Principal, administrator: Principal, team: Team
) -> None:
    push_image(maintainer, b"a layer")
    limit_settings.set_immutable_tags(principal=maintainer, name=APP, patterns=["v*"])
    limit_settings.set_repository_quota(principal=administrator, name=APP, quota=10**9)
    deletion.delete_repository(principal=maintainer, repository=APP)
    record = Deletion.objects.get(kind=Deletion.Kind.REPOSITORY)
    undo.undo_repository(principal=maintainer, team=team.name, deletion=record.pk)
    found = RepositoryLimits.objects.get(repository__name=APP)
    assert (found.quota, found.patterns) == (10**9, ["v*"])
