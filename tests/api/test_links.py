"""`Location`: the address by which the client reached us, behind whatever proxies."""

from typing import Any

import pytest
from pytest_django import Settings

from repositories.access import Principal
from tests.api.doors import HOST, Caller

PATH = "/v2/payments/app/blobs/uploads/"
PROXY, ELSEWHERE = "10.0.0.1", "203.0.113.9"

FORWARDED = [
    ({"X-Forwarded-Proto": "https"}, f"https://{HOST}"),
    ({"X-Forwarded-Host": "hub.example.org"}, "http://hub.example.org"),
    ({"X-Forwarded-Host": "hub:8443", "X-Forwarded-Proto": "https"}, "https://hub:8443"),
    ({"X-Forwarded-Host": "outer, inner", "X-Forwarded-Proto": "https, http"}, "https://outer"),
    ({"Forwarded": "proto=https;host=hub.example.org"}, "https://hub.example.org"),
    ({"Forwarded": "for=192.0.2.1; Proto=https; Host=hub"}, "https://hub"),
    ({"Forwarded": 'host="[2001:db8::1]:5000";proto=https'}, "https://[2001:db8::1]:5000"),
    ({"Forwarded": "host=outer;proto=https, host=inner;proto=http"}, "https://outer"),
    ({"Forwarded": "host=new;proto=https", "X-Forwarded-Host": "old"}, "https://new"),
    ({"Forwarded": "for=192.0.2.1", "X-Forwarded-Host": "hub"}, "http://hub"),
    ({"X-Forwarded-Proto": "gopher"}, f"http://{HOST}"),
    ({"X-Forwarded-Proto": ""}, f"http://{HOST}"),
]
HOSTILE = ["hub/evil", "hub evil", "hub\revil", 'hub"><script>', "hub\xff", "", "x" * 300]


@pytest.fixture
def location(call: Caller, writer: Principal) -> "Location":
    return Location(call, writer)


class Location:
    """Opens an upload and gives the part of its Location before the path."""

    def __init__(self, call: Caller, writer: Principal) -> None:
        self._call, self._writer = call, writer

    def __call__(self, headers: dict[str, str], *, peer: str = PROXY, scheme: str = "http") -> str:
        environ: dict[str, Any] = {"REMOTE_ADDR": peer, "wsgi.url_scheme": scheme}
        answer = self._call("POST", PATH, by=self._writer, headers=headers, **environ)
        assert answer.status == 202
        before, path, _ = answer.headers["Location"].partition(PATH)
        assert path
        return before


@pytest.fixture(autouse=True)
def _one_proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1", "10.0.0.0/24", "2001:db8::/32"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_without_a_proxy_it_is_what_the_client_called(location: Location, scheme: str) -> None:
    assert location({"Host": "here:5000"}, scheme=scheme) == f"{scheme}://here:5000"


def test_a_trusted_proxy_is_believed(location: Location) -> None:
    for headers, expected in FORWARDED:
        assert (headers, location(headers)) == (headers, expected)


@pytest.mark.parametrize("peer", ["10.0.0.255", "127.0.0.1", "2001:db8::7"])
def test_a_proxy_can_be_trusted_by_its_network(peer: str, location: Location) -> None:
    assert location({"X-Forwarded-Host": "hub"}, peer=peer) == "http://hub"


@pytest.mark.parametrize("peer", [ELSEWHERE, "10.0.1.1", "2001:db9::1", "::1", "", "unix", "10.0"])
def test_anybody_else_changes_nothing(peer: str, location: Location) -> None:
    """S29."""
    for headers, _ in FORWARDED:
        assert location(headers, peer=peer) == f"http://{HOST}"


@pytest.mark.parametrize("peer", [PROXY, ELSEWHERE])
def test_the_public_url_overrules_everything(
    peer: str, location: Location, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://registry.example.net"
    settings.RELATIVE_URLS = True
    for headers, _ in FORWARDED:
        assert location(headers, peer=peer) == "https://registry.example.net"


@pytest.mark.parametrize("peer", [PROXY, ELSEWHERE])
def test_relative_addresses_can_be_asked_for(
    peer: str, location: Location, settings: Settings
) -> None:
    settings.RELATIVE_URLS = True

    assert location({"X-Forwarded-Host": "hub"}, peer=peer) == ""


@pytest.mark.parametrize("host", HOSTILE, ids=ascii)
def test_a_host_that_is_none_breaks_out_of_nothing(host: str, location: Location) -> None:
    """A relative address is always right."""
    assert location({"X-Forwarded-Host": host}) in ("", f"http://{HOST}")
