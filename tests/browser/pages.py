"""Every page of the site, by name, and what nobody may find on one of them.

The names come from the table of who may open what, which has a row for every address; so a new page
is looked at here without a line being added. What the table has not is a page of another package
(the second factor, the API's description), a page for an error, or a page that looks otherwise
with other content.
"""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request

from tests.accounts.web.test_who_may import ROWS

# Downloads, which have no page.
DOWNLOADS = frozenset({"manage-audit-export", "image-manifest-raw"})
FROM_ROWS = tuple(row.name for row in ROWS if row.data is None and row.name not in DOWNLOADS)
EXTRAS = (
    *("home", "home-of-nobody", "home-filtered", "compare", "compared", "search-found"),
    *("image-of-platforms", "image-of-a-platform", "image-by-digest", "chart", "signature"),
    *("referrers-of-platforms", "history-of-a-moved-tag", "untagged-none", "repository-empty"),
    *("layer-folder", "layer-search", "layer-refused", "files-folder", "storage-of-team"),
    *("activity-paused", "search-nothing", "audit-wrong", "manage-user-oneself"),
    *("second-factor", "second-factor-on", "second-factor-kept", "recovery-codes"),
    *("recovery-codes-new", "second-factor-off", "confirm", "sign-in-code"),
    *("not-found", "not-found-for-nobody", "forbidden", "api"),
)
NAMES = (*FROM_ROWS, *EXTRAS)
TELEPHONE = 390
# Which of the cast opens it; else the administrator, who sees the most.
VISITORS = {
    **dict.fromkeys(("sign-in", "not-found-for-nobody", "home-of-nobody"), "nobody"),
    **dict.fromkeys(("second-factor-kept", "recovery-codes", "recovery-codes-new"), "careful"),
    "second-factor-off": "careful",
    "sign-in-code": "half",
    "forbidden": "stranger",
}
# Pages that lead on to another.
LEAD_TO = {"repository-compare": "/compare"}
# `Axe.run` would load it for each run, and fetch all that is in order as well, which takes longer
# than the run.
_AXE = Axe().axe_script
_RUN = """async (options) => (await axe.run(document, options)).violations.flatMap(
  (problem) => problem.nodes.map((node) => [
    problem.impact, problem.id, problem.help, node.html, node.failureSummary]))"""
# Swagger UI puts links into the buttons of its list; that is not ours to change.
_RULES = {"api": {"nested-interactive": {"enabled": False}}}
_BAD = ("serious", "critical")
# The elements that reach beyond the right edge, but for those in a box that scrolls by itself.
_WIDE = """() => {
  const edge = document.documentElement.clientWidth;
  const scrolls = (node) => node && node !== document.body &&
    (getComputedStyle(node).overflowX !== "visible" || scrolls(node.parentElement));
  if (document.documentElement.scrollWidth <= edge) return [];
  const found = [...document.querySelectorAll("body *")].filter(
    (node) => node.getBoundingClientRect().right > edge + 0.5 && !scrolls(node.parentElement));
  return ["the page is " + document.documentElement.scrollWidth + " wide",
    ...found.slice(0, 5).map((node) => node.outerHTML.slice(0, 200))];
}"""


def barriers(page: Page, name: str = "") -> list[str]:
    """What axe finds serious or critical on the page of that name, with the elements."""
    options = {"resultTypes": ["violations"], "rules": _RULES.get(name, {})}
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE)
    found: list[list[str]] = page.evaluate(_RUN, options)
    return [
        f"{rule}: {what}: {html[:200]} {failure[:300]}"
        for impact, rule, what, html, failure in found
        if impact in _BAD
    ]


def sticks_out(page: Page) -> list[str]:
    """What makes the page scroll sideways; nothing, when it does not."""
    found: list[str] = page.evaluate(_WIDE)
    return found


class Complaints:
    """What the browser says against a page, and what the page asks of others than its server."""

    def __init__(self, page: Page, origin: str) -> None:
        self.texts: list[str] = []
        self._origin = origin
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.texts.append(str(error)))
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        # That a page is an error's, such as 404, the browser itself writes there.
        is_status = message.text.startswith("Failed to load resource: the server responded with")
        if not (is_status and message.page and message.location["url"] == message.page.url):
            self.texts.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self._origin}/", "data:")):
            self.texts.append(f"asked for {request.url}")
