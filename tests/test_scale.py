"""Lists and steps look at no more beside very many rows than beside few.

`benchmarks.many` measures all of them; here is what once did not stay flat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts import audit_log, credentials, people, teams
from accounts.models import AccessToken, AuditEvent, Membership, Robot, Team, User
from accounts.names import tokens_with
from accounts.tokens import hash_secret
from repositories import (
    access,
    activity,
    catalog,
    integrity,
    manifests,
    needs,
    overview,
    referrer_trees,
    referrers,
    search,
    space,
    summary,
    usage,
)
from repositories.access import Principal
from repositories.models import Manifest, Repository, Tag, TagChange
from repositories.oci.digests import Digest
from repositories.oci.media_types import OCI_MANIFEST
from tests.repositories.content import APP, push_image
from tests.work import looked_at

pytestmark = pytest.mark.django_db

MANY = 3_000
PAGE = 50


def flat(run: Callable[[], object], fill: Callable[[range], object], *, slack: int) -> None:
    """Assert that `run` looks at no more once `fill` has made MANY rows than beside 100 of them."""
    fill(range(100))
    run()
    before = looked_at(run)
    fill(range(100, MANY))
    after = looked_at(run)
    assert after <= before + slack, f"{before:,} before, {after:,} after"


# --- what one sees few of ---


def others(numbers: range) -> None:
    """Repositories that only their team may see."""
    team, _ = Team.objects.get_or_create(name="others")
    made = Repository.objects.bulk_create(
        [Repository(name=f"others/app-{n:05}", team=team) for n in numbers]
    )
    held = Manifest.objects.bulk_create(
        Manifest(repository=row, digest=f"sha256:{row.pk:064}", media_type=OCI_MANIFEST)
        for row in made
    )
    Tag.objects.bulk_create(Tag(repository=row.repository, name="v1", manifest=row) for row in held)
    TagChange.objects.bulk_create(
        TagChange(repository=row, name="v1", digest=f"sha256:{row.pk:064}") for row in made
    )
    usage.measure()


@pytest.mark.parametrize(
    "ask",
    [
        lambda principal: catalog.listing(principal=principal, limit=100),
        lambda principal: list(overview.listing(principal=principal)[:PAGE]),
        lambda principal: search.find(principal=principal, text="v1"),
        lambda principal: activity.feed(principal=principal),
        lambda principal: list(usage.by_repository(principal=principal)[:PAGE]),
    ],
    ids=["catalog", "overview", "search", "activity", "usage"],
)
def test_few_that_one_may_see_among_many_that_one_may_not(
    writer: Principal, ask: Callable[[Principal], object]
) -> None:
    push_image(writer, b"a layer", tags=["v1"])
    flat(lambda: ask(writer), others, slack=2_000)


def test_ways_to_a_repository_are_counted_once(writer: Principal, team: Team) -> None:
    push_image(writer, b"a layer", tags=["v1"])
    Repository.objects.update(visibility="public")
    assert access.reach_of(writer).few() == [Repository.objects.get().pk]


def test_the_number_of_repositories_is_the_measured_one_when_they_are_many(
    administrator: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "MOST", 10)
    others(range(20))
    found = summary.of(principal=administrator)
    assert (found.repositories, found.has_more) == (20, False)
    others(range(20, 30))
    Repository.objects.filter(name__gte="others/app-00009").delete()
    assert summary.of(principal=administrator).repositories == 9


def test_a_page_counts_no_more_repositories_than_it_has_to(administrator: Principal) -> None:
    others(range(1_100))  # more than what is counted
    flat(
        lambda: summary.of(principal=administrator),
        lambda numbers: others(range(numbers[0] + 5_000, numbers[-1] + 5_001)),
        slack=200,
    )


# --- people ---


def crowd(numbers: range) -> None:
    """Users with a token each, in a team of all of them; and as many teams and robots."""
    everybody, _ = Team.objects.get_or_create(name="all-of-us")
    users = User.objects.bulk_create(
        [User(username=f"p{n:05}", email=f"P{n:05}@example.org") for n in numbers]
    )
    crews = Team.objects.bulk_create([Team(name=f"crew{n:05}") for n in numbers])
    Membership.objects.bulk_create(
        Membership(team=team, user=user)
        for user, crew in zip(users, crews, strict=True)
        for team in (everybody, crew)
    )
    robots = Robot.objects.bulk_create(
        [Robot(team=everybody, name=f"robot-all-of-us-{n:05}") for n in numbers]
    )
    AccessToken.objects.bulk_create(
        [
            AccessToken(
                user=user,
                kind="personal",
                name="laptop",
                secret_hash=hash_secret(user.username),
                hint="abcd",
            )
            for user in users
        ]
        + [
            AccessToken(robot=robot, kind="robot", name="ci", secret_hash=hash_secret(robot.name))
            for robot in robots
        ]
    )


def test_a_text_that_hardly_anybody_is_called(administrator: Principal, writer: Principal) -> None:
    def ask() -> None:
        assert len(people.users(principal=administrator, search="p00042")[:PAGE]) == 1
        assert len(people.users(principal=administrator, search="00042@EXAMPLE")[:PAGE]) == 1
        assert not people.users(principal=administrator, search="zzz")[:PAGE]
        assert len(teams.all_teams(principal=administrator, search="EW00042")[:PAGE]) == 1
        tokens = credentials.visible_tokens(administrator)
        assert len(tokens.filter(tokens_with("00042"))[:PAGE]) == 2
        assert not tokens.filter(tokens_with("zzzzz"))[:PAGE]

    # The index has a few tables of its own, and more of them as it grows.
    flat(ask, crowd, slack=8_000)


@pytest.mark.parametrize("text", ['a"b', "a%b", "a_b", "AND OR", "a\\b", "ä'*"])
def test_any_text_can_be_searched_for(administrator: Principal, text: str) -> None:
    User.objects.create(username="axb", email="axb@example.org")
    found = User.objects.create(username="one", email=f"{text.upper()}@example.org")
    assert list(people.users(principal=administrator, search=text)) == [found]


def test_the_few_tokens_of_one_owner(writer: Principal, administrator: Principal) -> None:
    user = User.objects.get(username=writer.name)
    AccessToken.objects.create(
        user=user, kind="personal", name="own", secret_hash=hash_secret("own")
    )

    def ask() -> None:
        assert len(credentials.visible_tokens(writer).order_by("-pk")[:PAGE]) == 1
        assert len(credentials.tokens_of(administrator, writer.name).order_by("-pk")[:PAGE]) == 1

    flat(ask, crowd, slack=300)


def test_a_page_of_members_and_of_counted_teams(administrator: Principal) -> None:
    everybody = Team.objects.create(name="all-of-us")
    few = Team.objects.create(name="few")
    Membership.objects.create(team=few, user=User.objects.get(username=administrator.name))

    def ask() -> None:
        assert len(teams.members(everybody)[:PAGE]) == PAGE
        assert len(teams.members(few)[:PAGE]) == 1
        found = teams.with_member_counts(teams.all_teams(principal=administrator))
        assert len(found[:PAGE]) == PAGE

    crowd(range(100, 1_200))  # it is larger than what is counted
    flat(ask, lambda n: crowd(range(n[0] + 5_000, n[-1] + 5_001)), slack=1_000)


def test_members_are_the_same_however_they_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd(range(30))
    team = Team.objects.get(name="all-of-us")
    found = []
    for most in (1_000, 3):
        monkeypatch.setattr(teams, "MOST_COUNTED", most)
        found.append([row.user.username for row in teams.members(team)])
    assert found[0] == found[1] == [f"p{n:05}" for n in range(30)]


# --- the audit log ---


def events(numbers: range) -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(actor="somebody", action="manifest.push", target=f"team/app-{n}")
        for n in numbers
    )


@pytest.mark.parametrize(
    "wanted",
    [{"outcome": "denied"}, {"action": "robot."}, {"action": "sign-in"}, {"target": "Team/O"}],
    ids=str,
)
def test_the_few_events_that_are_asked_for(
    administrator: Principal, wanted: dict[str, Any]
) -> None:
    for action in ("robot.create", "robot.delete", "sign-in"):
        AuditEvent.objects.create(action=action, target="Team/Other", outcome="denied")

    def ask() -> None:
        found = audit_log.events(principal=administrator, **wanted)[:PAGE]
        assert 1 <= len(found) <= 3

    flat(ask, events, slack=300)


# --- one repository of very many ---


def images(numbers: range) -> None:
    """Tagged images of the repository, which all refer to one."""
    repository = Repository.objects.get(name=APP)
    made = Manifest.objects.bulk_create(
        [
            Manifest(
                repository=repository,
                digest=str(Digest.of(b"%d" % n)),
                media_type=OCI_MANIFEST,
                payload=b"{}",
                subject=str(Digest.of(b"subject")),
                artifact_type="application/x-common",
                referrer="{}",
            )
            for n in numbers
        ],
        batch_size=500,
    )
    Tag.objects.bulk_create(
        [Tag(repository=repository, name=f"t{row.pk}", manifest=row) for row in made],
        batch_size=500,
    )


def test_referrers_of_a_rare_type_and_the_first_of_all(
    writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_image(writer, b"a layer", tags=["v1"])
    monkeypatch.setattr(referrers, "MAX_ENTRIES", 20)
    subject = Digest.of(b"subject")

    def ask() -> None:
        found = referrers.listing(
            repository=APP, subject=subject, artifact_type="application/x-rare"
        )
        assert not found.entries
        assert len(referrers.listing(repository=APP, subject=subject).entries) == 20

    flat(ask, images, slack=200)


def test_the_tree_of_very_many_referrers(writer: Principal) -> None:
    push_image(writer, b"a layer", tags=["v1"])
    repository = Repository.objects.get(name=APP)
    images(range(10_000, 10_300))  # more than a tree has

    def ask() -> None:
        found = referrer_trees.tree(repository=repository, subject=Digest.of(b"subject"))
        assert found.has_more

    flat(ask, images, slack=300)


def test_what_one_manifest_keeps_and_is_made_of(writer: Principal) -> None:
    push_image(writer, b"a layer", tags=["v1"])
    tag = Tag.objects.select_related("manifest").get()
    row = manifests.read(repository=APP, reference="v1")

    def ask() -> None:
        assert needs.kept_by(tag.repository_id, [tag.manifest_id]) == set()
        assert not needs.keepers(tag.repository_id, [tag.manifest_id])
        space.largest(Repository.objects.get(name=APP))
        stored = integrity.ManifestRow(
            row.id, row.repository_id, APP, row.digest, row.media_type, row.payload
        )
        assert not list(integrity.flaws_of(stored))

    flat(ask, images, slack=200)
