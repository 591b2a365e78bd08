"""S7, S8: one's own team in the address, and another's object behind it (Harbor CVE-2022-31666 to
-31671); and fields that are nobody's to set (Harbor CVE-2019-16097)."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import AccessToken, Invitation, Membership, Robot, Team, TrustRule, User
from tests.security.client import send
from tests.security.conftest import FOREIGN, OWN, World


@pytest.fixture
def theirs(world: World) -> dict[str, int | str]:
    """What the other team has, by its id."""
    team = Team.objects.get(name=FOREIGN)
    robot = Robot.objects.create(team=team, name="robot-research-ci")
    token, _ = tokens.create(owner=robot, name="theirs")
    rule = TrustRule.objects.create(
        name="research-ci", team=team, issuer="https://gitlab.com", audience="berth"
    )
    invitation = Invitation.objects.create(
        team=team,
        role=10,
        secret_hash=b"x" * 32,
        created_by=world.people["admin"],
        expires_at=timezone.now() + timedelta(days=1),
    )
    return {
        "robot_id": robot.pk,
        "robot": robot.name,
        "token": token.pk,
        "rule": rule.pk,
        "invitation": invitation.pk,
    }


PAGES = [
    ("GET", "/teams/payments/robots/{robot_id}"),
    ("POST", "/teams/payments/robots/{robot_id}"),
    ("POST", "/teams/payments/robots/{robot_id}/switch"),
    ("POST", "/teams/payments/robots/{robot_id}/delete"),
    ("POST", "/teams/payments/trust-rules/{rule}/switch"),
    ("POST", "/teams/payments/trust-rules/{rule}/delete"),
    ("POST", "/teams/payments/invitations/{invitation}/withdraw"),
    ("POST", "/settings/tokens/{token}/revoke"),
    ("POST", "/teams/payments/members/stranger/remove"),
    ("POST", "/repositories/payments/unannounced/-/settings"),
]
API = [
    ("GET", "teams/payments/robots/{robot}"),
    ("PATCH", "teams/payments/robots/{robot}"),
    ("DELETE", "teams/payments/robots/{robot}"),
    ("GET", "teams/payments/robots/{robot}/tokens"),
    ("POST", "teams/payments/robots/{robot}/tokens"),
    ("GET", "teams/payments/trust-rules/{rule}"),
    ("PATCH", "teams/payments/trust-rules/{rule}"),
    ("DELETE", "teams/payments/trust-rules/{rule}"),
    ("DELETE", "teams/payments/invitations/{invitation}"),
    ("GET", "tokens/{token}"),
    ("DELETE", "tokens/{token}"),
    ("GET", "repositories/payments/unannounced"),
]


def rows() -> list[list[tuple[object, ...]]]:
    models = (Robot, AccessToken, TrustRule, Invitation, Membership, Team)
    return [list(model.objects.order_by("pk").values_list()) for model in models]


@pytest.mark.parametrize("who", ["owner", "maintainer", "stranger"])
def test_one_s_own_team_in_the_address_opens_nothing_of_another_s(
    world: World, theirs: dict[str, int | str], who: str
) -> None:
    browser = Client()
    browser.force_login(world.people[who])
    before = rows()
    form = {"name": "x", "active": "no", "expires": "30", "scopes": "*:pull", "confirm": "yes"}
    for method, path in PAGES:
        answer = browser.generic(
            method,
            path.format(**theirs),
            "&".join(f"{key}={value}" for key, value in form.items()),
            content_type="application/x-www-form-urlencoded",
        )
        # Who may not even try is told so before anything is looked for.
        allowed = (404,) if who == "owner" else (403, 404)
        assert answer.status_code in allowed or not_a_member(path, answer), (method, path)
    for method, path in API:
        sent = {"PATCH": {"is_active": False}, "POST": {"name": "x"}}.get(method, {})
        body = json.dumps(sent).encode() if sent else b""
        kind = {"Content-Type": "application/json"}
        answered = send(
            method, f"/api/v1/{path.format(**theirs)}", body, by=world.by(who), headers=kind
        )
        assert answered.status in ((404,) if who == "owner" else (403, 404)), (method, path)
    assert rows() == before


def not_a_member(path: str, answer: object) -> bool:
    """Removing somebody who is no member changes nothing, and may say so as it likes."""
    return path.endswith("/members/stranger/remove")


PRIVILEGED: dict[str, object] = {
    "is_staff": True,
    "is_superuser": True,
    "is_admin": True,
    "is_active": True,
    "is_admin_by_group": True,
    "is_trusted_with_everything": True,
    "source": "htpasswd",
    "username": "somebody-else",
    "password": "set by mass assignment 1",
    "id": 1,
    "pk": 1,
    "user": 1,
    "user_id": 1,
    "owner": "admin",
    "robot": 1,
    "team": FOREIGN,
    "team_id": 1,
    "role": 40,
    "kind": "session",
    "secret_hash": "x",
    "hint": "zzzz",
    "groups": [1],
    "user_permissions": [1],
    "date_joined": "2001-01-01T00:00:00Z",
    "last_login": "2001-01-01T00:00:00Z",
    "created_at": "2001-01-01T00:00:00Z",
    "created_by": 1,
    "quota": 1,
}


def protected(world: World) -> list[object]:
    fields = ("username", "password", "is_staff", "is_superuser", "is_active", "source")
    users = User.objects.exclude(username="new").order_by("pk").values_list(*fields, "date_joined")
    members = Membership.objects.exclude(team__name="new").order_by("pk").values_list()
    return [list(users), list(members)]


@pytest.mark.parametrize("who", ["stranger", "reader", "owner"])
def test_fields_that_are_nobody_s_to_set_are_not_set(world: World, who: str) -> None:
    browser = Client()
    browser.force_login(world.people[who])
    before = protected(world)
    extra = {key: value for key, value in PRIVILEGED.items() if key != "password"}
    forms = [
        ("/settings/profile", {"email": ""}),
        ("/settings/tokens/new", {"name": "mine", "scopes": "payments/*:pull", "expires": "30"}),
        ("/settings/password", {"old_password": "wrong", "new_password": "x", "repeated": "x"}),
        ("/appearance", {"theme": "dark"}),
    ]
    for path, form in forms:
        assert browser.post(path, {**extra, **form}).status_code in (200, 302, 400), path
    kind = {"Content-Type": "application/json"}
    for method, path, body in (
        ("PATCH", "me", {"email": ""}),
        ("POST", "tokens", {"name": "mine"}),
        ("POST", "me/password", {"old_password": "wrong", "new_password": "x"}),
    ):
        sent = json.dumps({**PRIVILEGED, **body}).encode()
        answer = send(method, f"/api/v1/{path}", sent, by=world.by(who), headers=kind)
        assert answer.status in (200, 201, 400), answer.text
    assert protected(world) == before
    for token in AccessToken.objects.filter(name="mine"):
        assert (token.user_id, token.kind) == (world.people[who].pk, "personal")
        assert token.created_at.year > 2001


def test_who_makes_a_team_is_its_owner_and_makes_nothing_else(world: World) -> None:
    before = protected(world)
    body = json.dumps({**PRIVILEGED, "name": "new"}).encode()
    kind = {"Content-Type": "application/json"}
    answer = send("POST", "/api/v1/teams", body, by=world.by("stranger"), headers=kind)
    assert answer.status in (201, 400), answer.text
    members = Membership.objects.filter(team__name="new")
    assert [member.user.username for member in members] in ([], ["stranger"])
    assert protected(world) == before


@pytest.mark.parametrize("name", ["library", OWN, FOREIGN, "admin", "reader"])
@pytest.mark.parametrize("who", ["stranger", "owner"])
def test_a_name_that_is_somebody_s_cannot_be_taken_for_a_team(
    world: World, who: str, name: str
) -> None:
    """Whoever had the default team would own every repository without a slash."""
    body = json.dumps({"name": name}).encode()
    kind = {"Content-Type": "application/json"}
    answer = send("POST", "/api/v1/teams", body, by=world.by(who), headers=kind)
    assert answer.status in (400, 403), answer.text
    browser = Client()
    browser.force_login(world.people[who])
    browser.post("/teams", {"name": name})
    assert not Membership.objects.filter(team__name=name, user=world.people["stranger"]).exists()
    assert Membership.objects.filter(team__name=name).count() == (4 if name == OWN else 0)
