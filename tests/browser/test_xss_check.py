"""The check itself: it notices payloads that are markup, with a policy and without one."""

from collections.abc import Iterable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Error, Page, Route

from tests.browser.conftest import People, Site
from tests.browser.intruders import Guard
from tests.browser.payloads import ELEMENTS, INSTRUCTIONS, MUTATING

pytestmark = pytest.mark.interop


class Planted:
    """A page of whatever markup; a new one when markup has led away from it."""

    def __init__(self, context: BrowserContext, site: Site, policy: str) -> None:
        self._context = context
        self._url = f"{site.url}/planted"
        self._origin = site.url
        self._headers = {"Content-Security-Policy": policy} if policy else {}
        self._markup = ""
        self._open()

    def _open(self) -> None:
        self._page = self._context.new_page()
        self._guard = Guard(self._page, self._origin)
        self._page.route("**/*", lambda route: route.abort())
        self._page.route(self._url, self._answer)

    def _answer(self, route: Route) -> None:
        content = f"<!DOCTYPE html><title>t</title><body><main>{self._markup}</main></body>"
        route.fulfill(body=content, headers=self._headers, content_type="text/html")

    def is_noticed(self, markup: str) -> bool:
        """Whether the check says something of a page that has the markup in it."""
        self._markup = markup
        try:
            self._page.goto(self._url, wait_until="commit")
            found = bool(self._guard.intruders())
            self._page.goto("about:blank")  # what it still has to say belongs to it
        except Error:
            self._page.close()
            self._open()
            return True
        self._guard.clear()
        return found

    def unnoticed(self, texts: Iterable[str]) -> list[str]:
        found = [text for text in texts if not self.is_noticed(text)]
        assert not self.is_noticed("<p>the last</p>")
        return found


@pytest.fixture
def nobody(people: People) -> Iterator[BrowserContext]:
    context = people.context("nobody")
    yield context
    context.close()


def test_markup_is_noticed_though_the_policy_lets_nothing_run(
    nobody: BrowserContext, site: Site
) -> None:
    markup = [*ELEMENTS, *MUTATING, *(text for text in INSTRUCTIONS if text.startswith("<b "))]
    policy = "default-src 'none'; script-src 'self'"
    assert Planted(nobody, site, policy).unnoticed(markup) == []


def test_markup_is_noticed_where_it_runs(nobody: BrowserContext, site: Site) -> None:
    assert Planted(nobody, site, "").unnoticed(ELEMENTS[::4]) == []


@pytest.mark.parametrize(
    "markup",
    [
        "<p>a <b>b</b></p>",
        "<a href='/search?q=berthXss()'>found</a>",
        "<input name=q value='&lt;script&gt;berthXss()&lt;/script&gt;'>",
        "<div class=prose><a href=https://elsewhere.example/berth-xss>a handbook</a></div>",
    ],
)
def test_what_pages_have_is_let_be(nobody: BrowserContext, site: Site, markup: str) -> None:
    assert not Planted(nobody, site, "").is_noticed(markup)


def test_a_call_a_dialog_and_a_request_are_noticed(page: Page, site: Site) -> None:
    """By what they do, with nothing to see in the page."""
    guard = Guard(page, site.url)
    page.goto(f"{site.url}/teams")
    assert guard.intruders() == []
    for script, said in {
        "berthXss()": "berthXss was called",
        "alert('berth')": "dialog: berth",
        "void fetch('/berth-xss')": "asked for",
        "void fetch('https://elsewhere.example/').catch(() => 0)": "elsewhere.example",
    }.items():
        page.evaluate(script)
        assert said in " ".join(guard.intruders())
        guard.clear()
