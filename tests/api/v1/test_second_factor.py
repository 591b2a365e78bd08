"""The second factor by the API: as the pages have it, and no way to weaken anybody's sign-in."""

import base64
import re
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from django.core import signing
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from accounts import own_second_factor, throttle, tokens
from accounts.models import AuditEvent, User
from repositories.oci.scopes import TokenScope
from tests.accounts.sso.test_second_factor import code_at
from tests.api.v1.conftest import Caller, Cast, World, problem

PASSWORD = "a password of hers"
PROOF = {"password": PASSWORD}
FACTOR = "me/second-factor"
NOW = time.time()
STEP = int(NOW) // 30


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(auth, "time", SimpleNamespace(time=lambda: NOW))
    cache.clear()  # used codes


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def caller(ada: User) -> Caller:
    return Caller("ada", tokens.create(owner=ada, name="all")[1])


def set_up(caller: Caller, **proof: str) -> dict[str, Any]:
    answer = caller.post(f"{FACTOR}/setup", proof)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def turn_on(caller: Caller, **proof: str) -> tuple[str, list[str]]:
    """The secret, and the recovery codes."""
    made = set_up(caller, **proof)
    body = {"setup": made["setup"], "code": code_at(made["secret"], STEP - 1), **proof}
    answer = caller.post(FACTOR, body)
    assert answer.status_code == 201, answer.content
    return made["secret"], answer.json()["recovery_codes"]


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"ada:{password}".encode()).decode("ascii")


def is_on() -> bool:
    return bool(Authenticator.objects.exists())


def test_nothing_is_on_before_a_code_confirms_it(caller: Caller) -> None:
    assert caller.get(FACTOR).json() == {"is_on": False, "recovery_codes_left": 0}
    made = set_up(caller, **PROOF)
    assert not is_on()
    url = urlsplit(made["otpauth_url"])
    assert (url.scheme, url.netloc, url.path) == ("otpauth", "totp", "/ada")
    assert parse_qs(url.query)["secret"] == [made["secret"]]
    wrong = {"setup": made["setup"], "code": code_at(made["secret"], STEP + 9), **PROOF}
    assert set(problem(caller.post(FACTOR, wrong))["errors"]) == {"code"}
    assert not is_on()


def test_it_is_on_for_browsers_and_programs_once_confirmed(caller: Caller) -> None:
    secret, codes = turn_on(caller, **PROOF)
    assert len(set(codes)) == 10
    assert caller.get(FACTOR).json() == {"is_on": True, "recovery_codes_left": 10}
    assert Caller("ada").get("me", Authorization=basic(PASSWORD)).status_code == 401
    browser = Client()
    form = {"username": "ada", "password": PASSWORD}
    assert browser.post("/sign-in", form)["Location"] == "/sign-in/code"
    used = browser.post("/sign-in/code", {"code": code_at(secret, STEP - 1)})
    assert used.status_code == 200  # the code that confirmed it is used up
    assert browser.post("/sign-in/code", {"code": codes[0]}).status_code == 302
    assert caller.get(FACTOR).json()["recovery_codes_left"] == 9
    assert AuditEvent.objects.filter(action="user.add-second-factor", actor="ada").count() == 1


def test_one_does_not_replace_another(caller: Caller) -> None:
    made = set_up(caller, **PROOF)
    turn_on(caller, **PROOF)
    body = {"setup": made["setup"], "code": code_at(made["secret"], STEP), **PROOF}
    for answer in (caller.post(f"{FACTOR}/setup", PROOF), caller.post(FACTOR, body)):
        assert "already" in problem(answer)["detail"]


def test_a_set_up_is_ones_own_and_recent(
    caller: Caller, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.users["stranger"]
    foreign = signing.dumps([other.pk, "A" * 32], salt=own_second_factor._SALT)
    elsewhere = signing.dumps([User.objects.get(username="ada").pk, "A" * 32])
    made = set_up(caller, **PROOF)["setup"]
    for setup in (foreign, elsewhere, made[:-1], "x", ":", "a:b:c"):
        body = {"setup": setup, "code": code_at("A" * 32, STEP), **PROOF}
        assert set(problem(caller.post(FACTOR, body))["errors"]) == {"setup"}
    monkeypatch.setattr(own_second_factor, "SETUP_SECONDS", -1)
    late = problem(caller.post(FACTOR, {"setup": made, "code": "000000", **PROOF}))
    assert set(late["errors"]) == {"setup"}
    assert not is_on()


CHANGES = {
    "setup": {},
    "": {"setup": "x", "code": "000000"},
    "recovery-codes": {},
    "remove": {},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("password", [None, "a guess"])
def test_a_token_alone_changes_nothing(change: str, password: str | None, caller: Caller) -> None:
    """Whoever finds a token, or an open browser, must not come by a way to sign in."""
    on = change in ("recovery-codes", "remove")
    if on:
        turn_on(caller, **PROOF)
    before = list(Authenticator.objects.values_list("pk", "data"))
    body = CHANGES[change] | ({"password": password} if password else {})
    answer = problem(caller.post(f"{FACTOR}/{change}".rstrip("/"), body))
    assert (answer["status"], set(answer["errors"])) == (400, {"password"})
    assert list(Authenticator.objects.values_list("pk", "data")) == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_token_with_scopes_changes_nothing_whatever_else_it_shows(
    change: str, caller: Caller, ada: User
) -> None:
    """It is for pushing and pulling, as for a change of the password."""
    turn_on(caller, **PROOF)
    scopes = [TokenScope.parse("*:pull,push,delete")]
    scoped = Caller("scoped", tokens.create(owner=ada, name="some", scopes=scopes)[1])
    path = f"{FACTOR}/{change}".rstrip("/")
    assert scoped.post(path, CHANGES[change] | PROOF).status_code == 403
    assert scoped.get(FACTOR).status_code == 403
    body = {"old_password": PASSWORD, "new_password": "another horse battery"}
    assert scoped.post("me/password", body).status_code == 403


def test_the_password_is_guessed_no_faster_than_at_the_sign_in(caller: Caller) -> None:
    for _ in range(throttle.FREE_FAILURES):
        assert caller.post(f"{FACTOR}/setup", {"password": "a guess"}).status_code == 400
    answer = caller.post(f"{FACTOR}/setup", PROOF)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0


def test_new_recovery_codes_replace_the_old_ones(caller: Caller) -> None:
    assert "no second factor" in problem(caller.post(f"{FACTOR}/recovery-codes", PROOF))["detail"]
    _, old = turn_on(caller, **PROOF)
    answer = caller.post(f"{FACTOR}/recovery-codes", PROOF)
    assert answer.status_code == 201
    new = answer.json()["recovery_codes"]
    assert len(new) == 10
    assert not set(old) & set(new)
    assert all(re.fullmatch("[0-9]{8}", code) for code in new)
    assert caller.post(f"{FACTOR}/remove", {"code": old[0]}).status_code == 400
    assert caller.post(f"{FACTOR}/remove", {"code": new[0]}).status_code == 204


@pytest.mark.parametrize("by", ["password", "code of the app", "recovery code"])
def test_it_is_removed_by_who_shows_who_they_are(by: str, caller: Caller) -> None:
    secret, codes = turn_on(caller, **PROOF)
    proof = {
        "password": PROOF,
        "code of the app": {"code": code_at(secret, STEP)},
        "recovery code": {"code": codes[3]},
    }[by]
    assert caller.post(f"{FACTOR}/remove", proof).status_code == 204
    assert not is_on()
    assert Caller("ada").get("me", Authorization=basic(PASSWORD)).status_code == 200
    assert AuditEvent.objects.filter(action="user.remove-second-factor", actor="ada").exists()
    assert caller.post(f"{FACTOR}/remove", PROOF).status_code == 400


def test_codes_are_guessed_slowly_from_wherever_the_guesses_come(caller: Caller) -> None:
    secret, _ = turn_on(caller, **PROOF)
    for number in range(throttle.FREE_FAILURES):
        address = {"X-Forwarded-For": f"198.51.100.{number}"}
        assert caller.post(f"{FACTOR}/remove", {"code": "000000"}, **address).status_code == 400
    late = caller.post(f"{FACTOR}/remove", {"code": code_at(secret, STEP)})
    assert late.status_code == 429
    browser = Client()
    browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    page = browser.post("/sign-in/code", {"code": code_at(secret, STEP)}).content.decode()
    assert "too many attempts" in page
    assert is_on()


def test_a_code_of_nobody_is_no_failure(caller: Caller) -> None:
    for _ in range(throttle.FREE_FAILURES + 2):
        answer = problem(caller.post(f"{FACTOR}/remove", {"code": "000000"}))
        assert "no second factor" in answer["detail"]


def test_guesses_of_ones_codes_keep_nobody_else_out(caller: Caller, world: World) -> None:
    turn_on(caller, **PROOF)
    for _ in range(throttle.FREE_FAILURES):
        caller.post(f"{FACTOR}/remove", {"code": "000000"})
    other = Caller("stranger", tokens.create(owner=world.users["stranger"], name="all")[1])
    _, codes = turn_on(other)
    assert other.post(f"{FACTOR}/remove", {"code": codes[0]}).status_code == 204


def test_whoever_has_no_password_here_shows_a_code(world: World, cast: Cast) -> None:
    """As on the page: single sign-on keeps the password, so at first there is none to ask for."""
    caller = cast["owner"]
    secret, _ = turn_on(caller)
    assert set(problem(caller.post(f"{FACTOR}/remove", {}))["errors"]) == {"password"}
    code = code_at(secret, STEP)
    assert caller.post(f"{FACTOR}/remove", {"code": code}).status_code == 204


@pytest.mark.parametrize(
    "code",
    [
        "",
        "12345",
        "1" * 21,
        "\x00" * 6,
        "\N{FULLWIDTH DIGIT ONE}" * 6,
        "abcdef",
        123456,
        None,
        ["1"],
        {},
    ],
)
def test_what_is_no_code_is_said_to_be_none(code: object, caller: Caller) -> None:
    turn_on(caller, **PROOF)
    answer = problem(caller.post(f"{FACTOR}/remove", {"code": code}))
    assert (answer["status"], set(answer["errors"])) == (400, {"code"})


def test_an_administrator_lets_somebody_in_who_lost_it(caller: Caller, cast: Cast) -> None:
    turn_on(caller, **PROOF)
    for who, status in (("owner", 403), ("admin", 204), ("admin", 204)):
        assert cast[who].call("DELETE", "users/ada/second-factor").status_code == status
    assert not is_on()
    events = AuditEvent.objects.filter(action="user.remove-second-factor", actor="admin")
    assert [event.target for event in events] == ["ada"]
    assert cast["admin"].call("DELETE", "users/who/second-factor").status_code == 404


def test_secrets_are_in_no_log_and_kept_by_nobody(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    secret, codes = turn_on(caller, **PROOF)
    kept = f"{list(AuditEvent.objects.values())}{list(Authenticator.objects.values())}"
    for hidden in (secret, PASSWORD, *codes):
        assert hidden not in kept + caplog.text
