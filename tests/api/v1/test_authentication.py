"""How one signs in to `/api/v1/`, and what does not sign anybody in."""

import base64

import pytest
from django.test import Client

from accounts import signing, tokens
from accounts.models import AccessToken, AuditEvent, User
from accounts.throttle import FREE_FAILURES
from tests.api.v1.conftest import Caller, Cast, World, problem

NOBODY = Caller("nobody")


def _basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_a_token_by_bearer_and_by_basic(cast: Cast) -> None:
    secret = cast["owner"].secret
    for headers in ({"Authorization": f"Bearer {secret}"}, _basic("owner", secret)):
        answer = NOBODY.get("me", **headers).json()
        assert answer["name"] == "owner"
        assert answer["scopes"] is None


def test_a_password_by_basic(world: World) -> None:
    User.objects.create_user("alice", password="correct horse battery")
    answer = NOBODY.get("me", **_basic("alice", "correct horse battery")).json()
    assert (answer["name"], answer["credential"]) == ("alice", "password")


def test_me_says_what_a_robot_and_a_limited_token_are(cast: Cast) -> None:
    robot = cast["robot"].get("me").json()
    assert (robot["kind"], robot["team"]) == ("robot", "payments")
    limited = cast["scoped"].get("me").json()
    assert limited["scopes"] == ["*:pull,push,delete"]
    assert limited["is_admin"] is False


@pytest.mark.parametrize(
    "header",
    [
        "Bearer nonsense",
        "Bearer ",
        "Bearer berth_pat_" + "x" * 32,
        "Basic " + base64.b64encode(b"owner:wrong").decode(),
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Digest x",
        "Bearer \xff",
        "Basic " + "A" * 9000,
    ],
)
def test_wrong_credentials(header: str, world: World) -> None:
    response = NOBODY.get("me", Authorization=header)
    assert response.status_code == 401
    # Never Basic: a browser would keep the password, and send it with requests of other sites'.
    assert response["WWW-Authenticate"] == 'Bearer realm="Berth"'
    problem(response)


def test_a_bearer_token_of_the_token_service_is_for_v2_only(world: World) -> None:
    user = world.users["admin"]
    token, _ = signing.sign(
        subject="admin", audience="berth", claims={"uid": user.pk, "access": [], "cred": "x"}
    )
    assert NOBODY.get("me", Authorization=f"Bearer {token}").status_code == 401


@pytest.mark.parametrize("ending", ["revoked", "expired", "disabled"])
def test_what_has_ended_signs_nobody_in(ending: str, world: World, cast: Cast) -> None:
    owner = world.users["owner"]
    if ending == "revoked":
        owner.tokens.all().delete()
    elif ending == "expired":
        owner.tokens.update(expires_at=owner.date_joined)
    else:
        User.objects.filter(pk=owner.pk).update(is_active=False)
    assert cast["owner"].get("me").status_code == 401


def test_guessing_is_slowed_down(world: World) -> None:
    wrong = _basic("owner", "wrong")
    answers = [NOBODY.get("me", **wrong).status_code for _ in range(FREE_FAILURES + 1)]
    assert answers == [401] * FREE_FAILURES + [429]
    assert int(NOBODY.get("me", **wrong)["Retry-After"]) > 0


# --- sessions -----------------------------------------------------------------------------------


def _session(world: World, name: str = "owner") -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.users[name])
    return client


def test_a_session_reads(world: World) -> None:
    assert _session(world).get("/api/v1/me").json()["name"] == "owner"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_session_changes_nothing_without_the_csrf_token(method: str, world: World) -> None:
    client = _session(world)
    path = "/api/v1/teams" if method == "POST" else "/api/v1/teams/payments"
    response = client.generic(method, path, b'{"name": "new"}', "application/json")
    assert response.status_code == 403
    assert "CSRF" in problem(response)["detail"]


def test_a_session_changes_things_with_it(world: World) -> None:
    client = _session(world)
    client.get("/api/v1/docs/")
    token = client.cookies["berth_csrf"].value
    response = client.generic(
        "POST",
        "/api/v1/teams",
        b'{"name": "new"}',
        "application/json",
        headers={"X-CSRFToken": token},
    )
    assert response.status_code == 201


def test_a_form_of_another_site_changes_nothing(world: World) -> None:
    response = _session(world).post("/api/v1/teams", {"name": "new"})
    assert response.status_code == 403


def test_nor_with_a_password_that_a_browser_keeps(world: World) -> None:
    """A browser says where a request comes from, and sends along the password it knows."""
    secret = tokens.create(owner=world.users["admin"], name="t")[1]
    headers = _basic("admin", secret) | {"Origin": "https://evil.example"}
    assert NOBODY.post("users/guest/reset-password", **headers).status_code == 403
    del headers["Origin"]
    assert NOBODY.post("users/guest/reset-password", **headers).status_code == 200


def test_a_header_wins_over_a_session(world: World, cast: Cast) -> None:
    client = _session(world)
    headers = {"Authorization": f"Bearer {cast['reader'].secret}"}
    assert client.get("/api/v1/me", headers=headers).json()["name"] == "reader"
    wrong = client.get("/api/v1/me", headers={"Authorization": "Bearer x"})
    assert wrong.status_code == 401


def test_a_disabled_users_session_has_ended(world: World) -> None:
    client = _session(world)
    User.objects.filter(username="owner").update(is_active=False)
    assert client.get("/api/v1/me").status_code == 401


# --- what is written down -----------------------------------------------------------------------


def test_a_refusal_is_in_the_audit_log(world: World, cast: Cast) -> None:
    cast["reader"].call("DELETE", "teams/payments")
    event = AuditEvent.objects.get(action="api.team.delete")
    assert (event.actor, event.target, event.outcome) == ("reader", "teams/payments", "denied")
    assert event.credential.startswith("personal token all")


def test_no_secret_is_in_the_audit_log(world: World, cast: Cast) -> None:
    made = cast["owner"].post("tokens", {"name": "new"}).json()["secret"]
    password = cast["admin"].post("users/guest/reset-password").json()["password"]
    link = cast["owner"].post("teams/payments/invitations", {"role": "reader"}).json()["secret"]
    log = str(list(AuditEvent.objects.values_list()))
    for secret in (made, password, link, cast["owner"].secret):
        assert secret not in log
    assert not AccessToken.objects.filter(name__contains=made).exists()
