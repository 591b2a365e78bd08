"""The proxy doctor's page, and what a form says that a proxy has spoilt."""

import re

import pytest
from django.test import Client
from pytest_django import Settings

from tests.accounts.web.conftest import World

HTTPS = "https://registry.example.com"
XSS = "<script>alert(1)</script>"
ADDRESS = "/manage/proxy"


def ids(world: World, query: str = "", **headers: str) -> list[str]:
    answer = world.client("admin").get(ADDRESS + query, headers=named(headers))
    assert answer.status_code == 200
    return [finding.id for finding in answer.context["findings"]]


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def test_the_page_before_tells_which_address_the_browser_uses(world: World) -> None:
    ours = f"{HTTPS}/manage/users"
    assert "scheme" in ids(world, Host="registry.example.com", Referer=ours)
    same = {"Referer": f"{HTTPS}/", "Sec_Fetch_Site": "same-origin"}
    assert "scheme" in ids(world, Host="registry.example.com", **same)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
def test_a_page_of_another_site_tells_nothing(world: World, site: str) -> None:
    headers = {"Referer": "https://evil.example/", "Sec-Fetch-Site": site}
    answer = world.client("admin").get(ADDRESS, headers=headers)
    assert answer.context["facts"].browser == ""
    assert "does not say which address" in answer.content.decode()


def test_a_script_or_a_form_tells_it_too(world: World) -> None:
    assert "scheme" in ids(world, f"?browser={HTTPS}", Host="registry.example.com")
    headers = {"Host": "a.example", "X_Forwarded_For": "192.0.2.1"}
    assert ids(world, "?browser=http://a.example", **headers) == ["plain-http"]


def test_the_host_that_came_is_shown_beside_the_one_that_is_believed(world: World) -> None:
    headers = {"Host": "berth:5000", "X-Forwarded-Host": "a.example", "X-Forwarded-Proto": "https"}
    answer = world.client("admin").get(ADDRESS, headers=headers)
    facts = answer.context["facts"]
    assert facts.received == ("http", "berth:5000")
    assert facts.base == "https://a.example"
    page = answer.content.decode()
    assert "<code>berth:5000</code>" in page
    assert "<code>https://a.example/token</code>" in page


def test_it_says_so_when_all_is_well(world: World, settings: Settings) -> None:
    settings.PUBLIC_URL = HTTPS
    headers = {
        "Host": "registry.example.com",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "192.0.2.1",
    }
    answer = world.client("admin").get(f"{ADDRESS}?browser={HTTPS}", headers=headers)
    assert answer.context["findings"] == []
    assert "All is well" in answer.content.decode()
    assert f"{HTTPS}/v2/</pre>" in answer.content.decode()


@pytest.mark.parametrize(
    "name", ["Via", "Forwarded", "Referer", "X-Forwarded-For", "X-Forwarded-Port", "Origin"]
)
def test_hostile_headers_are_text(world: World, name: str) -> None:
    for text in (XSS, '"><img src=x>', "x" * 8000, "http://[", "https://[::1", "\x7f"):
        answer = world.client("admin").get(ADDRESS, headers={name: text})
        assert answer.status_code == 200
        assert XSS not in answer.content.decode()
        assert "<img src=x>" not in answer.content.decode()


@pytest.mark.parametrize("text", ["\x00", XSS, "javascript:alert(1)", "https://é", "x" * 8000])
def test_odd_addresses_are_not_believed(world: World, text: str) -> None:
    answer = world.client("admin").get(ADDRESS, {"browser": text})
    assert answer.context["facts"].browser == ""


class TestForms:
    def send(self, token: str = "", **headers: str) -> str:
        """What a form says that is refused; it bears its own token unless another is given."""
        client = Client(enforce_csrf_checks=True)
        page = client.get("/sign-in", headers={"Host": headers["Host"]}).content.decode()
        data = {"username": "a", "password": "b", "csrfmiddlewaretoken": token or token_of(page)}
        answer = client.post("/sign-in", data, headers=named(headers))
        assert answer.status_code == 403
        return answer.content.decode()

    @pytest.mark.parametrize("host", ["registry.example.com", "berth:5000"])
    def test_a_form_that_a_proxy_has_spoilt_says_what_to_set(self, db: None, host: str) -> None:
        for browser in ({"Origin": HTTPS, "Sec_Fetch_Site": "same-origin"}, {"Origin": HTTPS}):
            page = self.send(Host=host, **browser)
            assert f"REGISTRY_HTTP_HOST={HTTPS}" in page
            assert f"http://{host}" in page

    def test_what_is_set_mends_it(self, db: None, settings: Settings) -> None:
        settings.CSRF_TRUSTED_ORIGINS = [HTTPS]
        client = Client(enforce_csrf_checks=True)
        page = client.get("/sign-in").content.decode()
        data = {"username": "a", "password": "b", "csrfmiddlewaretoken": token_of(page)}
        answer = client.post("/sign-in", data, headers={"Host": "berth:5000", "Origin": HTTPS})
        assert answer.status_code == 200

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
    def test_no_other_sites_address_is_advised(self, db: None, site: str) -> None:
        evil = "https://evil.example"
        for page in (
            self.send(Host="a.example", Origin=evil, token="a" * 64),
            self.send(Host="a.example", Origin=evil, Sec_Fetch_Site=site),
        ):
            assert "REGISTRY_HTTP_HOST=" not in page
            assert "evil" not in page

    def test_an_old_form_is_called_one(self, db: None) -> None:
        page = self.send(Host="a.example", Origin="http://a.example", token="a" * 64)
        assert "too old" in page


def token_of(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found is not None
    return found[1]
