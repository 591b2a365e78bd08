"""Lists: pages by keyset, right while rows are added, and as cheap however long."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, signing, tokens
from accounts.models import Membership, Robot, Team, TrustRule, User
from repositories.models import (
    Deletion,
    Manifest,
    Repository,
    RepositoryGrant,
    RepositoryUsage,
    ScrubFinding,
    ScrubPass,
    Tag,
    TagChange,
    TeamUsage,
    Upload,
)
from tests.api.v1.conftest import Caller, Cast, World
from tests.api.v1.test_matrix import ROWS

Make = Callable[[World, int], object]


def _user(number: int) -> User:
    return User.objects.create_user(f"user-{number:03}")


def _member(world: World, number: int) -> Membership:
    return Membership.objects.create(team=world.payments, user=_user(number), role=10)


def _robot(world: World, number: int) -> Robot:
    return Robot.objects.create(team=world.payments, name=f"robot-payments-{number:03}")


def _app() -> Repository:
    return Repository.objects.get(name="payments/app")


def _grant(world: World, number: int) -> RepositoryGrant:
    return RepositoryGrant.objects.create(repository=_app(), user=_user(number), role=10)


def _repository(world: World, number: int) -> Repository:
    return Repository.objects.create(name=f"payments/r{number:03}", team=world.payments)


def _tag(world: World, number: int) -> Tag:
    manifest = Manifest.objects.get(repository=_app())
    return Tag.objects.create(repository=_app(), name=f"v1-{number:03}", manifest=manifest)


def _change(world: World, number: int) -> TagChange:
    return TagChange.objects.create(repository=_app(), name="v1", digest="")


def _upload(world: World, number: int) -> Upload:
    return Upload.objects.create(repository=Repository.objects.get(name="payments/app"))


def _repository_usage(world: World, number: int) -> RepositoryUsage:
    """Several of each size."""
    repository = _repository(world, number)
    return RepositoryUsage.objects.create(
        repository=repository, bytes=1000 - number // 4, unique_bytes=0
    )


def _team_usage(world: World, number: int) -> TeamUsage:
    team = Team.objects.create(name=f"team-{number:03}")
    return TeamUsage.objects.create(team=team, bytes=1000 - number // 4, unique_bytes=0)


def _tag_change(world: World, number: int) -> TagChange:
    repository = Repository.objects.get(name="payments/app")
    return TagChange.objects.create(repository=repository, name=f"{number:03}", digest="sha256:x")


def _rule(world: World, number: int) -> TrustRule:
    return TrustRule.objects.create(
        team=world.payments, name=f"payments-{number:03}", issuer="https://gitlab.com", scopes=""
    )


def _invitation(world: World, number: int) -> object:
    found = world.payments.invitations.get(pk=world.ids["payments"]["invitation"])
    found.pk, found.secret_hash = None, bytes([number]) * 32
    found.save(force_insert=True)
    return found


def _deletion(world: World, number: int) -> Deletion:
    until = timezone.now() + timedelta(days=1)
    return Deletion.objects.create(
        team=world.payments, repository=_app(), name="payments/app", kind="tags", until=until
    )


def _deleted_repository(world: World, number: int) -> Deletion:
    until = timezone.now() + timedelta(days=1)
    return Deletion.objects.create(
        team=world.payments, name=f"payments/{number:03}", kind="repository", until=until
    )


def _finding(world: World, number: int) -> ScrubFinding:
    row, _ = ScrubPass.objects.get_or_create(
        number=1,
        defaults={
            **dict.fromkeys(("last_blob", "last_manifest"), 0),
            **dict.fromkeys(("expected_blobs", "expected_bytes"), 0),
        },
    )
    return ScrubFinding.objects.create(
        scrub=row, kind="missing", is_damage=True, target=f"sha256:{number}", size=1
    )


# The list, what makes an entry, and by what an entry is told from others.
LISTS: dict[str, tuple[str, Make, str]] = {
    "users": ("users", lambda _, n: _user(n), "name"),
    "teams": ("teams", lambda _, n: Team.objects.create(name=f"team-{n:03}"), "name"),
    "members": ("teams/payments/members", _member, "user"),
    "invitations": ("teams/payments/invitations", _invitation, "id"),
    "robots": ("teams/payments/robots", _robot, "name"),
    "robot-tokens": (
        "teams/payments/robots/robot-payments-ci/tokens",
        lambda _, __: tokens.create(owner=Robot.objects.get(name="robot-payments-ci"), name="t"),
        "id",
    ),
    "trust-rules": ("teams/payments/trust-rules", _rule, "name"),
    "tokens": ("tokens", lambda _, n: tokens.create(owner=_user(n), name="t"), "id"),
    "repositories": ("repositories", _repository, "name"),
    "tags": ("repositories/payments/app/-/tags", _tag, "name"),
    "tag-changes": ("repositories/payments/app/-/tags/v1/changes", _change, "id"),
    "deletions": ("repositories/payments/app/-/deletions", _deletion, "id"),
    "deleted-repositories": ("teams/payments/deletions", _deleted_repository, "id"),
    "grants": ("repositories/payments/app/-/grants", _grant, "user"),
    "uploads": ("uploads", _upload, "id"),
    "repository-sizes": ("usage/repositories", _repository_usage, "repository"),
    "team-sizes": ("usage/teams", _team_usage, "team"),
    "activity": ("activity", _tag_change, "tag"),
    "scrub-findings": ("scrub/findings", _finding, "target"),
    "audit": ("audit", lambda _, n: audit.record("x", actor=str(n)), "id"),
    "keys": ("keys", lambda _, __: signing.rotate(), "kid"),
}


def _page(caller: Caller, address: str) -> dict[str, Any]:
    response = caller.get(address)
    assert response.status_code == 200, response.content
    content: dict[str, Any] = response.json()
    return content


def _relative(address: str) -> str:
    parts = urlsplit(address)
    assert address.startswith("http://registry.example.com/api/v1/")
    return f"{parts.path.removeprefix('/api/v1/')}?{parts.query}"


NO_LISTS = {"docs", "no-such-address", "team-limits", "repository-limits"}


def test_every_list_is_here() -> None:
    """Lists are what has a plural name and can be read, but for the settings called limits."""
    lists = {name for name, method in ROWS if method == "GET" and name.endswith("s")}
    assert lists - NO_LISTS | {"audit", "activity"} == set(LISTS)


@pytest.mark.parametrize("name", sorted(LISTS))
def test_pages_stay_right_while_rows_are_added(name: str, world: World, cast: Cast) -> None:
    path, make, key = LISTS[name]
    for number in range(0, 14, 2):
        make(world, number)
    expected = [row[key] for row in _page(cast["admin"], f"{path}?limit=200")["results"]]
    seen, address, number = [], f"{path}?limit=3", 1
    while address:
        page = _page(cast["admin"], address)
        seen += [row[key] for row in page["results"]]
        make(world, number)
        address, number = _relative(page["next"]) if page["next"] else "", number + 2
    assert len(seen) == len(set(seen))
    assert [entry for entry in seen if entry in expected] == expected


@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_longer_page_takes_no_more_queries(name: str, world: World, cast: Cast) -> None:
    path, make, _ = LISTS[name]
    counts = []
    for numbers in (range(3), range(3, 30)):
        for number in numbers:
            make(world, number)
        _page(cast["admin"], path)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            _page(cast["admin"], f"{path}?limit=200")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_search_takes_texts_as_they_are(world: World, cast: Cast) -> None:
    for name in ("a-b", "a_b", "axb"):
        User.objects.create_user(name)
    found = _page(cast["admin"], "users?search=a_b")["results"]
    assert [user["name"] for user in found] == ["a_b"]
    assert _page(cast["admin"], "users?search=%25")["results"] == []


def test_one_sees_ones_own(world: World, cast: Cast) -> None:
    assert [t["name"] for t in _page(cast["reader"], "teams")["results"]] == ["payments"]
    assert [t["role"] for t in _page(cast["reader"], "teams")["results"]] == ["reader"]
    assert _page(cast["stranger"], "teams")["results"] == []
    assert _page(cast["stranger"], "repositories")["results"] == []
    names = {t["owner"] for t in _page(cast["owner"], "tokens")["results"]}
    assert names == {"owner", "robot-payments-ci"}
    found = _page(cast["admin"], "tokens?owner=robot-vault-ci")["results"]
    assert [t["owner"] for t in found] == ["robot-vault-ci"]


def test_repositories_are_found_by_name_and_team(world: World, cast: Cast) -> None:
    for query, names in (
        ("search=vault", ["vault/app"]),
        ("search=APP", ["payments/app", "vault/app"]),
        ("team=payments", ["payments/app"]),
        ("search=none", []),
    ):
        found = _page(cast["admin"], f"repositories?{query}")["results"]
        assert [repository["name"] for repository in found] == names
