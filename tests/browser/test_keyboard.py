"""With the keyboard alone: all is reached by Tab, and one sees where one is."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Watched

pytestmark = pytest.mark.interop

# Of the element that has the focus: how it is marked, and what of it lies within the window.
FOCUS = """() => {
  const node = document.activeElement;
  const style = getComputedStyle(node);
  const box = node.getBoundingClientRect();
  return {
    name: node.getAttribute("aria-label") || node.labels?.[0]?.textContent.trim() ||
      node.textContent.trim(),
    tag: node.tagName.toLowerCase(),
    marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight &&
      box.right > 0 && box.left < innerWidth,
    html: node.outerHTML.slice(0, 200),
  };
}"""
# More than any page here has to pass by.
MOST = 80


def tab_to(page: Page, tag: str, name: str) -> None:
    """Press Tab until the element has the focus, each stop of which must be marked and seen."""
    passed = []
    for _ in range(MOST):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUS)
        if found["tag"] == "body":
            continue  # round the end of the page
        assert found["marked"], found["html"]
        assert found["seen"], found["html"]
        if found["tag"] == tag and found["name"].startswith(name):
            return
        passed.append(f"{found['tag']} {found['name']!r}")
    pytest.fail(f"Tab never reaches {tag} {name!r}, only {passed}")


@pytest.fixture
def keyboard(visit: Visit) -> Watched:
    found = visit("owner")
    found.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=found.site.url)
    return found


def test_a_repository_is_searched_opened_and_its_command_copied(keyboard: Watched) -> None:
    page = keyboard.open("/")
    tab_to(page, "input", "Search repositories")
    page.keyboard.type("payments/api")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=payments%2Fapi")
    tab_to(page, "a", "payments/api")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("api")
    tab_to(page, "button", "Copy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"docker pull {keyboard.site.host}/payments/api")
    assert keyboard.complaints == []


def test_the_tabs_of_the_snippets_answer_to_arrows(keyboard: Watched) -> None:
    page = keyboard.open(keyboard.site.addresses["image"])
    tab_to(page, "input", "Docker")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("podman pull")).to_be_visible()
    expect(page.get_by_text("docker pull")).to_be_hidden()


def test_a_form_is_filled_in_and_sent(keyboard: Watched) -> None:
    page = keyboard.open("/settings/tokens/new")
    tab_to(page, "input", "Name")
    page.keyboard.type("typed")
    tab_to(page, "textarea", "Scopes")
    page.keyboard.type("payments/*:pull")
    tab_to(page, "button", "Make the token")
    page.keyboard.press("Enter")
    expect(page.locator("pre.secret")).to_be_visible()


def test_what_asks_first_is_opened_and_confirmed(keyboard: Watched) -> None:
    page = keyboard.open("/settings/tokens/new")
    page.get_by_label("Name").fill("passing")
    page.keyboard.press("Enter")
    expect(page.locator("pre.secret")).to_be_visible()
    keyboard.open("/settings/tokens")
    tab_to(page, "summary", "Revoke passing")
    page.keyboard.press("Enter")
    tab_to(page, "button", "Revoke passing")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("is revoked")


def test_every_stop_of_a_full_page_is_marked(keyboard: Watched) -> None:
    """The last control of the page is reached, past all that an image's page has."""
    page = keyboard.open(keyboard.site.addresses["image-of-platforms"])
    expect(page.locator("#history").get_by_role("row").first).to_be_visible()
    tab_to(page, "button", "dark")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
