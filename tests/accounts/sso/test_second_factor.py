"""The second factor: turned on and off in the pages, asked for by browsers, and no way round it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import re
import struct
import time
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from accounts import tokens
from accounts.models import AuditEvent, User
from tests.accounts.sso.conftest import Provider

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(120)]

PASSWORD = "a password of hers"


# Codes change every 30 seconds; no test should care when.
NOW = time.time()


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "time", SimpleNamespace(time=lambda: NOW))
    cache.clear()  # used codes, and failures


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password=PASSWORD)


def code_at(secret: str, step: int) -> str:
    """RFC 6238, written down once more so that the tests do not believe the code under test."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def this_step() -> int:
    return int(NOW) // 30


def sign_in(browser: Client, password: str = PASSWORD, **form: str) -> Any:
    return browser.post("/sign-in", {"username": "ada", "password": password, **form})


def is_in(browser: Client) -> bool:
    return browser.get("/teams").status_code == 200


def turn_on(browser: Client) -> str:
    """Turn it on as the pages have it; the secret of the authenticator app."""
    assert browser.get("/settings/second-factor/on").status_code == 302  # asks for the password
    path = "/settings/confirm?next=/settings/second-factor/on"
    assert browser.post(path, {"password": PASSWORD}).status_code == 302
    page = browser.get("/settings/second-factor/on").content.decode()
    found = re.search(r"<code>([A-Z2-7]{32})</code>", page)
    assert found
    assert "data:image/svg+xml;base64," in page
    secret = found[1]
    wrong = browser.post("/settings/second-factor/on", {"code": "000000"})
    assert (wrong.status_code, Authenticator.objects.count()) == (200, 0)
    done = browser.post("/settings/second-factor/on", {"code": code_at(secret, this_step() - 1)})
    assert done.headers["Location"] == "/settings/second-factor/recovery-codes"
    return secret


@pytest.fixture
def secret(ada: User) -> str:
    """The secret of somebody who has it on."""
    browser = Client()
    sign_in(browser)
    return turn_on(browser)


def recovery_codes(browser: Client) -> list[str]:
    page = browser.get("/settings/second-factor/recovery-codes").content.decode()
    return re.findall(r"^\s*(?:<pre>)?(\d{8})\s*$", page, re.MULTILINE)


def test_a_browser_is_asked_for_a_code(secret: str, client: Client) -> None:
    answer = sign_in(client, next="/teams")
    assert answer.headers["Location"] == "/sign-in/code"
    assert not is_in(client)
    assert client.post("/sign-in/code", {"code": "123 456"}).status_code == 200
    assert not is_in(client)
    done = client.post("/sign-in/code", {"code": code_at(secret, this_step())})
    assert done.headers["Location"] == "/teams"
    assert is_in(client)
    events = AuditEvent.objects.filter(action="sign-in").order_by("-pk")
    assert events[0].credential == "password and code"
    assert (events[1].outcome, events[1].credential) == ("denied", "code")


def test_the_page_for_codes_is_of_no_use_without_the_password(secret: str, client: Client) -> None:
    form = {"code": code_at(secret, this_step())}
    assert client.post("/sign-in/code", form).headers["Location"] == "/oidc/sign-in/again"
    sign_in(client, password="wrong")
    assert client.post("/sign-in/code", form).headers["Location"] == "/oidc/sign-in/again"
    assert not is_in(client)


def test_a_code_is_good_once(secret: str) -> None:
    code = code_at(secret, this_step())
    first, second = Client(), Client()
    for browser in (first, second):
        sign_in(browser)
    assert first.post("/sign-in/code", {"code": code}).status_code == 302
    cache.clear()  # as another process has it
    again = second.post("/sign-in/code", {"code": code})
    assert "used already" in again.content.decode()
    assert not is_in(second)


def test_an_older_code_is_not_taken_after_a_newer_one(secret: str) -> None:
    step = this_step()
    first, second = Client(), Client()
    for browser, at, expected in ((first, step + 1, True), (second, step, False)):
        sign_in(browser)
        browser.post("/sign-in/code", {"code": code_at(secret, at)})
        assert is_in(browser) is expected


def test_recovery_codes_work_once_each(ada: User) -> None:
    owner, thief = Client(), Client()
    sign_in(owner)
    turn_on(owner)
    codes = recovery_codes(owner)
    assert len(set(codes)) == 10
    for browser, expected in ((Client(), True), (thief, False)):
        sign_in(browser)
        browser.post("/sign-in/code", {"code": codes[0]})
        assert is_in(browser) is expected
    owner.post("/settings/second-factor/recovery-codes/new")
    fresh = recovery_codes(owner)
    assert len(fresh) == 10
    assert not set(fresh) & set(codes)


def test_guesses_are_slowed_down(secret: str, client: Client) -> None:
    sign_in(client)
    for _ in range(12):
        page = client.post("/sign-in/code", {"code": "000000"}).content.decode()
    assert "oo many" in page
    client.post("/sign-in/code", {"code": code_at(secret, this_step())})
    assert not is_in(client)


def basic(password: str) -> dict[str, str]:
    credentials = base64.b64encode(f"ada:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {credentials}"}


def test_programs_need_an_access_token(secret: str, ada: User, client: Client) -> None:
    for path in ("/token?service=berth", "/v2/"):
        answer = client.get(path, headers=basic(PASSWORD))
        assert answer.status_code == 401
        assert "access token" in answer.json()["errors"][0]["message"]
        wrong = client.get(path, headers=basic("wrong")).json()["errors"][0]["message"]
        assert "second factor" not in wrong  # only whoever has the password learns of it
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD, "service": "berth"}
    posted = client.post("/token", "&".join(f"{k}={v}" for k, v in form.items()), "text/plain")
    assert posted.status_code == 401
    _, token = tokens.create(owner=ada, name="laptop")
    for path in ("/token?service=berth", "/v2/"):
        assert client.get(path, headers=basic(token)).status_code == 200


def test_a_password_that_was_remembered_does_not_help(ada: User, client: Client) -> None:
    assert client.get("/v2/", headers=basic(PASSWORD)).status_code == 200
    browser = Client()
    sign_in(browser)
    turn_on(browser)
    assert client.get("/v2/", headers=basic(PASSWORD)).status_code == 401


def test_the_admins_own_sign_in_does_not_go_round_it(
    secret: str, ada: User, client: Client
) -> None:
    User.objects.update(is_staff=True, is_superuser=True)
    form = {"username": "ada", "password": PASSWORD, "next": "/admin/"}
    for path in ("/admin/login/", "/admin/"):
        end = client.post(path, form, follow=True).redirect_chain[-1][0]
        assert end.startswith("/sign-in")
    assert client.get("/admin/").status_code == 302


def test_it_can_be_turned_off_after_proving_who_one_is(secret: str) -> None:
    browser = Client()
    sign_in(browser)
    browser.post("/sign-in/code", {"code": code_at(secret, this_step())})
    off = browser.post("/settings/second-factor/off")
    assert off.status_code == 302
    assert off.headers["Location"].startswith("/settings/confirm")
    assert Authenticator.objects.exists()
    browser.post("/settings/confirm?next=/settings/second-factor", {"password": PASSWORD})
    assert browser.post("/settings/second-factor/off").status_code == 302
    assert not Authenticator.objects.exists()
    plain = Client()
    assert sign_in(plain).headers["Location"] == "/"
    assert is_in(plain)


@pytest.mark.django_db(transaction=True)  # allauth tells of them once they are committed
def test_each_change_is_in_the_audit_log_once(ada: User) -> None:
    browser = Client()
    sign_in(browser)
    turn_on(browser)
    browser.post("/settings/second-factor/recovery-codes/new")
    browser.post("/settings/second-factor/off")
    events = AuditEvent.objects.filter(action__startswith="user.").order_by("pk")
    assert [(event.action, event.actor, event.target) for event in events] == [
        ("user.add-second-factor", "ada", "ada"),
        ("user.renew-recovery-codes", "ada", "ada"),
        ("user.remove-second-factor", "ada", "ada"),
    ]
    assert {event.credential for event in events} == {"browser session"}


def test_secrets_are_not_kept_in_the_clear(secret: str) -> None:
    stored = "".join(str(data) for data in Authenticator.objects.values_list("data", flat=True))
    assert secret not in stored
    assert stored.count("gAAAA") == 2  # Fernet tokens: the secret, and the seed of recovery codes


def test_a_user_who_is_disabled_meanwhile_stays_out(secret: str, ada: User, client: Client) -> None:
    sign_in(client)
    User.objects.update(is_active=False)
    answer = client.post("/sign-in/code", {"code": code_at(secret, this_step())})
    assert answer.status_code == 403
    assert not is_in(client)


def test_strangers_are_sent_to_sign_in(client: Client) -> None:
    for page in ("", "/on", "/off", "/recovery-codes", "/recovery-codes/new"):
        answer = client.get(f"/settings/second-factor{page}")
        assert answer.status_code == 302, page
        assert "sign-in" in answer.headers["Location"]


def test_single_sign_on_asks_for_it_too(provider: Provider, browse: Any, client: Client) -> None:
    provider.put("ada")
    browse("ada")
    user = User.objects.get()
    # Nothing here proves who they are but the provider, so it may be turned on at once.
    page = client.get("/settings/second-factor/on").content.decode()
    found = re.search(r"<code>([A-Z2-7]{32})</code>", page)
    assert found
    form = {"code": code_at(found[1], this_step() - 1)}
    assert client.post("/settings/second-factor/on", form).status_code == 302
    other = Client()
    answer = browse("ada", browser=other)
    assert answer.headers["Location"] == "/sign-in/code"
    assert not is_in(other)
    other.post("/sign-in/code", {"code": code_at(found[1], this_step())})
    assert other.session["_auth_user_id"] == str(user.pk)


def test_an_administrator_lets_somebody_in_who_lost_it(secret: str, client: Client) -> None:
    admin = Client()
    admin.force_login(User.objects.create_superuser("admin"))
    assert "Remove the second factor" in admin.get("/manage/users/ada").content.decode()
    admin.post("/manage/users/ada/remove-second-factor")
    assert "Remove the second factor" not in admin.get("/manage/users/ada").content.decode()
    sign_in(client)
    assert is_in(client)
    event = AuditEvent.objects.get(action="user.remove-second-factor")
    assert (event.actor, event.target) == ("admin", "ada")


def test_an_operator_lets_somebody_in_who_lost_it(secret: str, client: Client) -> None:
    call_command("remove_second_factor", "ada", stderr=io.StringIO())
    sign_in(client)
    assert is_in(client)
    assert AuditEvent.objects.filter(action="user.remove-second-factor", target="ada").exists()
