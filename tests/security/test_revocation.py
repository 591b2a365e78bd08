"""S4: what is taken away is gone: for new tokens at once, for those that are out in 300 seconds.

zot let revoked users go on (CVE-2025-23208).
"""

import itertools
from collections.abc import Callable, Iterator

import pytest
import time_machine

from accounts import people, teams, tokens
from accounts.models import AccessToken, Membership, User
from repositories.access import Principal, principal_of
from repositories.models import RepositoryGrant
from tests.security.client import ask_token, basic, bearer, granted, post_token, send, token_for
from tests.security.conftest import APP, World

SCOPE = f"repository:{APP}:pull,push,delete"
TAGS = f"/v2/{APP}/tags/list"

Clock = time_machine.Traveller


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock that stands still until it is moved."""
    with time_machine.travel("2031-05-01T12:00:00Z", tick=False) as traveller:
        yield traveller


def admin_of(world: World) -> Principal:
    return principal_of(world.people["admin"])


def disable_user(world: World) -> None:
    people.update_user(principal=admin_of(world), user=world.people["owner"], is_active=False)


def remove_member(world: World) -> None:
    Membership.objects.update_or_create(
        user=world.people["admin"], team_id=world.robot.team_id, defaults={"role": 40}
    )
    teams.remove_member(principal=admin_of(world), team="payments", user=world.people["owner"])


def demote(world: World) -> None:
    Membership.objects.filter(user=world.people["owner"]).update(role=Membership.Role.READER)


def disable_robot(world: World) -> None:
    teams.set_robot_active(principal=admin_of(world), robot=world.robot, is_active=False)


def delete_robot(world: World) -> None:
    teams.delete_robot(principal=admin_of(world), robot=world.robot)


def revoke_scoped(world: World) -> None:
    tokens.revoke(world.tokens["scoped"])


def revoke_robot_s(world: World) -> None:
    tokens.revoke(world.tokens["robot"])


def expire(world: World) -> None:
    AccessToken.objects.update(expires_at="2031-05-01T12:00:00Z")


CASES: list[tuple[str, Callable[[World], None]]] = [
    ("owner", disable_user),
    ("owner", remove_member),
    ("scoped", disable_user),
    ("scoped", remove_member),
    ("scoped", revoke_scoped),
    ("scoped", expire),
    ("robot", disable_robot),
    ("robot", delete_robot),
    ("robot", revoke_robot_s),
    ("robot", expire),
]


@pytest.mark.parametrize(
    ("who", "take_away"), CASES, ids=[f"{who}: {act.__name__}" for who, act in CASES]
)
def test_nothing_is_given_any_more_and_what_is_out_ends_within_five_minutes(
    world: World, clock: Clock, who: str, take_away: Callable[[World], None]
) -> None:
    header = world.by(who)
    out = bearer(token_for(SCOPE, "registry:catalog:*", by=header))
    assert send("GET", TAGS, by=header).status == 200
    assert send("GET", TAGS, by=out).status == 200

    take_away(world)
    assert send("GET", TAGS, by=header).status in (401, 404)
    asked = ask_token(SCOPE, by=header)
    assert asked.status == 401 or granted(asked.json()["token"]) == {f"repository:{APP}": set()}
    # What the database says counts at once for lists, whatever the token says.
    assert APP not in send("GET", "/v2/_catalog", by=out).text

    clock.shift(301)
    assert send("GET", TAGS, by=out).status == 401
    assert send("POST", f"/v2/{APP}/blobs/uploads/", by=out).status == 401


def test_a_lower_role_counts_at_once_for_new_tokens(world: World, clock: Clock) -> None:
    header = world.by("owner")
    out = token_for(SCOPE, by=header)
    demote(world)
    assert granted(token_for(SCOPE, by=header)) == {f"repository:{APP}": {"pull"}}
    assert send("POST", f"/v2/{APP}/blobs/uploads/", by=header).status == 403
    clock.shift(301)
    assert send("POST", f"/v2/{APP}/blobs/uploads/", by=bearer(out)).status == 401


def test_a_grant_that_is_withdrawn_is_gone(world: World, clock: Clock) -> None:
    stranger = world.people["stranger"]
    repository = world.robot.team.repositories.get()
    grant = RepositoryGrant.objects.create(user=stranger, repository=repository, role=20)
    header = world.by("stranger")
    assert granted(token_for(SCOPE, by=header)) == {f"repository:{APP}": {"pull", "push"}}
    grant.delete()
    assert granted(token_for(SCOPE, by=header)) == {f"repository:{APP}": set()}
    assert send("GET", TAGS, by=header).status == 404


def refresh_token_of(name: str) -> str:
    answer = post_token(
        grant_type="password", username=name, password=f"{name}-password", access_type="offline"
    )
    return str(answer.json()["refresh_token"])


def change_password(world: World) -> None:
    principal = principal_of(world.people["owner"])
    people.change_password(principal=principal, old="owner-password", new="a-much-longer-one 9")


def reset_password(world: World) -> None:
    people.reset_password(principal=admin_of(world), user=world.people["owner"])


def sign_out(world: World) -> None:
    people.end_sessions(principal=admin_of(world), user=world.people["owner"])


@pytest.mark.parametrize("end", [change_password, reset_password, sign_out, disable_user])
def test_what_docker_login_keeps_ends_with_the_session(
    world: World, end: Callable[[World], None]
) -> None:
    refresh = refresh_token_of("owner")
    fields = {"grant_type": "refresh_token", "refresh_token": refresh}
    assert post_token(SCOPE, **fields).status == 200
    end(world)
    assert post_token(SCOPE, **fields).status == 401
    assert send("GET", TAGS, by=basic("owner", refresh)).status == 401


def test_a_refresh_token_expires(world: World, clock: Clock) -> None:
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token_of("owner")}
    clock.shift(89 * 86400)
    assert post_token(SCOPE, **fields).status == 200
    clock.shift(1 * 86400)
    assert post_token(SCOPE, **fields).status == 401


def test_a_password_that_was_used_a_moment_ago_is_checked_again_when_it_changes(
    world: World,
) -> None:
    old = world.by("owner")
    assert send("GET", TAGS, by=old).status == 200
    reset_password(world)
    assert send("GET", TAGS, by=old).status == 401


def test_a_password_is_looked_at_again_every_minute_however_often_it_is_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passwords of an htpasswd file or of LDAP change elsewhere: nobody tells us."""
    checked: list[str] = []

    def authenticate(**credentials: str) -> User:
        checked.append(credentials["username"])
        return world.people["owner"]

    clock = itertools.count(1000, 30)
    monkeypatch.setattr("accounts.authentication.authenticate", authenticate)
    monkeypatch.setattr("accounts.authentication.time.monotonic", lambda: next(clock))
    for _ in range(12):
        assert send("GET", TAGS, by=world.by("owner")).status == 200
    assert 3 <= len(checked) < 12


def test_an_expired_token_is_refused_like_an_unknown_one(world: World) -> None:
    AccessToken.objects.update(expires_at="2001-01-01T00:00:00Z")
    expired = send("GET", TAGS, by=world.by("scoped"))
    unknown = send("GET", TAGS, by=basic("owner", "berth_pat_" + "0" * 32))
    assert (expired.status, expired.body) == (401, unknown.body)
