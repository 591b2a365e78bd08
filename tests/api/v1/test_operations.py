"""What the operations do, where the matrix only says who may."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AccessToken, AuditEvent, Membership, User
from repositories.models import Manifest, Repository, Tag
from tests.api.v1.conftest import Caller, Cast, World, problem


def test_a_tokens_secret_is_shown_once(world: World, cast: Cast) -> None:
    expires = (timezone.now() + timedelta(days=30)).isoformat()
    made = cast["owner"].post(
        "tokens", {"name": "ci", "scopes": ["payments/*:push,pull"], "expires_at": expires}
    )
    token = made.json()
    assert token["secret"].startswith("berth_pat_")
    assert token["scopes"] == ["payments/*:pull,push"]
    assert Caller("x", token["secret"]).get("me").json()["scopes"] == token["scopes"]
    for path in (f"tokens/{token['id']}", "tokens"):
        assert token["secret"] not in cast["owner"].get(path).content.decode()
    assert cast["owner"].call("DELETE", f"tokens/{token['id']}").status_code == 204
    assert Caller("x", token["secret"]).get("me").status_code == 401


@pytest.mark.parametrize(
    "moment", ["2020-01-01", "2020-01-01T00:00:00", "tomorrow", 5, "2020-02-30T00:00:00Z"]
)
def test_a_time_is_written_in_full(moment: object, cast: Cast) -> None:
    answer = problem(cast["owner"].post("tokens", {"name": "x", "expires_at": moment}))
    assert set(answer["errors"]) == {"expires_at"}


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:59", "2999-06-30T23:59:60Z"])
def test_the_edges_of_time(moment: str, cast: Cast) -> None:
    response = cast["owner"].post("tokens", {"name": "x", "expires_at": moment})
    assert response.status_code == 201
    assert cast["owner"].get("tokens").status_code == 200


def test_users_are_made_changed_and_disabled(cast: Cast) -> None:
    admin = cast["admin"]
    made = admin.post("users", {"name": "new", "password": "correct horse battery"})
    assert made.json() == made.json() | {"name": "new", "is_admin": False, "is_active": True}
    changed = admin.call("PATCH", "users/new", {"is_admin": True, "email": "n@example.com"})
    assert changed.json()["is_admin"] is True
    assert User.objects.get(username="new").email == "n@example.com"
    assert admin.call("PATCH", "users/new", {}).status_code == 200
    assert admin.call("PATCH", "users/admin", {"is_admin": False}).status_code == 403
    weak = problem(admin.post("users", {"name": "weak", "password": "password"}))
    assert "common" in weak["detail"]
    assert not User.objects.filter(username="weak").exists()


def test_a_password_is_changed(world: World) -> None:
    user = world.users["stranger"]
    user.set_password("correct horse battery")
    user.save()
    from accounts import tokens  # noqa: PLC0415

    caller = Caller("stranger", tokens.create(owner=user, name="t")[1])
    body = {"old_password": "wrong", "new_password": "another horse battery"}
    answer = problem(caller.post("me/password", body))
    assert set(answer["errors"]) == {"old_password"}
    body["old_password"] = "correct horse battery"
    assert caller.post("me/password", body).status_code == 204
    user.refresh_from_db()
    assert user.check_password("another horse battery")


def test_an_invitation_is_used_once(world: World, cast: Cast) -> None:
    made = cast["owner"].post("teams/payments/invitations", {"role": "writer"}).json()
    listed = cast["owner"].get("teams/payments/invitations").json()["results"]
    assert made["id"] in [invitation["id"] for invitation in listed]
    assert "secret" not in listed[0]
    accepted = cast["stranger"].post("invitations/accept", {"secret": made["secret"]})
    assert accepted.json() == {"team": "payments", "role": "writer"}
    again = cast["admin"].post("invitations/accept", {"secret": made["secret"]})
    assert again.status_code == 404


def test_members_get_roles_and_the_last_owner_stays(world: World, cast: Cast) -> None:
    owner = cast["owner"]
    given = owner.call("PUT", "teams/payments/members/stranger", {"role": "maintainer"})
    assert given.json() == {"user": "stranger", "role": "maintainer"}
    for method, body in (("PUT", {"role": "reader"}), ("DELETE", None)):
        refused = problem(owner.call(method, "teams/payments/members/owner", body))
        assert "owner" in refused["detail"]
    assert owner.call("DELETE", "teams/payments/members/guest").status_code == 404
    role = Membership.objects.get(team=world.payments, user__username="owner").role
    assert role == Membership.Role.OWNER


def test_a_disabled_robot_gets_in_no_more(world: World, cast: Cast) -> None:
    path = "teams/payments/robots/robot-payments-ci"
    cast["owner"].call("PATCH", path, {"is_active": False})
    assert cast["robot"].get("me").status_code == 401
    cast["owner"].call("PATCH", path, {"is_active": True})
    assert cast["robot"].get("me").status_code == 200


def test_a_robots_tokens_are_revoked_by_its_teams_owners(world: World, cast: Cast) -> None:
    path = "teams/payments/robots/robot-payments-ci/tokens"
    made = cast["owner"].post(path, {"name": "new", "scopes": ["payments/*:push"]}).json()
    assert (made["owner"], made["kind"]) == ("robot-payments-ci", "robot")
    assert cast["maintainer"].call("DELETE", f"tokens/{made['id']}").status_code == 404
    assert cast["owner"].call("DELETE", f"tokens/{made['id']}").status_code == 204
    assert not AccessToken.objects.filter(pk=made["id"]).exists()


def test_a_repository_says_what_one_may_do(world: World, cast: Cast) -> None:
    repository = Repository.objects.get(name="payments/app")
    manifest = Manifest.objects.get(repository=repository)
    Tag.objects.create(repository=repository, name="v2", manifest=manifest)
    found = cast["reader"].get("repositories/payments/app").json()
    assert (found["tags_count"], found["actions"]) == (2, ["pull"])
    found = cast["maintainer"].get("repositories/payments%2Fapp").json()
    assert found["actions"] == ["pull", "push", "delete"]


def test_visibility_and_grants_change_who_sees_a_repository(world: World, cast: Cast) -> None:
    path = "repositories/payments/app"
    assert cast["stranger"].get(path).status_code == 404
    grant = f"{path}/-/grants/stranger"
    assert cast["maintainer"].call("PUT", grant, {"role": "writer"}).status_code == 200
    assert cast["stranger"].get(path).json()["actions"] == ["pull", "push"]
    assert cast["maintainer"].call("DELETE", grant).status_code == 204
    assert cast["maintainer"].call("DELETE", grant).status_code == 404
    assert cast["stranger"].get(path).status_code == 404
    cast["maintainer"].call("PATCH", path, {"visibility": "internal"})
    assert cast["stranger"].get(path).json()["actions"] == ["pull"]


@pytest.mark.parametrize(
    ("access", "visibility", "status"),
    [("none", "public", 401), ("pull", "public", 200), ("pull", "internal", 404)],
)
def test_anonymous_reading_follows_the_configuration(
    access: str, visibility: str, status: int, world: World, cast: Cast, settings: object
) -> None:
    settings.ANONYMOUS_ACCESS = access  # type: ignore[attr-defined]
    Repository.objects.filter(name="payments/app").update(visibility=visibility)
    assert cast["anonymous"].get("repositories/payments/app").status_code == status
    if access == "pull":
        names = [r["name"] for r in cast["anonymous"].get("repositories").json()["results"]]
        assert names == (["payments/app"] if visibility == "public" else [])
        body = {"visibility": "private"}
        answer = cast["anonymous"].call("PATCH", "repositories/payments/app", body)
        assert answer.status_code == 401
        assert cast["anonymous"].get("users").status_code == 401


def test_the_audit_log_is_filtered_and_exported(world: World, cast: Cast) -> None:
    cast["owner"].post("tokens", {"name": "a"})
    cast["admin"].post("users", {"name": "b"})
    found = cast["admin"].get("audit?actor=owner&action=token.").json()["results"]
    assert [event["action"] for event in found] == ["token.create"]
    assert cast["admin"].get("audit?until=2000-01-01T00:00:00Z").json()["results"] == []
    export = cast["admin"].get("audit/export?actor=owner", Accept="application/x-ndjson")
    assert export["Content-Type"] == "application/x-ndjson"
    lines = b"".join(export).decode().splitlines()
    assert [json.loads(line) for line in lines] == found
    assert AuditEvent.objects.filter(action="audit.export", actor="admin").exists()


def test_keys_are_rotated_and_their_private_halves_stay_here(cast: Cast) -> None:
    made = cast["admin"].post("keys/rotate")
    assert made.status_code == 201
    listed = cast["admin"].get("keys")
    assert listed.json()["results"][0]["kid"] == made.json()["kid"]
    assert b"PRIVATE" not in listed.content + made.content
    assert set(made.json()) == {"kid", "public", "certificate", "created_at", "retires_at"}


def test_a_trust_rule_is_switched_off_and_deleted(world: World, cast: Cast) -> None:
    path = f"teams/payments/trust-rules/{world.ids['payments']['rule']}"
    assert cast["owner"].call("PATCH", path, {"is_active": False}).json()["is_active"] is False
    assert cast["owner"].call("DELETE", path).status_code == 204
    assert cast["owner"].get(path).status_code == 404


def test_nothing_of_a_foreign_teams_is_reached_through_ones_own(world: World, cast: Cast) -> None:
    """One's own team in the address, and the id of another's (CVE-2022-31666)."""
    vault = world.ids["vault"]
    for method, path, body in (
        ("DELETE", f"teams/payments/invitations/{vault['invitation']}", None),
        ("DELETE", f"teams/payments/robots/{vault['robot']}", None),
        ("GET", f"teams/payments/robots/{vault['robot']}/tokens", None),
        ("POST", f"teams/payments/robots/{vault['robot']}/tokens", {"name": "x"}),
        ("PATCH", f"teams/payments/trust-rules/{vault['rule']}", {"is_active": False}),
        ("DELETE", f"teams/payments/trust-rules/{vault['rule']}", None),
        ("DELETE", "teams/payments/members/keeper", None),
    ):
        assert cast["owner"].call(method, path, body).status_code == 404, path
