"""Django's admin site: quick to look things up in, and no way around the domain functions."""

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import signing, teams, tokens
from accounts.admin_base import BoundedPaginator
from accounts.models import (
    AccessToken,
    AuditEvent,
    Membership,
    Robot,
    SignInFailure,
    SigningKey,
    Team,
    TrustRule,
    User,
)
from repositories.access import Principal
from repositories.models import (
    Blob,
    BlobLink,
    Host,
    Job,
    Manifest,
    Pull,
    Repository,
    RepositoryGrant,
    RepositoryUsage,
    StorageSample,
    Tag,
    TagChange,
    TeamUsage,
    Upload,
)
from tests.people import user_of

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
MAY_ADD = {User}
MAY_CHANGE = {User, Repository}
SECRETS = re.compile(
    r"secret_hash|encrypted|PRIVATE KEY|password\b.*\$|md5\$|pbkdf2", re.IGNORECASE
)


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def site(administrator: Principal) -> Client:
    """The browser of an administrator."""
    client = Client()
    client.force_login(user_of(administrator))
    return client


def fill(administrator: Principal, number: int) -> None:
    """A row or more of every model, the `number`th of each."""
    digest = f"sha256:{number:064x}"
    user = User.objects.create_user(f"user{number}", password="a-password")
    team = Team.objects.create(name=f"team{number}")
    robot = Robot.objects.create(team=team, name=f"robot-team{number}-ci")
    Membership.objects.create(team=team, user=user, role=10)
    tokens.create(owner=user, name="laptop")
    tokens.create(owner=robot, name="ci")
    teams.invite(principal=administrator, team=team.name, role=Membership.Role.READER)
    SignInFailure.objects.create(account=user.username, address="192.0.2.1")
    TrustRule.objects.create(name=team.name, team=team, issuer="https://example.com")
    signing.rotate()
    repository = Repository.objects.create(name=f"{team.name}/app", team=team)
    RepositoryGrant.objects.create(repository=repository, user=user, role=20)
    blob = Blob.objects.create(digest=digest, size=1)
    BlobLink.objects.create(repository=repository, blob=blob)
    manifest = Manifest.objects.create(repository=repository, digest=digest, payload=b"{}")
    Tag.objects.create(repository=repository, name="1", manifest=manifest)
    TagChange.objects.create(repository=repository, name="1", digest=digest)
    Upload.objects.create(repository=repository)
    now = timezone.now()
    Pull.objects.create(repository=repository, tag="1", digest=digest, at=now, count=1)
    RepositoryUsage.objects.create(repository=repository, bytes=1, unique_bytes=1)
    TeamUsage.objects.create(team=team, bytes=1, unique_bytes=1)
    StorageSample.objects.create(
        team=team, day=now.date(), measured_at=now, bytes=1, blobs=1, manifests=1
    )
    Job.objects.create(name=f"job{number}")
    Host.objects.create(key=f"host{number}")


def addresses_of(model: type[models.Model]) -> Iterator[str]:
    """The list, a search in it, and the page of a row."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    yield reverse(f"{name}_changelist")
    if admin.site._registry[model].search_fields:
        yield reverse(f"{name}_changelist") + "?q=192.0.2.1"
        yield reverse(f"{name}_changelist") + "?q=team1"
    row = model._default_manager.order_by("pk").last()
    assert row is not None, model
    yield reverse(f"{name}_change", args=[row.pk])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_costs_the_same_however_long_it_is(
    site: Client, administrator: Principal, model: type[models.Model]
) -> None:
    fill(administrator, 1)
    counts = []
    ContentType.objects.get_for_models(*MODELS)  # read once in a process
    for more in ((), range(2, 12)):
        for number in more:
            fill(administrator, number)
        for address in addresses_of(model):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                answer = site.get(address)
            assert answer.status_code == 200, (address, answer.content[:2000])
            assert not SECRETS.search(answer.content.decode()), address
            counts.append(len(queries))
            for query in (entry["sql"] for entry in queries):
                if "COUNT(" in query:
                    assert "LIMIT" in query, query
    half = len(counts) // 2
    assert counts[:half] == counts[half:]
    assert max(counts) < 20


def test_a_long_table_is_counted_so_far_and_no_further(site: Client) -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(action="test", actor="somebody") for _ in range(BoundedPaginator.MOST + 60)
    )
    answer = site.get(reverse("admin:accounts_auditevent_changelist"))
    assert answer.context["cl"].result_count == BoundedPaginator.MOST
    last = BoundedPaginator.MOST // 50
    assert site.get(f"{answer.request['PATH_INFO']}?p={last}").status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_is_deleted_or_changed_there_that_the_domain_does_not_know(
    site: Client, administrator: Principal, model: type[models.Model]
) -> None:
    fill(administrator, 1)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.order_by("pk").last()
    assert row is not None
    before = {other: list(other._default_manager.order_by("pk").values_list()) for other in MODELS}

    assert site.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert site.get(reverse(f"{name}_delete", args=[row.pk])).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    site.post(reverse(f"{name}_changelist"), action)
    if model not in MAY_ADD:
        assert site.post(reverse(f"{name}_add"), {}).status_code == 403
    if model not in MAY_CHANGE:
        values = {field.name: "1" for field in model._meta.fields}
        assert site.post(reverse(f"{name}_change", args=[row.pk]), values).status_code == 403
    after = {other: list(other._default_manager.order_by("pk").values_list()) for other in MODELS}
    assert after == before


@pytest.mark.parametrize("who", ["nobody", "stranger", "owner"])
def test_only_administrators_come_in(
    request: pytest.FixtureRequest, who: str, administrator: Principal
) -> None:
    fill(administrator, 1)
    principal: Principal = request.getfixturevalue(who)
    client = Client()
    if principal.user_id:
        client.force_login(user_of(principal))
    for model in MODELS:
        for address in addresses_of(model):
            answer = client.get(address)
            assert answer.status_code in (302, 403), address
            assert b"user1" not in answer.content


def test_passwords_are_not_tried_at_the_admin_s_own_door(administrator: Principal) -> None:
    """It would know neither throttling nor the second factor nor the audit log."""
    client = Client()
    form = {"username": "root", "password": "root-password", "next": "/admin/"}
    answer = client.post("/admin/login/", form)
    assert answer.status_code == 302
    assert "/sign-in" in answer.headers["Location"]
    assert client.get("/admin/").status_code == 302
    assert "berth_session" not in client.cookies


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("user", "password__startswith=md5"),
        ("user", "tokens__secret_hash__isnull=0"),
        ("user", "browser_sessions__session_key__startswith=a"),
        ("accesstoken", "secret_hash__gt=x"),
        ("accesstoken", "user__password__startswith=md5"),
        ("invitation", "secret_hash__isnull=0"),
        ("invitation", "created_by__password__startswith=md5"),
        ("signingkey", "encrypted__startswith=g"),
        ("membership", "user__password__contains=m"),
        ("auditevent", "detail__is_admin=true"),
    ],
)
def test_what_is_not_shown_cannot_be_filtered_by(
    site: Client, administrator: Principal, model: str, lookup: str
) -> None:
    """S28: each such answer would tell a little of the secret."""
    fill(administrator, 1)
    address = reverse(f"admin:accounts_{model}_changelist")
    assert site.get(f"{address}?{lookup}").status_code == 400
    for order in ("password", "-99", "99", "x", "1.2.3"):
        assert site.get(f"{address}?o={order}").status_code == 200
    assert site.get(f"{address}?_to_field=password").status_code == 400


def chosen(site: Client, model: str, action: str, *rows: models.Model) -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return site.post(reverse(f"admin:accounts_{model}_changelist"), data, follow=True)


def last_event() -> AuditEvent:
    return AuditEvent.objects.latest("pk")


def test_a_user_is_made_without_a_password_and_gets_one_that_is_shown_once(
    site: Client,
) -> None:
    form = {"username": "bob", "email": "bob@example.com", "is_superuser": "on", "is_staff": "on"}
    form |= {"password": "chosen by somebody else", "source": "ldap", "is_admin_by_group": "on"}
    answer = site.post(reverse("admin:accounts_user_add"), form)
    assert answer.status_code == 302
    bob = User.objects.get(username="bob")
    assert (bob.is_superuser, bob.has_usable_password()) == (True, False)
    assert (bob.source, bob.is_admin_by_group) == ("local", False)
    assert (last_event().actor, last_event().action) == ("root", "user.create")

    answer = chosen(site, "user", "reset_password", bob)
    password = re.search(rb"<code>([^<]+)</code>", answer.content)
    assert password is not None
    bob.refresh_from_db()
    assert bob.check_password(password[1].decode())
    assert last_event().action == "user.reset-password"
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["Bob", "library", "payments", "root", "a/b", ""])
def test_a_name_that_may_not_be_is_refused(site: Client, team: Team, name: str) -> None:
    answer = site.post(reverse("admin:accounts_user_add"), {"username": name})
    assert answer.status_code == 200
    assert User.objects.count() == 1


def test_a_user_is_changed_by_the_domain(site: Client, stranger: Principal) -> None:
    address = reverse("admin:accounts_user_change", args=[stranger.user_id])
    form = {"email": "s@example.com", "is_active": "on", "is_superuser": "on"}
    form |= {"username": "another", "password": "x", "is_staff": "", "source": "ldap"}
    assert site.post(address, form).status_code == 302
    user = user_of(stranger)
    assert (user.username, user.email, user.source) == ("stranger", "s@example.com", "local")
    assert (user.is_superuser, user.is_staff) == (True, True)
    assert user.check_password("stranger-password")
    event = last_event()
    assert (event.action, event.target, event.credential) == (
        "user.update",
        "stranger",
        "browser session",
    )
    assert event.detail == {"is_admin": True, "email": "s@example.com"}


def test_nobody_takes_their_own_rights_away(site: Client, administrator: Principal) -> None:
    address = reverse("admin:accounts_user_change", args=[administrator.user_id])
    assert site.post(address, {"is_active": "on"}).status_code == 403
    root = user_of(administrator)
    answer = chosen(site, "user", "disable", root)
    assert b"cannot disable or demote yourself" in answer.content
    root.refresh_from_db()
    assert (root.is_active, root.is_superuser) == (True, True)


def test_users_are_disabled_and_enabled(site: Client, stranger: Principal) -> None:
    user = user_of(stranger)
    tokens.create(owner=user, name="login", kind=AccessToken.Kind.SESSION)
    chosen(site, "user", "disable", user)
    user.refresh_from_db()
    assert not user.is_active
    assert not user.tokens.exists()
    chosen(site, "user", "enable", user)
    user.refresh_from_db()
    assert user.is_active


def test_tokens_robots_and_invitations_are_ended(
    site: Client, administrator: Principal, team: Team
) -> None:
    robot = Robot.objects.create(team=team, name="robot-payments-ci")
    token, _ = tokens.create(owner=robot, name="ci")
    chosen(site, "robot", "disable", robot)
    robot.refresh_from_db()
    assert not robot.is_active
    chosen(site, "accesstoken", "revoke", token)
    assert not AccessToken.objects.exists()
    assert (last_event().action, last_event().actor) == ("token.revoke", "root")
    invitation, _ = teams.invite(principal=administrator, team="payments", role=Membership.Role(10))
    chosen(site, "invitation", "withdraw", invitation)
    assert not team.invitations.exists()


def test_a_repository_s_visibility_is_changed_by_the_domain(site: Client, team: Team) -> None:
    repository = Repository.objects.create(name="payments/app", team=team)
    address = reverse("admin:repositories_repository_change", args=[repository.pk])
    form = {"visibility": "public", "name": "payments/other", "team": "0"}
    assert site.post(address, form).status_code == 302
    repository.refresh_from_db()
    assert (repository.name, repository.team, repository.visibility) == (
        "payments/app",
        team,
        "public",
    )
    assert last_event().action == "repository.set-visibility"


def test_models_with_secrets_of_others_are_not_in_the_site() -> None:
    labels = {model._meta.app_label for model in MODELS}
    assert labels == {"accounts", "repositories"}
    assert not {"BrowserSession", "Session"} & {model.__name__ for model in MODELS}


def test_a_token_s_page_shows_no_digest_in_any_spelling(site: Client, team: Team) -> None:
    robot = Robot.objects.create(team=team, name="robot-payments-ci")
    token, secret = tokens.create(
        owner=robot, name="ci", expires_at=timezone.now() + timedelta(days=1)
    )
    signing.jwks()
    digest = bytes(token.secret_hash)
    pages = [reverse("admin:accounts_accesstoken_changelist")]
    pages += [reverse("admin:accounts_accesstoken_change", args=[token.pk])]
    key = SigningKey.objects.get()
    pages += [reverse("admin:accounts_signingkey_change", args=[key.pk])]
    for page in pages:
        text = site.get(page).content.decode()
        spellings = (secret, digest.hex(), repr(digest), base64.b64encode(digest).decode())
        assert not [spelling for spelling in (*spellings, key.encrypted) if spelling in text]
