"""What clients wrote stays text, wherever it is shown (robustness S25): the corpus on every page.

How many payloads stood in how many fields is recorded as a property of the test, `xss`.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site
from tests.browser.intruders import ADMIN, SHOWN, Guard, plain, settled
from tests.browser.payloads import PAYLOADS, texts

pytestmark = pytest.mark.interop

# Lists are turned so often: with fifty rows on each page all payloads have been on one.
MOST_PAGES = 12
# How many at least, of fields that cannot be written or are not shown letter by letter: an e-mail
# address has a grammar, a path is tidied up, and the audit log has no control characters.
PARTLY = {
    "email": 50,
    "claim": 160,
    "file": 140,
    "symlink": 160,
    **dict.fromkeys(("created-by", "comment"), 170),
    **dict.fromkeys(("actor", "target", "credential"), 160),
}


def turned(page: Page, path: str, site: Site) -> Iterator[str]:
    """Open a list's page, and those behind it; yields the address of each."""
    page.goto(site.url + path)
    for _ in range(MOST_PAGES):
        settled(page)
        yield page.url
        following = page.locator("a[rel=next]")
        if not following.count():
            return
        page.goto(following.first.evaluate("link => link.href"))


def test_the_corpus_is_large() -> None:
    assert len(PAYLOADS) == len(set(PAYLOADS)) >= 80


def test_stored_texts_stay_texts(
    page: Page,
    site: Site,
    hostile: dict[str, list[str]],
    record_property: Callable[[str, str], None],
) -> None:
    guard = Guard(page, site.url)
    seen: dict[str, set[str]] = defaultdict(set)
    intruders: dict[str, list[str]] = {}
    count = 0
    for path, fields in hostile.items():
        for url in turned(page, path, site):
            count += 1
            found = guard.intruders(*(ADMIN if path.startswith("/admin/") else ()))
            if found or page.url != url:
                intruders[url] = [*found, f"now at {page.url}"]
            guard.clear()
            shown = plain(page.evaluate(SHOWN)) if fields else ""
            for field in fields:
                missed = set(texts(field)) - seen[field]
                seen[field] |= {text for text in missed if plain(text) in shown}
    figures = {field: len(found) for field, found in sorted(seen.items())}
    total = f"{len(PAYLOADS)} payloads, {len(figures)} fields, {sum(figures.values())} shown"
    record_property("xss", f"{total} on {count} pages")
    print(f"\n{total} on {count} pages: {figures}")
    assert not intruders, json.dumps(intruders, indent=1)
    few = {
        field: sorted(set(texts(field)) - seen[field])
        for field in seen
        if len(seen[field]) < PARTLY.get(field, len(PAYLOADS))
    }
    assert not few, json.dumps(few, indent=1)
