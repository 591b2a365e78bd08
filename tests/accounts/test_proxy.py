"""The proxy doctor: what it finds wrong in which set-up, and that what it advises mends it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from django.test import Client
from pytest_django import Settings

from accounts import proxy
from accounts.proxy import Level
from accounts.proxy_facts import facts_of, is_loopback, origin_of

HTTPS = "https://registry.example.com"
PORT = "https://registry.example.com:8443"
NAME = "registry.example.com"
RIGHT = {
    "Host": NAME,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Host": NAME,
}


class Case(NamedTuple):
    """A set-up: the headers, who connects, what the browser says; and what is wrong with it."""

    name: str
    headers: Mapping[str, str]
    expected: Mapping[str, str]  # by the kind of finding: a part of a line that mends it
    browser: str = HTTPS
    peer: str = "127.0.0.1"
    public_url: str = HTTPS
    trusted: tuple[str, ...] = ("127.0.0.1", "::1")
    level: Level = Level.PROBLEM


def without(*names: str, **more: str) -> dict[str, str]:
    return {name: value for name, value in (RIGHT | more).items() if name not in names}


def put(**more: str) -> dict[str, str]:
    return RIGHT | {name.replace("_", "-"): value for name, value in more.items()}


WRONG = [
    Case(
        "nginx without any header",
        {"Host": "127.0.0.1:5000"},
        {
            "scheme": "proxy_set_header X-Forwarded-Proto $scheme;",
            "host": "proxy_set_header Host $http_host;",
            "no-client": "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            "no-public-url": f"REGISTRY_HTTP_HOST={HTTPS}",
        },
        public_url="",
    ),
    Case(
        "the scheme is not told",
        without("X-Forwarded-Proto"),
        {"scheme": "header_up X-Forwarded-Proto {scheme}", "no-public-url": "="},
        public_url="",
    ),
    Case(
        "another proxy ends TLS",
        put(X_Forwarded_Proto="http"),
        {"scheme": "trustedIPs", "no-public-url": "="},
        public_url="",
    ),
    Case(
        "the same, where the address is configured",
        put(X_Forwarded_Proto="http"),
        {"scheme": "trusted_proxies static private_ranges"},
        level=Level.ADVICE,
    ),
    Case(
        "$host instead of $http_host",
        without("X-Forwarded-Host"),
        {"host": "proxy_set_header Host $http_host;", "no-public-url": PORT},
        browser=PORT,
        public_url="",
    ),
    Case(
        "the port inside",
        put(X_Forwarded_Host=f"{NAME}:5000"),
        {"host": "header_up X-Forwarded-Host {hostport}", "no-public-url": "="},
        public_url="",
    ),
    Case(
        "the upstream's name",
        without("X-Forwarded-Host", Host="berth:5000"),
        {"host": "passHostHeader: true", "no-public-url": "="},
        public_url="",
    ),
    Case(
        "an untrusted proxy in another container",
        RIGHT,
        {"untrusted": "REGISTRY_HTTP_TRUSTEDPROXIES=127.0.0.1,::1,172.18.0.3"},
        peer="172.18.0.3",
    ),
    Case(
        "an untrusted proxy that says nothing",
        {"Host": NAME},
        {"scheme": "REGISTRY_HTTP_TRUSTEDPROXIES=127.0.0.1,::1,172.18.0.3", "no-public-url": "="},
        peer="172.18.0.3",
        public_url="",
    ),
    Case(
        "a socket file",
        RIGHT,
        {"socket": "REGISTRY_HTTP_ADDR=127.0.0.1:5000"},
        peer="",
    ),
    Case(
        "another configured address",
        RIGHT,
        {"public-url": f"REGISTRY_HTTP_HOST={HTTPS}"},
        public_url="http://old.example.com",
    ),
    Case(
        "http configured, https used",
        RIGHT,
        {"public-url": f"REGISTRY_HTTP_HOST={HTTPS}"},
        public_url=f"http://{NAME}",
    ),
    Case(
        "a client's Forwarded goes through",
        put(Forwarded="host=evil.example;proto=https"),
        {"contradiction": 'proxy_set_header Forwarded "";', "host": "header_up -Forwarded"},
    ),
    Case("clients not told", without("X-Forwarded-For"), {"no-client": "{remote_host}"}),
    Case(
        "a client that is no address",
        put(X_Forwarded_For="unknown"),
        {"odd-client": "$proxy_add_x_forwarded_for"},
    ),
    Case(
        "everybody trusted",
        RIGHT,
        {"trusts-everyone": "REGISTRY_HTTP_TRUSTEDPROXIES=127.0.0.1,172.18.0.3"},
        peer="172.18.0.3",
        trusted=("127.0.0.1", "0.0.0.0/0", "::/0"),
    ),
    Case(
        "a scheme in capitals",
        put(X_Forwarded_Proto="HTTPS"),
        {"odd-scheme": "X-Forwarded-Proto"},
    ),
    Case(
        "an address instead of a host",
        put(X_Forwarded_Host=HTTPS),
        {"odd-host": "X-Forwarded-Host"},
    ),
    Case(
        "no encryption at all",
        {"Host": "10.0.0.7:5000"},
        {"plain-http": "listen 443 ssl;"},
        browser="http://10.0.0.7:5000",
        peer="10.0.0.9",
        public_url="",
        level=Level.ADVICE,
    ),
]
GOOD = [
    Case("behind a proxy", RIGHT, {}),
    Case("from a second proxy", put(X_Forwarded_Proto="https, http"), {}),
    Case(
        "by RFC 7239",
        without(*RIGHT)
        | {
            "Host": "berth:5000",
            "Forwarded": f'for=198.51.100.7;host="{NAME}";proto=https',
            "X-Forwarded-For": "198.51.100.7",
        },
        {},
    ),
    Case("the port of https", put(X_Forwarded_Host=f"{NAME}:443"), {}),
    Case("another port", put(X_Forwarded_Host=f"{NAME}:8443"), {}, browser=PORT, public_url=PORT),
    Case("capitals in a host", put(X_Forwarded_Host=NAME.upper()), {}),
    Case(
        "on the machine itself",
        {"Host": "127.0.0.1:5000"},
        {},
        browser="http://127.0.0.1:5000",
        public_url="",
    ),
    Case(
        "an IPv6 address",
        {"Host": "[::1]:5000"},
        {},
        browser="http://[::1]:5000",
        peer="::1",
        public_url="",
    ),
    Case("a browser that says nothing", RIGHT, {}, browser=""),
]


def environ(case: Case) -> dict[str, Any]:
    headers = {f"HTTP_{n.upper().replace('-', '_')}": value for n, value in case.headers.items()}
    return {"REMOTE_ADDR": case.peer, "wsgi.url_scheme": "http", **headers}


def found(case: Case, settings: Settings) -> list[proxy.Finding]:
    settings.PUBLIC_URL = case.public_url
    settings.TRUSTED_PROXIES = case.trusted
    return proxy.findings(facts_of(environ(case), browser=case.browser))


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_what_is_wrong_is_found_with_the_line_that_mends_it(case: Case, settings: Settings) -> None:
    findings = {finding.id: finding for finding in found(case, settings)}
    assert set(findings) == set(case.expected)
    for kind, line in case.expected.items():
        assert any(line in fix.lines for fix in findings[kind].fixes), findings[kind].fixes
    assert next(iter(findings.values())).level is case.level  # the worst one


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_where_all_is_well_nothing_is_found(case: Case, settings: Settings) -> None:
    assert found(case, settings) == []


def test_a_finding_says_what_was_seen(settings: Settings) -> None:
    (finding, *_) = found(WRONG[4], settings)
    assert finding.title == "The port is lost"
    assert PORT.removeprefix("https://") in finding.text


@pytest.mark.parametrize("case", [*WRONG, *GOOD], ids=lambda case: case.name)
def test_it_knows_what_clients_are_told(
    case: Case, settings: Settings, client: Client, db: None
) -> None:
    """Held against the real answer of `/v2/`, where the same is decided once more."""
    settings.PUBLIC_URL = case.public_url
    settings.TRUSTED_PROXIES = case.trusted
    base = facts_of(environ(case)).base
    answer = client.get("/v2/", REMOTE_ADDR=case.peer, headers=dict(case.headers))
    assert f'realm="{base}/token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Registry.Example.com:443/a/b?c#d", HTTPS),
        ("http://a:80", "http://a"),
        ("http://a:443/", "http://a:443"),
        ("https://[::1]:5000/x", "https://[::1]:5000"),
        *((text, "") for text in ("", "a", "//a", "ftp://a", "https://", "https://a b", "null")),
        *((text, "") for text in ("https://a@b", "https://<b>", "https://a\nb", "javascript://a")),
        *((text, "") for text in ("https://" + "a" * 2000, "https://\x00", "https://a:b")),
    ],
)
def test_origins_are_written_as_browsers_write_them(url: str, expected: str) -> None:
    assert origin_of(url) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9")),
        *((host, True) for host in ("::1", "[::1]", "[::1]:5000", "berth.localhost")),
        *((host, False) for host in ("", "localhost.example.com", "10.0.0.1", "[2001:db8::1]:80")),
    ],
)
def test_this_machine_is_known_by_its_addresses(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


HOSTILE = ["\x00", "'", '"', "<script>alert(1)</script>", "a" * 9000, "é", ";;==,,", "%0d%0a", "}{"]


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded"])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_headers_make_no_line_of_configuration(
    name: str, text: str, settings: Settings
) -> None:
    for browser in ("", HTTPS):
        for case in (Case("", put(**{name: text}), {}), Case("", {name: text}, {})):
            for finding in found(case._replace(browser=browser, public_url=""), settings):
                assert not any(text in fix.lines for fix in finding.fixes if len(text) > 2)
