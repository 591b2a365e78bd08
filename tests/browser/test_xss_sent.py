"""What is sent in an address, a form or a header comes back as text, if at all (robustness S25)."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import Page

from tests.accounts.web.conftest import PASSWORD
from tests.browser.conftest import People, Site
from tests.browser.intruders import SCAN, SHOWN, Guard, plain, settled
from tests.browser.payloads import PAYLOADS

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("hostile")]

REPOSITORY = "/repositories/hostile/config/-"
# Pages that show what their address says, where `{}` is.
REFLECTING = (
    "/search?q={}",
    "/?text={}&team={}",
    f"{REPOSITORY}/?q={{}}",
    "/compare?before={}&after={}&platform={}",
    "/manage/users?q={}",
    "/manage/audit?actor={}&action={}&target={}",
    "/storage?team={}",
    "/settings/confirm?next={}",
)
# And those that need not show it.
SILENT = (
    "/?sort={}&after={}",
    f"{REPOSITORY}/?sort={{}}&after={{}}",
    f"{REPOSITORY}/images/all?platform={{}}",
    f"{REPOSITORY}/images/{{}}",
    f"{REPOSITORY}/activity?after={{}}",
    "/repositories/{}/-/",
    "/compare?before=hostile/config:{}&after=hostile/config:all&platform={}",
    "/manage/audit?outcome={}&after={}",
    "/storage?days={}&after={}",
    "/activity?after={}&paused={}",
    "/teams/{}",
    "/nowhere/{}?{}={}",
)
# A browser itself says in its console that this is no date.
DATES = "/manage/audit?since={}&until={}"
# Forms that show again what was sent, with what is wrong with it.
FORMS = {
    "/settings/tokens/new": ("name", "scopes", "expires"),
    "/settings/profile": ("email",),
    "/teams": ("name",),
    "/teams/hostile/members": ("username", "role"),
    "/teams/hostile/robots": ("name", "description"),
    "/teams/hostile/quota": ("amount", "unit"),
    "/teams/hostile/immutable-tags": ("immutable_tags",),
    "/teams/hostile/trust-rules": ("name", "issuer", "audience", "claims", "scopes"),
    "/manage/new-user": ("username", "email"),
    f"{REPOSITORY}/delete": ("name",),
    f"{REPOSITORY}/grants": ("username", "role"),
    f"{REPOSITORY}/description": ("description", "preview"),
}
# So many payloads are sent in one text, as far as no field cuts it: none that stays a text hides
# another.
AT_ONCE, LONGEST = 5, 250
# Asks for all the addresses and forms, and looks at what the parser makes of the answers.
FETCH = f"""async ([requests, payloads, origin]) => {{
  const scan = ({SCAN});
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const plain = (text) => text.replace(/\\s+/g, " ");
  const wrong = {{}};
  const shown = {{}};
  await Promise.all(requests.map(async ([name, path, form]) => {{
    const body = form && new URLSearchParams({{ csrfmiddlewaretoken: token, ...form }});
    const answer = await fetch(path, form ? {{ method: "POST", body }} : {{}});
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = scan(page, origin);
    if (answer.status >= 500) found.push("status " + answer.status);
    if (found.length) wrong[name] = found;
    const values = [...page.querySelectorAll("*")].flatMap(
      (node) => [...node.attributes].map((attribute) => attribute.value));
    const text = plain([page.documentElement.textContent, ...values].join("\\n"));
    shown[name] = payloads.filter((payload) => text.includes(payload)).length;
  }}));
  return [wrong, shown];
}}"""


def batches() -> Iterator[list[str]]:
    batch: list[str] = []
    for payload in PAYLOADS:
        if len(batch) == AT_ONCE or len("\n".join([*batch, payload])) > LONGEST:
            yield batch
            batch = []
        batch.append(payload)
    yield batch


def test_answers_have_no_more_than_text(
    page: Page, site: Site, record_property: Callable[[str, str], None]
) -> None:
    """What a parser makes of each answer; the next test opens pages."""
    page.goto(f"{site.url}/settings/profile")
    wrong: list[object] = []
    shown: dict[str, int] = defaultdict(int)
    for payloads in batches():
        text = "\n".join(payloads)
        quoted = quote(text, safe="")
        asked: list[tuple[str, str, dict[str, str] | None]] = [
            (path, path.replace("{}", quoted), None) for path in (*REFLECTING, *SILENT, DATES)
        ]
        asked += [(path, path, dict.fromkeys(fields, text)) for path, fields in FORMS.items()]
        wanted = [plain(payload) for payload in payloads]
        found, seen = page.evaluate(FETCH, [asked, wanted, site.url])
        wrong += [found, *payloads] if found else []
        for name, number in seen.items():
            shown[name] += number
    total = f"{len(PAYLOADS)} payloads, {len(shown)} addresses and forms"
    record_property("xss", f"{total}, shown {sum(shown.values())} times")
    print(f"\n{total}: {dict(shown)}")
    assert not wrong, json.dumps(wrong[:5], indent=1)
    assert [name for name in (*REFLECTING, *FORMS) if shown[name] < 100] == []


def test_strangers_get_no_more_than_text(people: People, site: Site) -> None:
    """Before anybody has signed in: where to go back to, and what was typed for a name."""
    context = people.context("nobody")
    page = context.new_page()
    page.goto(f"{site.url}/sign-in")
    paths = ("/sign-in?next=/{}", "/{}", "/repositories/{}/-/", "/invitations/{}", "/?text={}")
    shown = 0
    for payloads in batches():
        text = "\n".join(payloads)
        asked: list[object] = [
            (path, path.replace("{}", quote(text, safe="")), None) for path in paths
        ]
        # Without a password nothing is counted against the address.
        asked.append(("form", "/sign-in", {"username": text, "next": text}))
        wanted = [plain(payload) for payload in payloads]
        wrong, seen = page.evaluate(FETCH, [asked, wanted, site.url])
        assert wrong == {}, payloads
        shown += seen["form"]
    context.close()
    assert shown > 100


def test_opened_pages_run_nothing_of_their_address(page: Page, site: Site) -> None:
    """Each payload in one of the pages above."""
    guard = Guard(page, site.url)
    intruders: dict[str, list[str]] = {}
    templates = (*REFLECTING, *SILENT)
    for number, payloads in enumerate(batches()):
        template = templates[number % len(templates)]
        page.goto(site.url + template.replace("{}", quote("\n".join(payloads), safe="")))
        settled(page)
        if found := guard.intruders():
            intruders[page.url] = found
        guard.clear()
    assert not intruders, json.dumps(intruders, indent=1)


def test_search_as_one_types_swaps_in_text_only(page: Page, site: Site) -> None:
    """The part of the answer that htmx puts into the page, and looks through for its attributes."""
    guard = Guard(page, site.url)
    page.goto(f"{site.url}/search")
    for payload in PAYLOADS:
        page.evaluate(
            """([path, options]) => htmx.ajax("GET", path, options)""",
            [
                f"/search?q={quote(payload, safe='')}",
                {"target": "#found", "select": "#found", "swap": "outerHTML"},
            ],
        )
        if payload.isprintable():
            assert plain(payload) in plain(page.locator("#found").inner_text())
    assert guard.intruders() == []


def test_headers_of_clients_are_shown_nowhere(page: Page, site: Site) -> None:
    """What a client says of itself, and what a proxy says of it."""
    sendable = [text.strip() for text in PAYLOADS if text.isprintable() and text.isascii()]
    assert len(sendable) > 100
    with requests.Session() as session:
        session.trust_env = False
        session.auth = ("guest", PASSWORD)
        for text in sendable:
            names = ("User-Agent", "Referer", "X-Forwarded-For")
            headers = dict.fromkeys(names, f"{text};header")
            where = f"{site.url}/v2/payments/api/manifests/v1"
            assert session.get(where, headers=headers).status_code == 200
    guard = Guard(page, site.url)
    for path in ("/activity", "/settings/sessions", "/manage/audit?actor=guest", "/manage/tokens"):
        page.goto(site.url + path)
        assert guard.intruders() == []
        assert ";header" not in page.evaluate(SHOWN)
