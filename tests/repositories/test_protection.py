"""Immutable tags: made once, then neither moved nor deleted, on whatever way."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from pytest_django import Settings

from accounts.models import AuditEvent, Membership, Team
from repositories import deletion, garbage, limit_settings, manifests, protection, tags
from repositories.access import Principal
from repositories.models import Manifest, Repository, RepositoryLimits, Tag, TagChange
from repositories.oci.errors import ManifestUnknown, TagImmutable
from tests.oci import documents
from tests.repositories.content import APP, described, push_document, push_image

pytestmark = pytest.mark.django_db

NOW = timedelta(0)


def fix(principal: Principal, *patterns: str) -> None:
    limit_settings.set_immutable_tags(principal=principal, name=APP, patterns=patterns)


def everything() -> list[object]:
    rows = (Tag, TagChange, Manifest)
    return [list(model.objects.order_by("pk").values_list()) for model in rows]


def test_an_immutable_tag_is_made_once_and_pushed_again_only_as_it_is(
    maintainer: Principal, repository: Repository
) -> None:
    fix(maintainer, "v*")
    push_image(maintainer, b"one", tags=["v1", "latest"])
    push_image(maintainer, b"one", tags=["v1"])
    before = everything()
    with pytest.raises(TagImmutable) as refused:
        push_image(maintainer, b"two", tags=["latest", "v1", "v2"])
    assert (refused.value.status, refused.value.code) == (403, "DENIED")
    assert refused.value.detail == {"tags": ["v1"]}
    assert everything() == before  # neither the manifest nor the other tags
    push_image(maintainer, b"two", tags=["latest", "v2"])


def test_pushing_it_again_is_noted_and_moves_nothing(
    maintainer: Principal, repository: Repository
) -> None:
    push_image(maintainer, b"one", tags=["v1"])
    fix(maintainer, "v*")
    before = Tag.objects.get()
    push_image(maintainer, b"one", tags=["v1"])
    after = Tag.objects.get()
    assert after.pushed_at > before.pushed_at
    assert (after.pk, after.manifest_id, after.created_at) == (
        *(before.pk, before.manifest_id),
        before.created_at,
    )
    assert TagChange.objects.count() == 1


def test_neither_the_tag_nor_its_image_can_be_deleted(
    maintainer: Principal, repository: Repository
) -> None:
    pushed = push_image(maintainer, b"one", tags=["v1", "latest"])
    fix(maintainer, "v*")
    before = everything()
    with pytest.raises(TagImmutable):
        tags.delete(principal=maintainer, repository=APP, name="v1")
    with pytest.raises(TagImmutable):
        manifests.delete(principal=maintainer, repository=APP, digest=pushed.digest)
    for names, digests in ((["v1"], []), (["latest", "v1"], []), ([], [str(pushed.digest)])):
        with pytest.raises(TagImmutable):
            deletion.delete(principal=maintainer, repository=APP, names=names, digests=digests)
    with pytest.raises(TagImmutable):
        deletion.delete_repository(principal=maintainer, repository=APP)
    assert everything() == before
    with pytest.raises(ManifestUnknown):
        tags.delete(principal=maintainer, repository=APP, name="v2")
    deletion.delete(principal=maintainer, repository=APP, names=["latest"])
    assert Tag.objects.get().name == "v1"


def test_what_an_immutable_index_lists_stays_at_any_depth(
    maintainer: Principal, repository: Repository
) -> None:
    child = push_image(maintainer, b"one")
    inner = push_document(maintainer, documents.index(described(child)))
    push_document(
        maintainer,
        documents.index(described(inner, mediaType=documents.index()["mediaType"])),
        tags=["v1"],
    )
    fix(maintainer, "v*")
    for digest in (child.digest, inner.digest):
        with pytest.raises(TagImmutable):
            manifests.delete(principal=maintainer, repository=APP, digest=digest)
    assert Manifest.objects.count() == 3


def test_what_refers_to_an_immutable_image_may_go(
    maintainer: Principal, repository: Repository
) -> None:
    pushed = push_image(maintainer, b"one", tags=["v1"])
    signature = push_image(maintainer, b"signature", subject=described(pushed))
    fix(maintainer, "v*")
    manifests.delete(principal=maintainer, repository=APP, digest=signature.digest)


def test_a_teams_patterns_hold_in_its_repositories_beside_their_own(
    owner: Principal, maintainer: Principal, repository: Repository
) -> None:
    limit_settings.set_team_immutable_tags(principal=owner, team="payments", patterns=["v*"])
    fix(maintainer, "r*")
    push_image(maintainer, b"one", tags=["v1", "r1", "latest"])
    push_image(maintainer, b"one", repository="payments/other", tags=["v1", "r1"])
    assert protection.protected(APP, ["v1", "r1", "latest", "v2"]) == {"v1", "r1"}
    assert protection.protected("payments/other", ["v1", "r1", "latest"]) == {"v1"}
    assert protection.protected("research/app", ["v1"]) == set()


def test_whoever_changes_the_pattern_first_may_delete(
    maintainer: Principal, repository: Repository
) -> None:
    push_image(maintainer, b"one", tags=["v1"])
    fix(maintainer, "v*")
    fix(maintainer, "release-*")
    deletion.delete_repository(principal=maintainer, repository=APP)
    event = AuditEvent.objects.filter(action="repository.set-immutable-tags").latest("pk")
    assert (event.actor, event.target) == ("maintainer", APP)
    assert event.detail == {"patterns": ["release-*"], "before": ["v*"]}


def test_the_collector_leaves_what_an_immutable_tag_leads_to(
    maintainer: Principal, repository: Repository, settings: Settings
) -> None:
    settings.GARBAGE_UNTAGGED = 1
    child = push_image(maintainer, b"one")
    push_document(maintainer, documents.index(described(child)), tags=["v1"])
    fix(maintainer, "v*")
    Manifest.objects.update(pushed_at="2020-01-01T00:00:00Z")
    garbage.collect(grace=NOW, insist=True)
    assert Manifest.objects.count() == 2


def test_who_may_say_what_is_immutable(
    reader: Principal,
    writer: Principal,
    maintainer: Principal,
    owner: Principal,
    stranger: Principal,
    repository: Repository,
) -> None:
    for principal in (reader, writer):
        with pytest.raises(PermissionDenied):
            fix(principal, "v*")
    with pytest.raises(Repository.DoesNotExist):
        fix(stranger, "v*")
    of_team = limit_settings.set_team_immutable_tags
    for principal in (reader, writer, maintainer):
        with pytest.raises(PermissionDenied):
            of_team(principal=principal, team="payments", patterns=["v*"])
    with pytest.raises(Team.DoesNotExist):
        of_team(principal=stranger, team="payments", patterns=["v*"])
    assert not RepositoryLimits.objects.exists()
    fix(maintainer, "v*")
    of_team(principal=owner, team="payments", patterns=["v*"])
    assert Membership.objects.count() == 4


@pytest.mark.parametrize(
    "patterns",
    [
        ["a b"],
        [""],
        ["v*\n"],
        ["é*"],
        ["a/b"],
        ["x" * 129],
        ["a,b"],
        ["^v"],
        ["[v"],
        ["v]"],
        ["[]"],
        ["[!]"],
        ["[a[b]"],
        ["a\0"],
    ],
)
def test_what_could_be_no_tag_is_no_pattern(
    patterns: list[str], maintainer: Principal, repository: Repository
) -> None:
    with pytest.raises(ValidationError):
        fix(maintainer, *patterns)
    with pytest.raises(ValidationError):
        fix(maintainer, *(f"v{number}" for number in range(51)))
    fix(maintainer, *(f"v{number % 50}" for number in range(100)))
    assert len(RepositoryLimits.objects.get().patterns) == 50
