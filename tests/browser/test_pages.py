"""What only a browser can tell: scripts, policies, layout, and that all works without scripts."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Watched
from tests.live import LiveServer

pytestmark = pytest.mark.interop

PAGES = (
    "/",
    "/search?q=payments",
    "/activity",
    "/storage",
    "/settings/profile",
    "/settings/password",
    "/settings/tokens",
    "/settings/tokens/new",
    "/settings/sessions",
    "/settings/second-factor",
    "/teams",
    "/teams/payments",
    "/teams/payments/invitations",
    "/teams/payments/robots",
    "/teams/payments/robots/1",
    "/teams/payments/trust-rules",
    "/teams/payments/settings",
    "/manage/users",
    "/manage/users/alice",
    "/manage/new-user",
    "/manage/teams",
    "/manage/tokens",
    "/manage/audit",
    "/manage/keys",
)


def test_no_page_breaks_the_policy_or_runs_what_people_wrote(scripted: Watched) -> None:
    """Robustness S25; and at a telephone's width no page scrolls sideways."""
    for path in PAGES:
        page = scripted.open(path)
        assert "pwned" not in page.title()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    assert scripted.complaints == []


def test_a_token_is_made_shown_and_revoked(watched: Watched) -> None:
    page = watched.open("/settings/tokens/new")
    page.get_by_label("Name").fill("browser")
    page.get_by_label("Scopes").fill("payments/*:pull")
    page.get_by_role("button", name="Make the token").click()
    assert re.search(r"berth_pat_[0-9A-Za-z]{32}", page.locator("pre.secret").inner_text())
    page.get_by_role("link", name="Done").click()
    row = page.get_by_role("row").filter(has_text="browser")
    row.locator("summary").click()
    row.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status")).to_contain_text("is revoked")
    expect(page.get_by_role("row").filter(has_text="browser")).to_have_count(0)


def test_the_theme_is_switched_and_remembered(watched: Watched) -> None:
    page = watched.open("/teams")
    page.get_by_role("button", name="dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    watched.open("/settings/profile")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="system").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", re.compile(".+"))


def test_switching_the_theme_loses_nothing_that_was_typed(scripted: Watched) -> None:
    page = scripted.open("/settings/tokens/new")
    page.get_by_label("Name").fill("half a token")
    page.get_by_role("button", name="dark").click()
    expect(page.get_by_label("Name")).to_have_value("half a token")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_snippets_are_copied(scripted: Watched) -> None:
    page = scripted.open("/")
    page.get_by_role("button", name="Copy").last.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"docker pull {scripted.site.host}/hello-world"


def test_search_answers_as_one_types(scripted: Watched) -> None:
    page = scripted.open("/search")
    field = page.get_by_role("main").get_by_role("searchbox")
    field.press_sequentially("zzz", delay=20)
    expect(page.locator("#found")).to_contain_text("Nothing matches “zzz”.")
    expect(page).to_have_url(re.compile(r"/search\?q=zzz$"))
    expect(field).to_be_focused()
    assert scripted.complaints == []


def test_activity_renews_itself_until_it_is_paused(scripted: Watched) -> None:
    page = scripted.open("/activity")
    with page.expect_response(lambda answer: answer.url.endswith("/activity")) as polled:
        pass
    assert polled.value.request.headers["hx-request"] == "true"
    expect(page.locator("#activity[hx-get]")).to_have_count(1)
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_text("Paused.")).to_be_visible()
    expect(page.locator("#activity[hx-get]")).to_have_count(0)
    assert scripted.complaints == []


def test_the_keyboard_reaches_the_content_first(scripted: Watched) -> None:
    page = scripted.open("/teams")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system(chromium: Browser, site: LiveServer, scheme: str) -> None:
    context = chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(f"{site.url}/sign-in")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    context.close()
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
