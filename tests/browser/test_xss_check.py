"""The check itself: it notices payloads that are markup, with a policy and without one."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Error, Page

from tests.browser.conftest import People, Site
from tests.browser.intruders import Guard
from tests.browser.payloads import ELEMENTS, INSTRUCTIONS, MUTATING

pytestmark = pytest.mark.interop


def noticed(context: BrowserContext, site: Site, markup: str, policy: str) -> bool:
    """Whether the check says something of a page that has the markup in it."""
    page = context.new_page()
    guard = Guard(page, site.url)
    content = f"<!DOCTYPE html><title>t</title><body><main>{markup}</main></body>"
    headers = {"Content-Security-Policy": policy} if policy else {}
    page.route("**/*", lambda route: route.abort())
    page.route(
        f"{site.url}/planted",
        lambda route: route.fulfill(body=content, headers=headers, content_type="text/html"),
    )
    try:
        page.goto(f"{site.url}/planted", wait_until="commit")
        return bool(guard.intruders())
    except Error:  # it has led away from the page
        return True
    finally:
        page.close()


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
    assert [text for text in markup if not noticed(nobody, site, text, policy)] == []


def test_markup_is_noticed_where_it_runs(nobody: BrowserContext, site: Site) -> None:
    assert [text for text in ELEMENTS[::4] if not noticed(nobody, site, text, "")] == []


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
    assert not noticed(nobody, site, markup, "")


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
