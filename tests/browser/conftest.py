"""A real server with people and content, and Chromium, driven by Playwright.

The server is a process of its own, and what it shows is filled in by another (`world.py`), so no
test here touches Django's models: Playwright keeps an event loop in this thread, and Django refuses
to work beside one. It ends with this package's tests.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.accounts.web.conftest import PASSWORD
from tests.browser.pages import TELEPHONE, Complaints
from tests.interop.tools import Client
from tests.live import LiveServer

NARROW: ViewportSize = {"width": TELEPHONE, "height": 844}
FILL = "from tests.browser import world; world.fill()"
FILL_HOSTILE = "from tests.browser import hostile; hostile.fill()"


class Site(NamedTuple):
    """A server, where its pages are by their names in `pages.py`, and a recovery code."""

    server: LiveServer
    addresses: dict[str, str]
    code: str

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def host(self) -> str:
        return self.server.host


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
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data: Path = tmp_path_factory.mktemp("browser") / "data"
    with LiveServer(data, open_access=False) as server:
        told = server.manage("shell", "-v", "0", "-c", FILL)
        yield Site(server, **json.loads(told.splitlines()[-1]))
        assert "Traceback (most recent call last)" not in server.log(), server.log_tail()


@pytest.fixture(scope="package")
def hostile(site: Site) -> dict[str, list[str]]:
    """The pages that show what a hostile team wrote, each with the fields that stand on it."""
    told = site.server.manage("shell", "-v", "0", "-c", FILL_HOSTILE)
    found: dict[str, list[str]] = json.loads(told.splitlines()[-1])
    return found


def sign_in(page: Page, url: str, name: str, password: str = PASSWORD) -> None:
    """By the form, as people do; it leads to the first page, or to the one that asks for a code."""
    page.goto(f"{url}/sign-in")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: not address.endswith("/sign-in"))


class Watched:
    """A page, the browser's complaints about it, and the site that it is of."""

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self.site = site
        self.context = context
        self.page = context.new_page()
        self._complaints = Complaints(self.page, site.url)

    @property
    def complaints(self) -> list[str]:
        return self._complaints.texts

    def open(self, path: str) -> Page:
        self.page.goto(self.site.url + path)
        return self.page


class People:
    """Browsers in which somebody has signed in: each signs in once, and keeps the session."""

    def __init__(self, chromium: Browser, site: Site) -> None:
        self._chromium = chromium
        self.site = site
        self._sessions: dict[str, Any] = {"nobody": None}

    def context(self, who: str, **options: Any) -> BrowserContext:
        """A context of their own, with Playwright's options."""
        if who not in self._sessions:
            self._sessions[who] = self._session(who)
        options.setdefault("locale", "en-US")
        return self._chromium.new_context(storage_state=self._sessions[who], **options)

    def _session(self, who: str) -> Any:
        context = self._chromium.new_context(locale="en-US")
        page = context.new_page()
        sign_in(page, self.site.url, "careful" if who == "half" else who)
        if who == "careful":
            page.get_by_label("Code").fill(self.site.code)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{self.site.url}/")
        state = context.storage_state()
        context.close()
        return state


@pytest.fixture(scope="package")
def people(chromium: Browser, site: Site) -> People:
    return People(chromium, site)


Visit = Callable[..., Watched]


@pytest.fixture
def visit(people: People, site: Site) -> Iterator[Visit]:
    """`visit("owner", viewport=…)`: a page of theirs, in a context of the test's own."""
    contexts: list[BrowserContext] = []

    def open_page(who: str = "admin", **options: Any) -> Watched:
        contexts.append(people.context(who, **options))
        return Watched(contexts[-1], site)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(people: People) -> Iterator[Page]:
    """A page of the administrator's, for who watches it in ways of their own."""
    context = people.context("admin")
    yield context.new_page()
    context.close()


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def watched(visit: Visit, request: pytest.FixtureRequest) -> Watched:
    """The administrator, with JavaScript and without: everything has to work both ways."""
    return visit("admin", java_script_enabled=request.param)


@pytest.fixture
def scripted(visit: Visit, site: Site) -> Watched:
    """The administrator, with a telephone."""
    found = visit("admin", viewport=NARROW)
    found.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    return found


@pytest.fixture(scope="package")
def skopeo(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """skopeo, which trusts every image: there are no signatures here."""
    home = tmp_path_factory.mktemp("skopeo")
    return Client("skopeo", home, always=("--insecure-policy",))
