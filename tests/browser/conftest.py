"""A real server with a signed-in user, and Chromium, driven by Playwright.

The server is a process of its own, so no test here touches Django's models: Playwright keeps an
event loop in this thread, and Django refuses to work beside one. It ends with this package's tests.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.live import LiveServer

PASSWORD = "correct horse battery staple"
XSS = "<img src=x onerror=document.title='pwned'>"
SEED = f"""
from accounts import teams, tokens
from accounts.models import AccessToken, Robot, User
from repositories.access import principal_of
user = User.objects.create_superuser("alice", password={PASSWORD!r})
alice = principal_of(user)
teams.create_team(principal=alice, name="payments")
robot = teams.create_robot(principal=alice, team="payments", name="ci", description={XSS!r})
tokens.create(owner=user, name={XSS!r})
"""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("BERTH_TEST_CHROMIUM") or shutil.which("chromium")
    if path is None:
        reason = "Chromium is not installed; name it in BERTH_TEST_CHROMIUM"
        if os.environ.get("BERTH_TEST_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    data: Path = tmp_path_factory.mktemp("browser") / "data"
    with LiveServer(data, open_access=False) as server:
        server.manage("shell", "-v", "0", "-c", SEED)
        yield server


def sign_in(context: BrowserContext, site: LiveServer) -> Page:
    """A page of this context, signed in, on the first page."""
    page = context.new_page()
    page.goto(f"{site.url}/sign-in")
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}/")
    return page


class Watched:
    """A signed-in page, and what the browser complained about."""

    def __init__(self, context: BrowserContext, site: LiveServer) -> None:
        self.site = site
        self.page = sign_in(context, site)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> Page:
        self.page.goto(self.site.url + path)
        return self.page


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def watched(
    chromium: Browser, site: LiveServer, request: pytest.FixtureRequest
) -> Iterator[Watched]:
    """With JavaScript and without: everything has to work both ways."""
    context = chromium.new_context(java_script_enabled=request.param)
    yield Watched(context, site)
    context.close()


@pytest.fixture
def scripted(chromium: Browser, site: LiveServer) -> Iterator[Watched]:
    telephone: ViewportSize = {"width": 390, "height": 844}
    context = chromium.new_context(viewport=telephone)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    yield Watched(context, site)
    context.close()
