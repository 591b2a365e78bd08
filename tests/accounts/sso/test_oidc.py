"""Signing in by an OpenID provider that runs here, through the pages, as a browser does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import LazySettings
from django.test import Client

from accounts.models import AuditEvent, Membership, Team, User
from tests.accounts.sso.conftest import CALLBACK, Provider

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(120)]

Browse = Callable[..., Any]
Role = Membership.Role


def who(client: Client) -> str | None:
    """The user of a browser's session."""
    user_id = client.session.get("_auth_user_id")
    return User.objects.get(pk=user_id).username if user_id else None


def roles(user: str) -> dict[str, int]:
    return dict(Membership.objects.filter(user__username=user).values_list("team__name", "role"))


def test_the_first_sign_in_makes_a_user_and_the_second_finds_them(
    provider: Provider, browse: Browse, client: Client
) -> None:
    provider.put("Ada.Lovelace", email="ada@example.com")
    answer = browse("Ada.Lovelace")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    user = User.objects.get()
    assert who(client) == user.username == "ada.lovelace"
    assert (user.source, user.email) == (User.Source.OIDC, "ada@example.com")
    assert not user.has_usable_password()
    assert not user.is_superuser

    browse("Ada.Lovelace", browser=(again := Client()))
    assert who(again) == "ada.lovelace"
    assert User.objects.count() == 1
    events = list(AuditEvent.objects.order_by("pk").values_list("action", "actor", "credential"))
    assert events == [
        ("user.create", "ada.lovelace", "single sign-on"),
        ("sign-in", "ada.lovelace", "single sign-on"),
        ("sign-in", "ada.lovelace", "single sign-on"),
    ]


def test_what_is_asked_of_the_provider_does_not_depend_on_the_link(
    provider: Provider, client: Client
) -> None:
    evil = "?scope=admin&auth_params=redirect_uri%3Dhttps%3A%2F%2Fevil.example"
    location = client.get(f"/oidc/sign-in{evil}").headers["Location"]
    assert location.startswith(provider.issuer)
    asked = parse_qs(urlsplit(location).query)
    assert asked["redirect_uri"] == [CALLBACK]
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"}
    assert asked["code_challenge_method"] == ["S256"]


def test_the_redirection_address_is_the_public_one(
    provider: Provider, client: Client, settings: LazySettings
) -> None:
    settings.PUBLIC_URL = "https://registry.example.com"
    asked = parse_qs(urlsplit(client.get("/oidc/sign-in").headers["Location"]).query)
    assert asked["redirect_uri"] == ["https://registry.example.com/oidc/callback"]
    settings.PUBLIC_URL = ""
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "front.example.com"}
    asked = parse_qs(
        urlsplit(client.get("/oidc/sign-in", headers=forwarded).headers["Location"]).query
    )
    assert asked["redirect_uri"] == ["https://front.example.com/oidc/callback"]


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "\\\\evil.example"])
def test_it_leads_to_nowhere_but_this_site(provider: Provider, browse: Browse, target: str) -> None:
    provider.put("ada")
    assert browse("ada", query=f"?next={target}").headers["Location"] == "/"
    assert browse("ada", query="?next=/teams", browser=Client()).headers["Location"] == "/teams"


def test_a_name_that_a_local_user_has_is_not_taken_over(
    provider: Provider, browse: Browse, client: Client, administrator: Any
) -> None:
    provider.put("mallory", preferred_username="root")
    answer = browse("mallory")
    assert answer.status_code == 403
    assert "sign in as before and connect single sign-on" in answer.content.decode()
    assert who(client) is None
    assert not SocialAccount.objects.exists()
    assert AuditEvent.objects.filter(action="sign-in", actor="root", outcome="denied").exists()


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ("library", "reserved"),
        ("oidc", "reserved"),
        ("payments", "A team has that name"),
        ("@example.com", "cannot be a user here"),
        ("Москва", "cannot be a user here"),
        (7, "cannot be a user here"),
    ],
)
def test_names_that_cannot_be_a_user(
    provider: Provider, browse: Browse, client: Client, team: Team, claim: object, why: str
) -> None:
    provider.put("odd", preferred_username=claim)
    answer = browse("odd")
    assert answer.status_code == 403
    assert why in answer.content.decode()
    assert who(client) is None


def test_a_local_user_who_connects_the_provider_signs_in_by_it(
    provider: Provider, browse: Browse, client: Client
) -> None:
    local = User.objects.create_user("ada", password="a local password")
    provider.put("ada")
    client.force_login(local)
    asks_again = browse("ada", query="?process=connect")
    assert asks_again.headers["Location"] == "/settings/confirm"
    assert not SocialAccount.objects.exists()
    wrong = client.post("/settings/confirm", {"password": "not that"})
    assert (wrong.status_code, SocialAccount.objects.count()) == (200, 0)
    done = client.post("/settings/confirm", {"password": "a local password"})
    assert done.headers["Location"] == "/settings/connections"
    assert SocialAccount.objects.get().user == local

    browse("ada", browser=(other := Client()))
    assert who(other) == "ada"
    local.refresh_from_db()
    assert (local.source, local.check_password("a local password")) == ("local", True)


def test_the_page_of_connections(provider: Provider, browse: Browse, client: Client) -> None:
    local = User.objects.create_user("ada", password="a local password")
    provider.put("ada")
    client.force_login(local)
    page = client.get("/settings/connections").content.decode()
    assert "Connect Example" in page
    assert "/oidc/sign-in?process=connect" in page
    browse("ada", query="?process=connect")
    client.post("/settings/confirm", {"password": "a local password"})
    page = client.get("/settings/connections").content.decode()
    assert provider.issuer in page

    connection = SocialAccount.objects.get()
    stranger = Client()
    stranger.force_login(User.objects.create_user("eve", password="another"))
    stranger.post("/settings/connections", {"account": connection.pk})
    assert SocialAccount.objects.exists()
    client.post("/settings/connections", {"account": connection.pk})
    assert not SocialAccount.objects.exists()


def test_the_only_way_in_cannot_be_disconnected(
    provider: Provider, browse: Browse, client: Client
) -> None:
    provider.put("ada")
    browse("ada")
    answer = client.post("/settings/connections", {"account": SocialAccount.objects.get().pk})
    assert answer.status_code == 200
    assert "no password" in answer.content.decode()
    assert SocialAccount.objects.exists()


def test_who_cannot_prove_who_they_are_cannot_connect(
    provider: Provider, browse: Browse, client: Client
) -> None:
    directory = User.objects.create(username="eve", source=User.Source.LDAP)
    directory.set_unusable_password()
    directory.save()
    client.force_login(directory)
    provider.put("ada")
    assert browse("ada", query="?process=connect").status_code == 403
    assert not SocialAccount.objects.exists()


def test_a_disabled_user_stays_out(provider: Provider, browse: Browse) -> None:
    provider.put("ada", groups=["ops"])
    browse("ada")
    User.objects.update(is_active=False)
    browser = Client()
    answer = browse("ada", browser=browser)
    assert answer.status_code == 403
    assert "disabled" in answer.content.decode()
    assert who(browser) is None
    assert AuditEvent.objects.filter(outcome="denied", credential="disabled user").exists()


def test_groups_give_teams_and_take_them_back(
    provider: Provider, browse: Browse, configure: Any
) -> None:
    mapping = "devs=payments:reader,leads=payments:maintainer,ops=infra:owner"
    configure({"REGISTRY_GROUP_TEAMS": mapping})
    Team.objects.create(name="payments")
    provider.put("ada", groups=["devs", "leads", "ops", "others"])
    browse("ada")
    assert roles("ada") == {"payments": Role.MAINTAINER, "infra": Role.OWNER}

    by_hand = Team.objects.create(name="by-hand")
    ada = User.objects.get(username="ada")
    Membership.objects.create(team=by_hand, user=ada, role=Role.WRITER)
    provider.put("ada", groups=["devs"])
    browse("ada", browser=Client())
    assert roles("ada") == {"payments": Role.READER, "by-hand": Role.WRITER}

    provider.put("ada")  # no groups at all
    browse("ada", browser=Client())
    assert roles("ada") == {"by-hand": Role.WRITER}
    changes = AuditEvent.objects.filter(action="user.apply-groups").order_by("pk")
    assert [event.detail for event in changes] == [
        {"payments": "maintainer", "infra": "owner"},
        {"infra": "removed", "payments": "reader"},
        {"payments": "removed"},
    ]


def test_what_was_given_by_hand_is_left_as_it_is(
    provider: Provider, browse: Browse, configure: Any
) -> None:
    configure({"REGISTRY_GROUP_TEAMS": "devs=payments:writer"})
    provider.put("ada")
    browse("ada")
    team = Team.objects.create(name="payments")
    ada = User.objects.get()
    Membership.objects.create(team=team, user=ada, role=Role.OWNER)
    for groups in (["devs"], []):
        provider.put("ada", groups=groups)
        browse("ada", browser=Client())
        assert roles("ada") == {"payments": Role.OWNER}


def test_the_administrators_group(
    provider: Provider, browse: Browse, settings: LazySettings
) -> None:
    settings.ADMIN_GROUP = "registry-admins"
    provider.put("ada", groups=["registry-admins"])
    browse("ada")
    assert User.objects.filter(is_superuser=True, is_staff=True).count() == 1
    provider.put("ada", groups=["something else"])
    browse("ada", browser=Client())
    assert User.objects.filter(is_superuser=False, is_staff=False).count() == 1

    User.objects.update(is_superuser=True, is_staff=True)  # by hand
    for groups in (["registry-admins"], []):
        provider.put("ada", groups=groups)
        browse("ada", browser=Client())
        assert User.objects.get().is_superuser


def test_without_an_administrators_group_nobody_becomes_one(
    provider: Provider, browse: Browse
) -> None:
    provider.put("ada", groups=["", "admin", "registry-admins"])
    browse("ada")
    assert not User.objects.get().is_superuser


def test_a_group_for_a_team_of_a_users_name_gives_nothing(
    provider: Provider, browse: Browse, configure: Any, stranger: Any
) -> None:
    configure({"REGISTRY_GROUP_TEAMS": "devs=stranger:owner"})
    provider.put("ada", groups=["devs"])
    browse("ada")
    assert roles("ada") == {}
    assert not Team.objects.filter(name="stranger").exists()


def test_groups_that_only_the_id_token_has(
    provider: Provider, browse: Browse, configure: Any
) -> None:
    configure({"REGISTRY_GROUP_TEAMS": "devs=payments:writer"})
    provider.put_claims("ada", {"id_token": {"groups": ["devs"]}})
    browse("ada")
    assert roles("ada") == {"payments": Role.WRITER}


def test_too_many_groups_for_the_claim_change_nothing(
    provider: Provider, browse: Browse, configure: Any
) -> None:
    configure({"REGISTRY_GROUP_TEAMS": "devs=payments:writer"})
    provider.put("ada", groups=["devs"])
    browse("ada")
    provider.put("ada", _claim_names={"groups": "src1"})
    browse("ada", browser=Client())
    assert roles("ada") == {"payments": Role.WRITER}


def test_user_info_of_somebody_else_is_refused(
    provider: Provider, browse: Browse, client: Client
) -> None:
    provider.put_claims("mallory", {"userinfo": {"sub": "1", "preferred_username": "root"}})
    assert browse("mallory").status_code == 401
    assert who(client) is None
    assert not User.objects.exists()


def test_an_answer_that_was_not_asked_for_is_refused(provider: Provider, client: Client) -> None:
    provider.put("ada")
    location = client.get("/oidc/sign-in").headers["Location"]
    back = provider.visit(location, "ada")
    assert Client().get(back).status_code == 401  # another browser's
    assert client.get(back).status_code == 302
    assert Client().get(f"{CALLBACK}?code=x&state=y").status_code == 401
    client.get("/oidc/sign-in")
    assert client.get("/oidc/callback").status_code == 401
    assert User.objects.count() == 1


def test_another_issuer_of_the_same_subject_is_somebody_else(
    provider: Provider, browse: Browse, settings: LazySettings
) -> None:
    provider.put("ada")
    browse("ada")
    known = SocialAccount.objects.get()
    # The same row, as another provider would have left it: its subject is the same number.
    from accounts.provider import Provider as Ours  # noqa: PLC0415

    data = {"id_token": {"iss": "https://other.example", "sub": known.extra_data["sub"]}}
    uid = Ours(None, app=_app()).extract_uid(data)
    assert uid != known.uid
    assert len(uid) == len(known.uid) == 64


def _app() -> Any:
    from allauth.socialaccount.models import SocialApp  # noqa: PLC0415

    return SocialApp(provider="oidc", provider_id="oidc", name="Example")


def test_a_provider_that_is_gone_or_lies_gives_a_page(
    configure: Any, client: Client, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    other_name = provider.issuer.replace("127.0.0.1", "localhost")
    for issuer, why in {
        "http://127.0.0.1:9": "cannot be asked",
        f"{provider.issuer}/accounts": "404 Client Error",
        other_name: f"calls itself '{provider.issuer}'",
    }.items():
        configure({"REGISTRY_OIDC_ISSUER": issuer})
        caplog.clear()
        answer = client.get("/oidc/sign-in")
        assert answer.status_code == 401
        assert "Example did not say who you are" in answer.content.decode()
        assert why in caplog.text


def test_without_settings_there_is_nothing(client: Client, settings: LazySettings) -> None:
    assert settings.OIDC == {}
    assert client.get("/oidc/sign-in").status_code == 404
    assert client.get("/oidc/callback?code=1&state=2").status_code == 404
    assert "Sign in with" not in client.get("/sign-in").content.decode()


def test_the_sign_in_page_offers_it(provider: Provider, client: Client) -> None:
    page = client.get("/sign-in?next=/teams").content.decode()
    assert "Sign in with Example" in page
    assert "/oidc/sign-in?next=%2Fteams" in page


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/login/",
        "/accounts/signup/",
        "/accounts/email/",
        "/accounts/password/reset/",
        "/accounts/password/change/",
        "/accounts/social/signup/",
        "/oidc/signup",
    ],
)
def test_pages_of_allauth_that_nobody_wants_have_no_address(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404
    assert (
        client.post(path, {"username": "eve", "password1": "x", "password2": "x"}).status_code
        == 404
    )
