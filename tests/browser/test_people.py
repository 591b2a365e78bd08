"""Teams, invitations, and how pages look: with scripts and without them."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit, Watched
from tests.browser.pages import TELEPHONE, barriers, sticks_out

pytestmark = pytest.mark.interop


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def with_scripts(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found


def test_a_team_is_made_and_people_come_in(visit: Visit, with_scripts: bool) -> None:
    """By their names, and by a link that is shown once."""
    team = "harbour" if with_scripts else "quay"
    owner = visit("owner", java_script_enabled=with_scripts)
    page = owner.open("/teams")
    page.get_by_label("Name").fill(team)
    page.get_by_role("button", name="Make the team").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(team)
    page.get_by_role("main").get_by_role("link", name="Members").click()
    page.get_by_label("User name").fill("guest")
    page.get_by_label("Role", exact=True).select_option(label="Writer: pull and push")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("row").filter(has_text="guest")).to_be_visible()

    page.get_by_role("main").get_by_role("link", name="Invitations").first.click()
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("pre.secret").inner_text().strip()
    assert re.fullmatch(rf"{re.escape(owner.site.url)}/invitations/[A-Za-z0-9_-]{{16,64}}", link)
    if with_scripts:
        assert barriers(page) == []
    page.goto(page.url)
    assert link not in page.content()

    invited = visit("stranger", java_script_enabled=with_scripts)
    invited.open(link.removeprefix(owner.site.url))
    invited.page.get_by_role("button", name="Join").click()
    expect(invited.page.get_by_role("heading", level=1)).to_have_text(team)
    invited.page.get_by_role("main").get_by_role("link", name="Members").click()
    expect(invited.page.get_by_role("row").filter(has_text="stranger")).to_contain_text("you")
    assert invited.page.goto(link).status == 404  # type: ignore[union-attr]
    assert owner.complaints == []


def test_a_member_is_taken_out_after_a_question(watched: Watched) -> None:
    page = watched.open("/teams/payments/members")
    is_writer = page.get_by_role("rowheader", name="writer", exact=True)
    row = page.get_by_role("row").filter(has=is_writer)
    if not row.count():  # the other kind of browser has done it
        page.get_by_label("User name").fill("writer")
        page.get_by_role("button", name="Add").click()
    row.locator("summary").click()
    expect(row).to_contain_text("They lose what the team gave them.")
    row.get_by_role("button", name="Remove writer").click()
    expect(page.get_by_role("status")).to_be_visible()
    expect(row).to_have_count(0)


def test_the_language_is_switched_and_remembered(watched: Watched) -> None:
    """For this page with its query, for the next one, and for when the browser is opened again."""
    page = watched.open("/?sort=name")
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page).to_have_url(f"{watched.site.url}/?sort=name")
    watched.open("/teams")
    expect(page.get_by_role("navigation").get_by_text("管理")).to_be_visible()
    cookies = {cookie["name"]: cookie for cookie in watched.context.cookies()}
    assert cookies["berth_language"]["expires"] > time.time() + 300 * 86_400
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


class TestOnATelephone:
    """That no page scrolls sideways is in `test_every_page.py`."""

    def test_all_of_the_bar_can_be_tapped(self, scripted: Watched) -> None:
        scripted.open("/")
        places = {
            "Activity": "/activity",
            "Storage": "/storage",
            "Teams": "/teams",
            "Tokens": "/settings/tokens",
            "Administration": "/manage/users",
            "admin": "/settings/profile",
        }
        for name, path in places.items():
            bar = scripted.page.get_by_role("navigation", name="Site")
            link = bar.get_by_role("link", name=name, exact=True)
            box = link.bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= TELEPHONE, name
            link.click()
            expect(scripted.page).to_have_url(scripted.site.url + path)
        assert scripted.complaints == []

    def test_tables_become_cards_that_name_their_values(self, scripted: Watched) -> None:
        page = scripted.open("/repositories/payments/api/-/")
        cell = page.locator("#tags [data-label=Size]").first
        label = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
        assert label == '"Size"'
        cell.scroll_into_view_if_needed()
        expect(cell).to_be_in_viewport(ratio=1)
        assert sticks_out(page) == []

    def test_settings_are_reached_by_their_side_list(self, scripted: Watched) -> None:
        page = scripted.open("/settings/profile")
        page.get_by_role("navigation", name="Your settings").get_by_text("Sessions").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Sessions")
