"""Every page, in light and dark, in each language, and at a telephone's width.

Nothing that axe finds serious or critical, nothing in the browser's console, no request to another
origin, and no scrolling sideways.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.accounts.web.conftest import PASSWORD
from tests.browser.conftest import People, Site, Watched
from tests.browser.pages import (
    DOWNLOADS,
    LEAD_TO,
    NAMES,
    TELEPHONE,
    VISITORS,
    barriers,
    sticks_out,
)

pytestmark = pytest.mark.interop

LANGUAGES = {"en": "en-US", "zh-hans": "zh-CN"}


class Rooms:
    """A page for each visitor and language, opened once and used for all that they visit."""

    def __init__(self, people: People, site: Site) -> None:
        self._people = people
        self._site = site
        self._pages: dict[tuple[str, str], Watched] = {}
        self.contexts: list[BrowserContext] = []

    def of(self, who: str, language: str) -> Watched:
        if (who, language) not in self._pages:
            context = self._people.context(who, locale=LANGUAGES[language])
            self.contexts.append(context)
            self._pages[who, language] = Watched(context, self._site)
        return self._pages[who, language]


@pytest.fixture(scope="module")
def rooms(people: People, site: Site) -> Iterator[Rooms]:
    found = Rooms(people, site)
    yield found
    for context in found.contexts:
        context.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_good_for_everybody(rooms: Rooms, site: Site, name: str, language: str) -> None:
    watched = rooms.of(VISITORS.get(name, "admin"), language)
    page = watched.page
    watched.complaints.clear()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    watched.open(site.addresses[name])
    if page.url.startswith(f"{site.url}/settings/confirm?"):
        confirm(page)
    assert page.url.startswith(site.url + LEAD_TO.get(name, site.addresses[name]))
    page.wait_for_load_state("networkidle" if name == "api" else "load")
    problems = {"in light": barriers(page, name)}
    assert page.locator("html").get_attribute("lang") == language
    if language == "en":  # no text has a colour of its own
        page.emulate_media(color_scheme="dark")
        problems["in dark"] = barriers(page, name)
    page.set_viewport_size({"width": TELEPHONE, "height": 844})
    problems["sideways"] = sticks_out(page)
    problems["said"] = list(watched.complaints)
    wrong = [f"{what}: {text}" for what, found in problems.items() for text in found]
    assert not wrong, "\n".join(wrong)


def test_downloads_are_no_pages(people: People, site: Site) -> None:
    """What is left out above is nothing that a browser would show."""
    context = people.context("admin")
    for name in DOWNLOADS:
        answer = context.request.get(site.url + site.addresses[name])
        assert answer.ok
        assert answer.headers["content-disposition"].startswith("attachment")
    context.close()


def confirm(page: Page) -> None:
    """Enter the password again, which what changes the second factor asks for."""
    page.locator("main input[type=password]").fill(PASSWORD)
    page.locator("main form button[type=submit]").click()
    page.wait_for_url(re.compile("second-factor"))


class TestTheCheck:
    """What it would find, if there were something."""

    @pytest.fixture
    def bare(self, people: People) -> Iterator[Watched]:
        """A page that no server has sent, so that no policy holds there."""
        context = people.context("nobody", viewport={"width": TELEPHONE, "height": 844})
        yield Watched(context, people.site)
        context.close()

    def test_faint_text_and_fields_without_a_name_are_barriers(self, bare: Watched) -> None:
        bare.page.set_content(
            "<html lang=en><title>t</title><main><h1>t</h1><p style='color:#ccc'>faint</p>"
            "<input></main></html>"
        )
        found = {text.partition(":")[0] for text in barriers(bare.page)}
        assert found == {"color-contrast", "label"}

    def test_what_is_wide_sticks_out(self, bare: Watched) -> None:
        bare.page.set_content("<div id=wide style='width:500px'>x</div>")
        assert any('id="wide"' in text for text in sticks_out(bare.page))
        bare.page.set_content("<div style='overflow:auto'><p style='width:500px'>x</p></div>")
        assert sticks_out(bare.page) == []

    def test_errors_and_foreign_requests_are_complaints(self, bare: Watched) -> None:
        bare.page.route("https://elsewhere.example/**", lambda route: route.abort())
        bare.page.set_content(
            "<img src='https://elsewhere.example/x.png'><script>console.error('oh')</script>"
            "<script>throw new Error('ah')</script>"
        )
        told = " ".join(bare.complaints)
        assert "asked for https://elsewhere.example/x.png" in told
        assert "error: oh" in told
        assert "ah" in told
