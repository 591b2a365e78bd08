"""S26, S27: what another site makes a browser do, and where it makes it go."""

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client

from accounts.models import BrowserSession
from repositories.models import Tag
from tests.security.client import Answer, send
from tests.security.conftest import APP, World


def cookie_of(world: World, who: str = "admin") -> dict[str, str]:
    """The session of a browser, as a header."""
    browser = Client()
    browser.force_login(world.people[who])
    assert browser.session[SESSION_KEY] == str(world.people[who].pk)
    found = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    return {"Cookie": found}


REQUESTS = [
    ("GET", "/v2/"),
    ("GET", "/v2/_catalog"),
    ("GET", f"/v2/{APP}/manifests/1"),
    ("HEAD", f"/v2/{APP}/manifests/1"),
    ("PUT", f"/v2/{APP}/manifests/2"),
    ("DELETE", f"/v2/{APP}/manifests/1"),
    ("GET", f"/v2/{APP}/tags/list"),
    ("POST", f"/v2/{APP}/blobs/uploads/"),
]


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_a_session_opens_nothing_of_v2(world: World, method: str, path: str) -> None:
    with_session = send(method, path, headers=cookie_of(world))
    without = send(method, path)
    assert with_session.status == 401
    assert (with_session.body, with_session.headers) == (without.body, without.headers)
    assert Tag.objects.filter(name="1").exists()


def test_a_session_earns_no_token(world: World) -> None:
    """A page of another site could read neither answer, but it could cause the request."""
    scope = f"repository:{APP}:pull,push"
    with_session = send("GET", f"/token?scope={scope}", headers=cookie_of(world))
    assert with_session.status == 200
    answer = Answer(200, {}, with_session.body).json()
    by = f"Bearer {answer['token']}"
    assert send("GET", f"/v2/{APP}/tags/list", by=by).status == 401
    posted = send("POST", "/token", b"grant_type=password", headers=cookie_of(world))
    assert posted.status in (400, 401)


def test_v2_sets_no_cookie_and_lets_no_other_site_read(world: World) -> None:
    for method, path in [*REQUESTS, ("OPTIONS", "/v2/"), ("GET", "/token")]:
        headers = {"Origin": "https://evil.example"}
        answer = send(method, path, by=world.by("owner"), headers=headers)
        names = {name.lower() for name in answer.headers}
        assert "set-cookie" not in names
        assert not {name for name in names if name.startswith("access-control-")}


FORMS = [
    "/sign-in",
    "/sign-out",
    "/settings/profile",
    "/settings/password",
    "/settings/tokens/new",
    "/settings/sessions/end",
    "/teams",
    "/teams/payments/settings",
    "/manage/new-user",
    "/admin/accounts/user/add/",
]


@pytest.mark.parametrize("path", FORMS)
def test_a_form_of_another_site_is_refused(world: World, path: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    if path != "/sign-in":
        browser.force_login(world.people["admin"])
    assert browser.post(path, {"username": "eve", "name": "eve"}).status_code == 403
    forged = {"csrfmiddlewaretoken": "x" * 64, "username": "eve", "name": "eve"}
    assert browser.post(path, forged, headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", ["teams", "users", "users/owner", "teams/payments", "tokens/1"])
def test_the_api_takes_a_session_only_with_the_page_s_token(
    world: World, method: str, path: str
) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(world.people["admin"])
    call = getattr(browser, method)
    answer = call(f"/api/v1/{path}", {"name": "eve"}, content_type="application/json")
    assert answer.status_code in (403, 405)
    # As a plain form of another site could send it.
    answer = call(f"/api/v1/{path}", "name=eve", content_type="text/plain")
    assert answer.status_code in (403, 405)


def test_the_session_s_cookie_is_for_this_site_alone(world: World) -> None:
    browser = Client()
    answer = browser.post("/sign-in", {"username": "owner", "password": "owner-password"})
    assert answer.status_code == 302
    session = browser.cookies["berth_session"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"
    assert BrowserSession.objects.filter(user=world.people["owner"]).count() == 1


def test_signing_in_makes_a_new_session(world: World) -> None:
    """One that somebody else planted is not the one that becomes signed in."""
    browser = Client()
    session = browser.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    browser.cookies["berth_session"] = str(planted)
    browser.post("/sign-in", {"username": "owner", "password": "owner-password"})
    assert browser.cookies["berth_session"].value != planted
    assert not BrowserSession.objects.filter(session_key=planted, user__isnull=False).exists()


ELSEWHERE = [
    "https://evil.example",
    "http://evil.example/",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/%09/evil.example",
    "\t//evil.example",
    " //evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "//evil.example\\@registry.example.com",
    "https://registry.example.com@evil.example",
    "http://testserver.evil.example",
    "//testserver@evil.example",
    "/\u3002evil",
    "/%0d%0aLocation:%20https://evil.example",
    "/\r\nSet-Cookie: x=1",
    "evil.example",
    "?next=//evil.example",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_sent_elsewhere(world: World, target: str) -> None:
    for path, form in (
        ("/sign-in", {"username": "owner", "password": "owner-password", "next": target}),
        ("/appearance", {"theme": "dark", "next": target}),
        ("/sign-out", {"next": target}),
    ):
        answer = Client().post(path, form)
        assert answer.status_code in (302, 400)
        stays(answer.headers.get("Location", "/"))
    browser = Client()
    browser.force_login(world.people["owner"])
    for path in ("/sign-in", "/admin/login/", "/oidc/sign-in"):
        answer = browser.get(path, {"next": target})
        stays(answer.headers.get("Location", "/"))
        assert "Set-Cookie: x=1" not in str(answer.headers)


def stays(location: str) -> None:
    """Browsers strip tabs and line ends, and take \\ for /."""
    seen = location.replace("\\", "/").translate({9: None, 10: None, 13: None}).strip()
    assert seen.startswith("/"), location
    assert not seen.startswith("//"), location
    assert location.isprintable()


def test_a_page_that_asks_to_sign_in_comes_back_to_itself(world: World) -> None:
    answer = Client().get("/teams/payments?page=2")
    assert answer.headers["Location"] == "/sign-in?next=/teams/payments%3Fpage%3D2"
    form = {"username": "owner", "password": "owner-password", "next": "/teams/payments?page=2"}
    assert Client().post("/sign-in", form).headers["Location"] == "/teams/payments?page=2"
