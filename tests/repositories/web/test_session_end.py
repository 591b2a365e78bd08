"""A session that ends while its page is open: scripts that fetch parts of it lead to the sign-in
page, and never put it, or what strangers see, into the page."""

from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import BrowserSession
from tests.accounts.web.conftest import World
from tests.repositories.web.images import push

HTMX = {"HX-Request": "true"}
PARTS = [
    "/",
    "/search?q=a",
    "/activity",
    "/teams/payments",
    "/repositories/payments/api/-/?q=v",
    "/repositories/payments/api/-/activity",
    "/repositories/payments/api/-/images/v1/referrers",
    "/repositories/nowhere/-/activity",
]


@pytest.fixture
def ended(world: World) -> Client:
    """The browser of somebody who was signed out from elsewhere."""
    push(world, "v1", b"layer")
    client = world.client("owner")
    assert client.get("/activity", headers=HTMX).status_code == 200
    BrowserSession.objects.all().delete()
    return client


def target(client: Client, address: str, **headers: str) -> str:
    """Where htmx goes, and that it finds nothing to put into the page."""
    answer = client.get(address, headers=HTMX | headers)
    assert answer.status_code == 200
    assert answer.content == b""
    assert "no-store" in answer.headers["Cache-Control"]
    return str(answer.headers["HX-Redirect"])


@pytest.mark.parametrize("mode", ["none", "pull", "open"])
@pytest.mark.parametrize("address", PARTS)
def test_whoever_was_signed_in_is_led_to_the_sign_in_page(
    ended: Client, settings: Settings, mode: str, address: str
) -> None:
    settings.OPEN_ACCESS = mode == "open"
    settings.ANONYMOUS_ACCESS = "pull" if mode == "pull" else "none"
    assert target(ended, address) == f"/sign-in?next={quote(address)}"


def test_one_comes_back_to_the_page_that_one_saw(ended: Client) -> None:
    current = "http://testserver/repositories/payments/api/-/images/v1?platform=a"
    where = target(ended, PARTS[-2], **{"HX-Current-URL": current})
    assert where == "/sign-in?next=" + quote("/repositories/payments/api/-/images/v1?platform=a")


@pytest.mark.parametrize(
    "current", ["https://evil.example/x", "//evil.example", "javascript:alert(1)", "\\", ""]
)
def test_one_never_comes_back_to_another_site(ended: Client, current: str) -> None:
    where = target(ended, "/activity", **{"HX-Current-URL": current})
    assert where == "/sign-in?next=/activity"


def test_a_form_that_is_sent_in_part_leads_there_too(ended: Client) -> None:
    address = "/repositories/payments/api/-/description"
    answer = ended.post(address, {"preview": "yes"}, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/"


def test_going_back_in_the_history_shows_a_whole_page(ended: Client) -> None:
    headers = HTMX | {"HX-History-Restore-Request": "true"}
    answer = ended.get("/activity", headers=headers)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/sign-in?next=/activity"


def test_strangers_may_go_on_where_they_may_read(
    world: World, settings: Settings, client: Client
) -> None:
    settings.ANONYMOUS_ACCESS = "pull"
    for address in ("/", "/activity", "/search?q=a"):
        answer = client.get(address, headers=HTMX)
        assert answer.status_code == 200
        assert "HX-Redirect" not in answer.headers


def test_who_has_begun_to_sign_in_is_a_stranger_still(world: World, settings: Settings) -> None:
    """Their session has something in it, but nobody."""
    settings.ANONYMOUS_ACCESS = "pull"
    client = Client()
    session = client.session
    session["state"] = "of single sign-on"
    session.save()
    assert session.session_key is not None
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert "HX-Redirect" not in client.get("/activity", headers=HTMX).headers
