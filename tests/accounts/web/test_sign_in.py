"""Signing in and out."""

import re

import pytest
from django.conf import settings
from django.test import Client, override_settings

from accounts import throttle
from accounts.models import AuditEvent, SignInFailure, User

PASSWORD = "correct horse battery staple"

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password=PASSWORD)


def send(client: Client, **data: str) -> tuple[int, str, str]:
    """Status, where to, and the page."""
    answer = client.post("/sign-in", {"username": "alice", "password": PASSWORD, **data})
    return answer.status_code, answer.headers.get("Location", ""), answer.content.decode()


def signed_in(client: Client) -> bool:
    return client.get("/settings/profile").status_code == 200


def test_the_right_password_signs_in_and_leads_to_where_one_was_going(
    client: Client, alice: User
) -> None:
    assert client.get("/teams?after=a").headers["Location"] == "/sign-in?next=/teams%3Fafter%3Da"
    status, location, _ = send(client, next="/teams?after=a")
    assert (status, location) == (302, "/teams?after=a")
    assert signed_in(client)
    event = AuditEvent.objects.get(action="sign-in")
    assert (event.actor, event.address, event.credential) == ("alice", "127.0.0.1", "password")


def test_unknown_name_and_wrong_password_are_told_in_the_same_words(
    client: Client, alice: User
) -> None:
    _, _, wrong = send(client, password="wrong")
    _, _, unknown = send(client, username="nobody", password="wrong")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    _, _, disabled = send(client)
    assert not signed_in(client)
    assert "do not go together" in wrong
    plain = [_without_tokens(page) for page in (wrong, unknown, disabled)]
    assert plain[0] == plain[1].replace('value="nobody"', 'value="alice"') == plain[2]


def _without_tokens(page: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)


def test_what_was_typed_stays_but_for_the_password(client: Client, alice: User) -> None:
    _, _, page = send(client, password="wrong-canary")
    assert 'value="alice"' in page
    assert "wrong-canary" not in page


def test_guessing_is_slowed_down_for_the_address_that_guesses_only(
    client: Client, alice: User
) -> None:
    for _ in range(throttle.FREE_FAILURES):
        assert send(client, password="wrong")[0] == 200
    answer = client.post("/sign-in", {"username": "alice", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "too many attempts" in answer.content.decode()
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert send(elsewhere)[0] == 302


def test_an_untrusted_peer_cannot_borrow_an_address(alice: User) -> None:
    client = Client(REMOTE_ADDR="192.0.2.7", headers={"X-Forwarded-For": "198.51.100.1"})
    send(client, password="wrong")
    assert SignInFailure.objects.get().address == "192.0.2.7"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "\x00/",
        " //evil.example",
        "evil.example",
        "http://testserver@evil.example/",
    ],
)
def test_next_stays_on_this_site(client: Client, alice: User, target: str) -> None:
    assert send(client, next=target)[:2] == (302, "/")
    assert client.get("/sign-in", {"next": target}).headers["Location"] == "/"
    assert client.post("/appearance", {"next": target}).headers["Location"] == "/"


def test_the_session_gets_a_new_key(client: Client, alice: User) -> None:
    planted = client.session
    planted["x"] = 1
    planted.save()
    before = client.cookies[settings.SESSION_COOKIE_NAME].value
    send(client)
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != before


def test_the_cookie_is_for_this_site_and_no_script(client: Client, alice: User) -> None:
    send(client)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_signing_out_takes_a_form(client: Client, alice: User) -> None:
    send(client)
    assert client.get("/sign-out").status_code == 405
    assert signed_in(client)
    assert client.post("/sign-out").status_code == 302
    assert not signed_in(client)


def test_a_disabled_user_is_out_at_once(client: Client, alice: User) -> None:
    send(client)
    User.objects.update(is_active=False)
    assert not signed_in(client)


def test_an_access_token_is_no_password_here(client: Client, alice: User) -> None:
    status, _, page = send(client, password="berth_pat_" + "a" * 32)
    assert status == 200
    assert "do not go together" in page


@pytest.mark.parametrize("field", ["username", "password"])
@pytest.mark.parametrize("value", ["\x00", "a\x00b", "x" * 5000, ""])
def test_odd_input_is_refused_beside_its_field(
    client: Client, alice: User, field: str, value: str
) -> None:
    status, _, page = send(client, **{field: value})
    assert status == 200
    assert f'id="id_{field}_error"' in page


def test_forms_work_behind_a_proxy_that_ends_tls(alice: User) -> None:
    """Without knowing the browser's scheme and host Django would take them for another site's."""
    client = Client(
        enforce_csrf_checks=True,
        headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "registry.example.com"},
    )
    page = client.get("/sign-in").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    data = {"username": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    origin = {"Origin": "https://registry.example.com"}
    assert client.post("/sign-in", data, headers=origin).status_code == 302
    foreign = {"Origin": "https://evil.example"}
    assert client.post("/sign-out", data, headers=foreign).status_code == 403


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_theme_is_remembered(client: Client, theme: str) -> None:
    answer = client.post("/appearance", {"theme": theme, "next": "/sign-in"})
    assert answer.headers["Location"] == "/sign-in"
    assert f'data-theme="{theme}"' in client.get("/sign-in").content.decode()


def test_an_unknown_theme_changes_nothing(client: Client) -> None:
    client.post("/appearance", {"theme": '"><script>'})
    assert "berth_theme" not in client.cookies
    client.cookies["berth_theme"] = '"><script>alert(1)</script>'
    assert "<script>alert" not in client.get("/sign-in").content.decode()


@override_settings(PUBLIC_URL="https://registry.example.com")
def test_pages_show_the_public_address(client: Client) -> None:
    assert "docker login registry.example.com" in client.get("/").content.decode()
