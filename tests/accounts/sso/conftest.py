"""A provider, and browsers that go to and fro between it and Berth."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from django.conf import LazySettings
from django.test import Client

from registry_site import sign_on
from tests.accounts.sso.provider.__main__ import CLIENT_ID, CLIENT_SECRET
from tests.live import ROOT

BERTH = "http://testserver"
CALLBACK = f"{BERTH}/oidc/callback"
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _fast_passwords(settings: LazySettings) -> None:
    """The real hash takes a quarter of a second, by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _one_connection(one_connection: None) -> None:
    pass


class Provider:
    """The provider that runs, and its users."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def put(self, name: str, *, groups: list[str] | None = None, **claims: Any) -> None:
        """Make a user, or change what the provider says of one."""
        said: Mapping[str, Any] = {
            "both": claims if groups is None else {"groups": groups, **claims}
        }
        self.put_claims(name, said)

    def put_claims(self, name: str, claims: Mapping[str, Any]) -> None:
        """The same, with `claims` apart for the ID token and the user info."""
        given = {"name": name, "password": PASSWORD, "claims": claims}
        requests.post(f"{self.issuer}/test/users", json=given, timeout=30).raise_for_status()

    def allow_redirect(self, address: str) -> None:
        """Let browsers be sent back to this address too."""
        given = {"address": address}
        requests.post(f"{self.issuer}/test/redirects", json=given, timeout=30).raise_for_status()

    def visit(self, address: str, name: str, *, back_to: str = CALLBACK) -> str:
        """Sign in at the provider as a browser would; the address that it sends back to."""
        browser = requests.Session()
        answer = browser.get(address, allow_redirects=False, timeout=30)
        while answer.is_redirect:
            address = urljoin(answer.url, answer.headers["Location"])
            if address.startswith(back_to):
                return address
            answer = browser.get(address, allow_redirects=False, timeout=30)
            if "/accounts/login/" in answer.url:
                answer = self._type_password(browser, answer, name)
        raise AssertionError(f"{answer.url}: {answer.status_code} {answer.text[:2000]}")

    @staticmethod
    def _type_password(
        browser: requests.Session, page: requests.Response, name: str
    ) -> requests.Response:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token, page.text
        form = {"login": name, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        headers = {"Referer": page.url}
        return browser.post(page.url, data=form, headers=headers, allow_redirects=False, timeout=30)


@pytest.fixture(scope="session")
def running_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider")
    command = [sys.executable, "-m", "tests.accounts.sso.provider", str(folder), CALLBACK]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield Provider(process.stdout.readline().strip())
        finally:
            assert process.stdin is not None
            process.stdin.close()  # which ends it


@pytest.fixture
def oidc_settings() -> dict[str, str]:
    """What an operator would set, by name."""
    return {
        "REGISTRY_OIDC_NAME": "Example",
        "REGISTRY_OIDC_CLIENT_ID": CLIENT_ID,
        "REGISTRY_OIDC_CLIENT_SECRET": CLIENT_SECRET,
    }


@pytest.fixture
def configure(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Mapping[str, str]], None]:
    """Set what an operator sets in the environment, in this process."""

    def configure(variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.OIDC = sign_on.oidc()
        settings.SOCIALACCOUNT_PROVIDERS = sign_on.allauth_providers(settings.OIDC)
        settings.LDAP = sign_on.ldap()
        settings.GROUP_TEAMS = sign_on.group_teams("REGISTRY_GROUP_TEAMS")

    return configure


@pytest.fixture
def provider(
    running_provider: Provider,
    configure: Callable[[Mapping[str, str]], None],
    oidc_settings: dict[str, str],
) -> Provider:
    """The provider, and Berth set up for it."""
    configure({**oidc_settings, "REGISTRY_OIDC_ISSUER": running_provider.issuer})
    return running_provider


@pytest.fixture
def browse(provider: Provider, client: Client) -> Callable[..., Any]:
    """Sign a browser in by the provider; Berth's answer to whoever comes back."""

    def browse(name: str, *, browser: Client | None = None, query: str = "") -> Any:
        browser = browser or client
        there = browser.get(f"/oidc/sign-in{query}")
        assert there.status_code == 302, there.content
        back = provider.visit(there.headers["Location"], name)
        return browser.get(back)

    return browse
