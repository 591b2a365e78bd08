"""Set-ups that are wrong in one way each: the doctor finds it, finds nothing else, and names a line
that mends it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from registry_site.doctor.report import Result
from tests.live import LiveServer, free_port
from tests.proxy.conftest import ACCELERATED, StartBerth, look
from tests.proxy.nginx import Certificate, Edit, Nginx

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SERVER = "    # Layers are of any size"  # where a line can be put into the server's block
LOCATION = "    location / {\n"
PASS = "proxy_pass http://berth;"


class Case(NamedTuple):
    """What is changed in the shipped file, and what is found: by the id of what is wrong, a part of
    a line that mends it (or of the text, where it is not for a line to mend)."""

    name: str
    edits: tuple[Edit, ...]
    expected: Mapping[str, str]
    env: Mapping[str, str] = {}
    certificate: Certificate = Certificate()
    patience: int = 0


def added(line: str, before: str = SERVER) -> tuple[Edit, ...]:
    return (Edit(before, f"    {line}\n{before}"),)


PROTO = "proxy_set_header X-Forwarded-Proto $scheme;"
CASES = [
    Case(
        "the default limit of bodies",
        (Edit("client_max_body_size    0;", ""),),
        {"size": "client_max_body_size 0;", "upload": "client_max_body_size 0;"},
    ),
    Case(
        "bodies are collected",
        (Edit("proxy_request_buffering off;", ""),),
        {"buffering": "proxy_request_buffering off;", "chunked": "proxy_request_buffering off;"},
    ),
    Case(
        "HTTP/1.0 towards Berth",
        (Edit("proxy_http_version 1.1;", "proxy_http_version 1.0;"),),
        {"chunked": "proxy_http_version 1.1;"},
    ),
    Case(
        "the scheme is not told",
        (Edit("proxy_set_header X-Forwarded-Proto $scheme;", ""),),
        {"realm": PROTO, "location": PROTO, "forwarded": PROTO},
    ),
    Case(
        "the host without its port",
        (Edit("$http_host;", "$host;"),),
        {
            "realm": "proxy_set_header Host $http_host;",
            "location": "proxy_set_header Host $http_host;",
            "forwarded": "proxy_set_header X-Forwarded-Host $http_host;",
        },
    ),
    Case(
        "slashes are taken away by a redirect",
        added("rewrite ^/(.*)/$ /$1 permanent;"),
        {"base": "proxy_pass http://127.0.0.1:5000;"},
    ),
    Case(
        "slashes are taken away by a redirect, but for /v2/",
        added("location ~ ^(/v2/.+)/$ { return 301 $1; }"),
        {"slashes": "loses the body of an upload", "location": "proxy_pass http://127.0.0.1:5000;"},
    ),
    Case(
        "answers are compressed",
        (Edit("gzip off;", "gzip on; gzip_types *; gzip_min_length 1;"),),
        {"compression": "gzip off;"},
    ),
    Case(
        "/v2 is taken away",
        added("location /v2/ { proxy_pass http://berth/; }"),
        {"base": "proxy_pass http://127.0.0.1:5000;"},
    ),
    Case(
        "another site answers /v2/",
        added("location /v2/ { return 404; }"),
        {"base": "proxy_pass http://127.0.0.1:5000;"},
    ),
    Case(
        "/token is not passed on",
        added("location /token { return 404; }"),
        {"realm": "proxy_pass http://127.0.0.1:5000;", "credentials": "404"},
    ),
    Case(
        "paths are decoded and written anew",
        (Edit(PASS, "rewrite ^/v2/doctor/(.*)$ /v2/Doctor/$1 break; proxy_pass http://berth;"),),
        {"paths": "proxy_pass http://127.0.0.1:5000;"},
    ),
    Case(
        "the proxy has a password of its own",
        added("auth_basic berth; auth_basic_user_file /nowhere;"),
        {"base": "auth_basic off;"},
    ),
    Case(
        "Authorization is dropped",
        added('proxy_set_header Authorization "";'),
        {
            "authorization": "proxy_set_header Authorization $http_authorization;",
            "credentials": "proxy_set_header Authorization $http_authorization;",
        },
    ),
    Case(
        "Range is dropped",
        added('proxy_set_header Range "";'),
        {"range": "proxy_set_header Range $http_range;"},
    ),
    Case(
        "answers may not take long",
        (Edit("proxy_read_timeout    900s;", "proxy_read_timeout 1s;"),),
        {"slow-answer": "proxy_read_timeout 900s;"},
        patience=3,
    ),
    Case(
        "bodies may not take long",
        (Edit("client_body_timeout   75s;", "client_body_timeout 500ms;"),),
        {"slow-request": "client_body_timeout 75s;"},
        patience=3,
    ),
    Case(
        "blobs are elsewhere",
        (Edit("alias /srv/berth/docker", "alias /srv/berth/nowhere"),),
        {"pull": "alias /srv/berth/docker/registry/v2/blobs/;"},
    ),
    Case(
        "the location of blobs is missing",
        (Edit("location /berth-blobs/docker", "location /others/docker"),),
        {"pull": "location /berth-blobs/docker/registry/v2/blobs/ {"},
    ),
    Case(
        "Berth is not there",
        (Edit(PASS, f"proxy_pass http://127.0.0.1:{free_port()};"),),
        {"base": "proxy_pass http://127.0.0.1:5000;"},
    ),
    Case(
        "the certificate has expired",
        (),
        {"tls": "It expired on"},
        certificate=Certificate(days=-3),
    ),
    Case(
        "the certificate is for another name",
        (),
        {"tls": "It is not for 127.0.0.1, but for registry.example.com."},
        certificate=Certificate(name="registry.example.com"),
    ),
]
OF_BERTH = [
    Case(
        "the proxy is not trusted",
        (),
        {
            "realm": "REGISTRY_HTTP_TRUSTEDPROXIES=127.0.0.1,::1,ADDRESS-OF-THE-PROXY",
            "location": "REGISTRY_HTTP_TRUSTEDPROXIES=",
            "forwarded": "REGISTRY_HTTP_TRUSTEDPROXIES=192.0.2.1,127.0.0.1",
        },
        env={"REGISTRY_HTTP_TRUSTEDPROXIES": "192.0.2.1"},
    ),
    Case(
        "the configured address is an internal one",
        (),
        {
            "realm": "REGISTRY_HTTP_HOST=https://127.0.0.1:",
            "location": "REGISTRY_HTTP_HOST=https://127.0.0.1:",
        },
        env={"REGISTRY_HTTP_HOST": "http://berth.internal:5000"},
    ),
]


def is_mended(result: Result, by: str) -> bool:
    return by in result.text or any(by in fix.lines for fix in result.fixes)


def check(case: Case, server: LiveServer, folder: Path) -> None:
    edits = [Edit(old, new.replace("/nowhere;", f"{folder}/users;")) for old, new in case.edits]
    with Nginx(folder, server, edits=edits, certificate=case.certificate) as nginx:
        (folder / "users").write_text("somebody:{PLAIN}secret\n")
        results = look(nginx, patience=case.patience)
    wrong = [result for result in results if result.is_wrong]
    assert {result.id for result in wrong} == set(case.expected), wrong
    for kind, line in case.expected.items():
        found = [result for result in wrong if result.id == kind]
        assert any(is_mended(result, line) for result in found), found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_wrong_with_the_proxy_is_found_and_nothing_else(
    case: Case, berth: LiveServer, folder: Path
) -> None:
    check(case, berth, folder)


@pytest.mark.parametrize("case", OF_BERTH, ids=lambda case: case.name)
def test_what_is_wrong_with_berths_settings_is_found(
    case: Case, start_berth: StartBerth, folder: Path
) -> None:
    check(case, start_berth(**ACCELERATED, **case.env), folder)
