"""Secrets are on one page, once; nowhere else, and in no log."""

import re

import pytest
from django.test import Client

from accounts import authentication, tokens
from accounts.models import AccessToken, AuditEvent, BrowserSession, Invitation, User
from accounts.sessions import SessionStore
from tests.accounts.web.conftest import World

SECRET = re.compile(r"berth_(?:pat|bot)_[0-9A-Za-z]{32}")


def everything_kept() -> str:
    """What the database holds of events, tokens and sessions, as text."""
    sessions = [str(tokens_of(session)) for session in BrowserSession.objects.all()]
    rows = [*AuditEvent.objects.values(), *AccessToken.objects.values()]
    return "\n".join([*map(str, rows), *sessions])


def tokens_of(session: BrowserSession) -> object:
    return SessionStore().decode(session.session_data)


def pages_of(client: Client, *addresses: str) -> str:
    return "\n".join(client.get(address).content.decode() for address in addresses)


def test_a_personal_token_is_shown_once_with_what_to_paste(world: World) -> None:
    client = world.client("writer")
    data = {"name": "laptop", "scopes": "payments/*:pull", "expires": "7"}
    answer = client.post("/settings/tokens/new", data)
    page = answer.content.decode()
    (secret,) = set(SECRET.findall(page))
    assert answer.headers["Cache-Control"] == "no-store"
    for snippet in (
        "docker login --username writer testserver",
        "podman login --username writer testserver",
        "kubectl create secret docker-registry",
        f"--docker-password={secret}",
        "image: testserver/team/app:latest",
        "password: ${{ secrets.BERTH_TOKEN }}",
        "docker login --username writer --password-stdin testserver",
    ):
        assert snippet in page
    found = tokens.find(secret=secret, account="writer")
    assert found is not None
    assert found.scopes == "payments/*:pull"
    later = pages_of(client, "/settings/tokens", "/settings/sessions", "/settings/tokens/new")
    assert f"…{secret[-4:]}" in later
    assert secret not in later + everything_kept()


def test_a_robots_token_is_shown_once(world: World) -> None:
    client = world.client("owner")
    address = f"/teams/payments/robots/{world.robot.pk}"
    page = client.post(address, {"name": "b", "scopes": "", "expires": ""}).content.decode()
    (secret,) = set(SECRET.findall(page))
    assert "docker login --username robot-payments-ci testserver" in page
    assert secret not in pages_of(client, address, "/teams/payments/robots") + everything_kept()
    assert tokens.find(secret=secret, account="robot-payments-ci") is not None


def test_an_invitations_link_is_shown_once_and_works_once(world: World) -> None:
    client = world.client("owner")
    page = client.post("/teams/payments/invitations", {"role": "20"}).content.decode()
    found = re.search(r"http://testserver(/invitations/\S+?)<", page)
    assert found is not None
    link = found[1]
    assert link not in pages_of(client, "/teams/payments/invitations") + everything_kept()
    stranger = world.client("stranger")
    assert "Join the team payments?" in stranger.get(link).content.decode()
    assert stranger.post(link).headers["Location"] == "/teams/payments"
    assert stranger.get("/teams/payments").status_code == 200
    assert world.client("guest").get(link).status_code == 404
    assert world.client("guest").post(link).status_code == 404


def test_a_withdrawn_invitation_leads_nowhere(world: World) -> None:
    address = f"/teams/payments/invitations/{world.invitation_id}/withdraw"
    assert world.client("owner").post(address).status_code == 302
    assert not Invitation.objects.exists()
    link = f"/invitations/{world.invitation_secret}"
    assert world.client("stranger").get(link).status_code == 404


def shown_password(page: str) -> str:
    found = re.search(r"<pre[^>]*>([\w-]{16})</pre>", page)
    assert found is not None
    return found[1]


def test_a_new_users_password_is_shown_once_and_signs_in(world: World) -> None:
    client = world.client("admin")
    data = {"username": "newcomer", "email": "", "has_password": "on"}
    page = client.post("/manage/new-user", data).content.decode()
    password = shown_password(page)
    later = pages_of(client, "/manage/users", "/manage/users/newcomer", "/manage/audit")
    assert password not in later + everything_kept()
    user = authentication.check_password(name="newcomer", password=password, address="192.0.2.1")
    assert not user.is_superuser


def test_a_reset_ends_the_old_password_and_all_sessions(world: World) -> None:
    reader = world.client("reader")
    page = world.client("admin").post("/manage/users/reader/reset-password").content.decode()
    password = shown_password(page)
    assert password not in everything_kept()
    assert reader.get("/settings/profile").status_code == 302
    assert not AccessToken.objects.filter(pk=world.login.pk).exists()
    assert AccessToken.objects.filter(pk=world.token.pk).exists()
    assert User.objects.get(username="reader").check_password(password)


@pytest.mark.parametrize("who", ["reader", "owner", "admin"])
def test_no_list_shows_more_of_a_token_than_its_hint(world: World, who: str) -> None:
    page = pages_of(world.client(who), "/settings/tokens", "/settings/sessions")
    assert not SECRET.search(page)
    assert world.token.secret_hash.hex() not in page
