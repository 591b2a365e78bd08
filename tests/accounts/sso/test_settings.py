"""The settings as an operator gives them: in the environment of a server that is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured

from registry_site import sign_on
from tests.accounts.sso.conftest import Provider
from tests.live import ROOT, LiveServer

pytestmark = pytest.mark.timeout(180)

ISSUER = "REGISTRY_OIDC_ISSUER"


def test_a_browser_signs_in_and_is_a_member(
    tmp_path: Path, running_provider: Provider, oidc_settings: dict[str, str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(oidc_settings.pop("REGISTRY_OIDC_CLIENT_SECRET") + "\n")
    env = {
        **oidc_settings,
        ISSUER: running_provider.issuer,
        "REGISTRY_OIDC_CLIENT_SECRET_FILE": str(secret),
        "REGISTRY_GROUP_TEAMS": "devs=payments:writer",
    }
    with LiveServer(tmp_path / "data", open_access=False, env=env) as server:
        callback = f"{server.url}/oidc/callback"
        running_provider.allow_redirect(callback)
        running_provider.put("ada", groups=["devs"])
        browser = requests.Session()
        page = browser.get(f"{server.url}/sign-in", timeout=30).text
        assert "Sign in with Example" in page
        start = browser.get(f"{server.url}/oidc/sign-in", allow_redirects=False, timeout=30)
        back = running_provider.visit(start.headers["Location"], "ada", back_to=callback)
        browser.get(back, timeout=30)
        teams = browser.get(f"{server.url}/teams", allow_redirects=False, timeout=30)
        assert teams.status_code == 200
        assert "payments" in teams.text
        assert secret.read_text().strip() not in server.log()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("http://login.example.com", "https"),
        ("login.example.com", "https"),
        ("ftp://login.example.com", "https"),
        ("https://login.example.com/?a=b", "https"),
        ("https://login.example.com", "REGISTRY_OIDC_CLIENT_ID"),
    ],
)
def test_an_issuer_that_cannot_be(monkeypatch: pytest.MonkeyPatch, value: str, why: str) -> None:
    monkeypatch.setenv(ISSUER, value)
    with pytest.raises(ImproperlyConfigured, match=why):
        sign_on.oidc()


@pytest.mark.parametrize(
    "value",
    ["devs", "devs=payments", "devs=payments:god", "=payments:reader", "devs=Pay:reader", "a=b:"],
)
def test_a_mapping_of_groups_that_cannot_be(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REGISTRY_GROUP_TEAMS", f"ok=payments:reader,{value}")
    with pytest.raises(ImproperlyConfigured, match="GROUP=TEAM:ROLE"):
        sign_on.group_teams("REGISTRY_GROUP_TEAMS")


def test_groups_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    mapping = "/org/devs=payments:writer, Domain Admins=infra:owner ,a=b:c=x:reader"
    monkeypatch.setenv("REGISTRY_GROUP_TEAMS", mapping)
    assert sign_on.group_teams("REGISTRY_GROUP_TEAMS") == [
        ("/org/devs", "payments", "writer"),
        ("Domain Admins", "infra", "owner"),
        ("a=b:c", "x", "reader"),
    ]


def test_ldap_without_its_packages_says_what_to_install(tmp_path: Path) -> None:
    # An interpreter that finds everything but these two.
    hide = "import sys; sys.modules['ldap'] = None; sys.modules['django_auth_ldap'] = None; "
    command = hide + "import manage; sys.argv = ['manage.py', 'check']; manage.main()"
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "REGISTRY_DATA": str(tmp_path),
        "REGISTRY_LDAP_URI": "ldaps://directory.example.com",
        "REGISTRY_LDAP_USER_BASE": "dc=example",
    }
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "pip install -r requirements-ldap.txt" in done.stderr
