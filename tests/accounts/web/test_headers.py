"""What every page says to the browser, and what pages look like when something is wrong."""

import re
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from django.views.defaults import server_error

from tests.accounts.web.conftest import World
from tests.accounts.web.test_who_may import ROWS, Row


class Elements(HTMLParser):
    """Tags with their attributes, as they come."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


NO_PAGES = {"manage-audit-export", "image-manifest-raw", "repository-compare"}
PAGES = [row for row in ROWS if row.data is None and row.name not in NO_PAGES]


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.name)
def test_pages_have_nothing_inline_nothing_foreign_and_a_label_for_each_input(
    world: World, row: Row
) -> None:
    client = world.client("anonymous" if row.name == "sign-in" else "admin")
    address = reverse(row.name, kwargs=row.arguments(world))
    page = client.get(address).content.decode()
    elements = Elements(page).found
    labels = {attrs["for"] for tag, attrs in elements if tag == "label" and "for" in attrs}
    ids = [attrs["id"] for tag, attrs in elements if "id" in attrs]
    assert len(ids) == len(set(ids)), "an id stands twice"
    assert [attrs["lang"] for tag, attrs in elements if tag == "html"] == ["en"]
    assert [tag for tag, _ in elements].count("h1") == 1
    for tag, attrs in elements:
        assert tag != "style"
        assert "style" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        assert tag != "script" or (attrs.get("src") or "").startswith("/static/")
        for name in ("src", "href", "action"):
            assert not (attrs.get(name) or "").startswith(("http:", "https:", "//", "javascript:"))
        if tag in ("input", "select", "textarea") and attrs.get("type") != "hidden":
            named = attrs.get("id") in labels or "aria-label" in attrs or "aria-hidden" in attrs
            assert named, attrs
        described = (attrs.get("aria-describedby") or "").split()
        assert all(name in ids for name in described), described


def test_the_policy_is_strict(client: Client, db: None) -> None:
    for address in ("/", "/sign-in", "/nowhere", "/settings/profile", "/admin/login/"):
        answer = client.get(address)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"


def test_pages_of_people_are_kept_nowhere(world: World) -> None:
    for address in ("/settings/tokens", "/teams/payments", "/settings/profile"):
        assert world.client("owner").get(address).headers["Cache-Control"] == "no-store"


def test_passwords_say_which_they_are_to_password_managers(world: World) -> None:
    assert 'autocomplete="current-password"' in Client().get("/sign-in").content.decode()
    user = world.users["owner"]
    user.set_password("correct horse battery staple")
    user.save()
    page = world.client("owner").get("/settings/password").content.decode()
    assert page.count('autocomplete="new-password"') == 2
    assert 'autocomplete="current-password"' in page
    assert 'autocomplete="username"' in page


@pytest.mark.parametrize("debug", [False])
def test_a_page_for_what_is_not_there(client: Client, db: None, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "Nothing here" in answer.content.decode()


def test_a_page_for_what_one_may_not_do_gives_the_reason(world: World) -> None:
    page = world.client("reader").get("/teams/payments/robots").content.decode()
    assert "This takes the role “Owner” in the team" in page


def test_a_page_for_our_own_mistakes_needs_nothing_that_could_fail(
    rf: RequestFactory,
) -> None:
    answer = server_error(rf.get("/"))
    page = answer.content.decode()
    assert answer.status_code == 500
    assert "server&#x27;s fault" in page or "server's fault" in page
    assert not re.search(r"\{[%{]", page)


def test_a_host_that_is_none_is_refused(client: Client, db: None) -> None:
    assert client.get("/", headers={"Host": "a b<script>"}).status_code == 400


@override_settings(SESSION_COOKIE_SECURE=True, CSRF_COOKIE_SECURE=True)
def test_cookies_are_secure_when_the_public_address_is(world: World) -> None:
    client = world.client("owner")
    answer = client.get("/teams")
    assert answer.cookies[settings.CSRF_COOKIE_NAME]["secure"]
    answer = client.post("/appearance", {"theme": "dark"})
    assert answer.cookies["berth_theme"]["secure"]
