"""What only a browser can tell: scripts, policies, layout, and that all works without scripts."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit, Watched
from tests.browser.test_every_page import confirm

pytestmark = pytest.mark.interop

WHITE = "rgb(255, 255, 255)"


def test_a_token_is_made_shown_and_revoked(watched: Watched) -> None:
    page = watched.open("/settings/tokens/new")
    page.get_by_label("Name").fill("browser")
    page.get_by_label("Scopes").fill("payments/*:pull")
    page.get_by_role("button", name="Make the token").click()
    secret = page.locator("pre.secret").inner_text()
    assert re.fullmatch(r"berth_pat_[0-9A-Za-z]{32}", secret.strip())
    page.get_by_role("link", name="Done").click()
    assert secret.strip() not in page.content()
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
    page = scripted.open(scripted.site.addresses["image"])
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"docker pull {scripted.site.host}/payments/api:v1"


def test_a_rule_shows_the_fields_that_it_has_a_use_for(watched: Watched) -> None:
    page = watched.open("/teams/payments/retention")
    rule = page.get_by_role("group", name="Rule 1")
    for kind, used in {"newest": "How many", "untagged": "Days", "": None}.items():
        rule.locator("select").first.select_option(kind)
        for name in ("How many", "Days", "Line of versions"):
            field = rule.get_by_label(name, exact=True)
            expect(field).to_be_visible() if name == used else expect(field).to_be_hidden()


def test_the_code_for_the_second_factor_is_dark_on_light_in_a_dark_page(visit: Visit) -> None:
    watched = visit("admin", color_scheme="dark")
    page = watched.open(watched.site.addresses["second-factor-on"])
    if "/settings/confirm?" in page.url:
        confirm(page)
    expect(page.get_by_role("img", name="QR code")).to_have_css("background-color", WHITE)


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
def test_colours_follow_the_system(visit: Visit, scheme: str) -> None:
    page = visit("nobody", color_scheme=scheme).open("/sign-in")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == WHITE) == (scheme == "light")
