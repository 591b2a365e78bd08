"""Signing in by a directory: Debian's slapd, asked by the pages and by `docker login`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts.models import AuditEvent, Membership, SignInFailure, Team, User
from registry_site import sign_on
from tests.accounts.sso.missing import missing

if TYPE_CHECKING:
    from tests.accounts.sso.directory import Directory

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(120)]

Role = Membership.Role
PASSWORD = "in the directory"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    if find_spec("ldap") is None or find_spec("django_auth_ldap") is None:
        missing("python-ldap is not installed: pip install -r requirements-ldap.txt")
    from tests.accounts.sso import directory  # noqa: PLC0415  (it needs python-ldap)

    if directory.find_slapd() is None or not directory.SCHEMAS.is_dir():
        missing("slapd is not installed: apt install slapd")
    with directory.Directory(tmp_path_factory.mktemp("slapd")) as running:
        ada = running.add_person("ada", PASSWORD, mail="ada@example.com")
        bob = running.add_person("bob", PASSWORD)
        running.add_person("Eve.Upper", PASSWORD)
        running.add_person("root", PASSWORD)
        running.add_person("ad\u00e4", PASSWORD)
        for group, members in {"devs": [ada, bob], "admins": [ada]}.items():
            entry: dict[str, str | list[str]] = {"objectClass": "groupOfNames", "member": members}
            running.add(f"cn={group},{directory.GROUPS}", entry)
        yield running


@pytest.fixture
def searching(directory: Directory) -> dict[str, str]:
    """The settings for finding users by a search."""
    from tests.accounts.sso import directory as module  # noqa: PLC0415

    return {
        "REGISTRY_LDAP_URI": directory.uri,
        "REGISTRY_LDAP_BIND_DN": module.MANAGER,
        "REGISTRY_LDAP_BIND_PASSWORD": module.MANAGER_PASSWORD,
        "REGISTRY_LDAP_USER_BASE": module.PEOPLE,
        "REGISTRY_LDAP_GROUP_BASE": module.GROUPS,
        "REGISTRY_GROUP_TEAMS": "devs=payments:writer,admins=infra:owner",
    }


@pytest.fixture
def direct(directory: Directory) -> dict[str, str]:
    """The settings for binding as the user at once."""
    from tests.accounts.sso import directory as module  # noqa: PLC0415

    return {
        "REGISTRY_LDAP_URI": directory.uri,
        "REGISTRY_LDAP_USER_DN": f"uid=%(user)s,{module.PEOPLE}",
        "REGISTRY_LDAP_GROUP_BASE": module.GROUPS,
        "REGISTRY_GROUP_TEAMS": "devs=payments:writer,admins=infra:owner",
    }


@pytest.fixture
def use(
    configure: Callable[[Mapping[str, str]], None], settings: LazySettings
) -> Callable[[Mapping[str, str]], None]:
    def use(variables: Mapping[str, str]) -> None:
        configure(variables)
        settings.AUTHENTICATION_BACKENDS = [
            "django.contrib.auth.backends.ModelBackend",
            "accounts.ldap.LDAPBackend",
        ]

    return use


def docker_login(name: str, password: str = PASSWORD) -> Any:
    """What `docker login` asks for."""
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode("ascii")
    query = "/token?service=berth&offline_token=true&scope=repository:payments/api:pull,push"
    return Client().get(query, headers={"Authorization": f"Basic {credentials}"})


def roles(user: str) -> dict[str, int]:
    return dict(Membership.objects.filter(user__username=user).values_list("team__name", "role"))


@pytest.mark.parametrize("way", ["searching", "direct"])
def test_docker_login_and_the_pages(
    way: str, use: Any, request: pytest.FixtureRequest, client: Client
) -> None:
    use(request.getfixturevalue(way))
    assert docker_login("ada").status_code == 200
    ada = User.objects.get()
    assert (ada.username, ada.source) == ("ada", User.Source.LDAP)
    assert (ada.email, ada.has_usable_password()) == ("ada@example.com", False)
    assert roles("ada") == {"payments": Role.WRITER, "infra": Role.OWNER}

    page = client.post("/sign-in", {"username": "bob", "password": PASSWORD, "next": "/teams"})
    assert page.headers["Location"] == "/teams"
    assert client.session["_auth_user_id"] == str(User.objects.get(username="bob").pk)
    assert client.get("/teams").status_code == 200
    assert roles("bob") == {"payments": Role.WRITER}


@pytest.mark.parametrize("way", ["searching", "direct"])
@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong"),
        ("ada", ""),  # an unauthenticated bind, which servers take
        ("nobody", PASSWORD),
        ("*", PASSWORD),
        ("ada)(uid=*", PASSWORD),
        ("ada,ou=people", PASSWORD),
        ("a*", PASSWORD),
        ("\\61da", PASSWORD),
        ("", PASSWORD),
        ("ád a", PASSWORD),
        ("ad\u00e4", PASSWORD),  # somebody else in the directory
    ],
)
def test_who_is_not_let_in(
    way: str, name: str, password: str, use: Any, request: pytest.FixtureRequest
) -> None:
    use(request.getfixturevalue(way))
    assert docker_login(name, password).status_code == 401
    assert not User.objects.exists()


def test_capital_letters_make_no_other_person(use: Any, searching: dict[str, str]) -> None:
    use(searching)
    assert docker_login("Eve.Upper").status_code == 200
    assert docker_login("eve.upper").status_code == 200  # LDAP does not care, and it is one person
    assert User.objects.get().username == "eve.upper"


def test_a_local_user_of_the_name_is_not_taken_over(
    use: Any, searching: dict[str, str], administrator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    use(searching)
    assert docker_login("root").status_code == 401
    assert "manage.py link_user root ldap" in caplog.text
    assert docker_login("root", "root-password").status_code == 200


def test_an_administrator_can_hand_a_user_over(
    use: Any, searching: dict[str, str], administrator: Any
) -> None:
    from django.core.management import call_command  # noqa: PLC0415

    use(searching)
    call_command("link_user", "root", "ldap", verbosity=0)
    assert docker_login("root").status_code == 200
    assert docker_login("root", "root-password").status_code == 401
    root = User.objects.get()
    assert root.is_superuser
    assert AuditEvent.objects.filter(action="user.link", target="root").exists()


def test_a_disabled_user_stays_out(use: Any, searching: dict[str, str], client: Client) -> None:
    use(searching)
    docker_login("ada")
    User.objects.update(is_active=False)
    assert docker_login("ada").status_code == 401
    client.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_a_session_ends_when_the_user_is_disabled(
    use: Any, searching: dict[str, str], client: Client
) -> None:
    use(searching)
    client.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert client.get("/teams").status_code == 200
    User.objects.update(is_active=False)
    assert client.get("/teams").status_code == 302


def test_groups_are_applied_again_at_each_sign_in(
    use: Any, searching: dict[str, str], directory: Directory, settings: LazySettings
) -> None:
    from tests.accounts.sso import directory as module  # noqa: PLC0415

    use(searching)
    settings.ADMIN_GROUP = "admins"
    docker_login("ada")
    by_hand = Team.objects.create(name="by-hand")
    ada = User.objects.get()
    assert User.objects.get(username="ada").is_superuser
    Membership.objects.create(team=by_hand, user=ada, role=Role.OWNER)
    admins = f"cn=admins,{module.GROUPS}"
    directory.replace(admins, "member", f"uid=bob,{module.PEOPLE}")
    try:
        _sign_in_anew("ada")
        assert not User.objects.get(username="ada").is_superuser
        assert roles("ada") == {"payments": Role.WRITER, "by-hand": Role.OWNER}
    finally:
        directory.replace(admins, "member", f"uid=ada,{module.PEOPLE}")


def _sign_in_anew(name: str) -> None:
    from accounts import authentication  # noqa: PLC0415

    authentication.forget_everything()
    assert docker_login(name).status_code == 200


@pytest.mark.parametrize("kind", ["uniqueMember", "memberUid", "nested"])
def test_other_kinds_of_groups(
    kind: str, use: Any, searching: dict[str, str], directory: Directory
) -> None:
    from tests.accounts.sso import directory as module  # noqa: PLC0415

    bob = f"uid=bob,{module.PEOPLE}"
    entry: dict[str, dict[str, str | list[str]]] = {
        "uniqueMember": {"objectClass": "groupOfUniqueNames", "uniqueMember": bob},
        "memberUid": {"objectClass": "posixGroup", "memberUid": "bob", "gidNumber": "100"},
        "nested": {"objectClass": "groupOfNames", "member": f"cn=devs,{module.GROUPS}"},
    }
    directory.add(f"cn=by-{kind},{module.GROUPS}", entry[kind])
    mapping = {"REGISTRY_GROUP_TEAMS": f"by-{kind}=special:maintainer"}
    use({**searching, **mapping, "REGISTRY_LDAP_GROUP_TYPE": kind})
    docker_login("bob")
    assert roles("bob") == {"special": Role.MAINTAINER}


def test_a_directory_that_is_down_is_nobodys_wrong_password(
    use: Any, searching: dict[str, str], client: Client, stranger: Any
) -> None:
    use({**searching, "REGISTRY_LDAP_URI": "ldap://127.0.0.1:9"})
    assert docker_login("stranger", "stranger-password").status_code == 200  # a local user
    answer = docker_login("ada")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    page = client.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert page.status_code == 503
    assert "directory" in page.content.decode()
    assert not SignInFailure.objects.exists()


def test_a_wrong_manager_password_is_nobodys_wrong_password(
    use: Any, searching: dict[str, str]
) -> None:
    use({**searching, "REGISTRY_LDAP_BIND_PASSWORD": "changed meanwhile"})
    assert docker_login("ada").status_code == 503


def test_tls_is_checked(use: Any, searching: dict[str, str], directory: Directory) -> None:
    over_tls = {**searching, "REGISTRY_LDAP_URI": directory.tls_uri}
    use(over_tls)
    assert docker_login("ada").status_code == 503  # a certificate that nobody vouches for
    use({**over_tls, "REGISTRY_LDAP_CA_FILE": str(directory.ca_file)})
    assert docker_login("ada").status_code == 200


def test_starttls(use: Any, searching: dict[str, str], directory: Directory) -> None:
    use({**searching, "REGISTRY_LDAP_START_TLS": "true"})
    assert docker_login("ada").status_code == 503
    ca_file = {"REGISTRY_LDAP_CA_FILE": str(directory.ca_file)}
    use({**searching, "REGISTRY_LDAP_START_TLS": "true", **ca_file})
    assert docker_login("ada").status_code == 200


def test_guesses_are_slowed_down(use: Any, searching: dict[str, str]) -> None:
    use(searching)
    answers = [docker_login("ada", f"guess {n}").status_code for n in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert docker_login("bob").status_code == 200


def test_it_is_off_until_set_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sign_on.ldap() == {}
    monkeypatch.setenv("REGISTRY_LDAP_URI", "ldap://directory.example.com")
    monkeypatch.setattr(sign_on, "find_spec", lambda _: None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install -r requirements-ldap.txt"):
        sign_on.ldap()
    monkeypatch.setattr(sign_on, "find_spec", lambda _: object())
    with pytest.raises(ImproperlyConfigured, match="REGISTRY_LDAP_USER_BASE"):
        sign_on.ldap()
    monkeypatch.setenv("REGISTRY_LDAP_USER_DN", "uid=everybody,dc=example")
    with pytest.raises(ImproperlyConfigured, match=r"no %\(user\)s"):
        sign_on.ldap()
