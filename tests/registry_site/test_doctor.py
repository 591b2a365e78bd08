"""The doctor where nginx is not needed: names, ports and certificates, servers that are none of
ours, and what is typed wrong."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry_site.doctor import reaching
from registry_site.doctor.examination import Wishes, examine
from registry_site.doctor.report import Result, State
from registry_site.doctor.wire import Site
from tests.live import free_port
from tests.proxy.nginx import Certificate, make_certificates

BERTHS = {"Docker-Distribution-Api-Version": "registry/2.0"}
BEARER = 'Bearer realm="http://{host}/token",service="berth"'


def look(url: str, ca: Path | None = None, **wishes: Any) -> dict[str, Result]:
    strict, lax = reaching.contexts(str(ca) if ca else None)
    given = {"body": 1_000_000, "patience": 0, "early": 0.5} | wishes
    return {result.id: result for result in examine(url, Wishes(strict=strict, lax=lax, **given))}


Answers = Mapping[tuple[str, str], tuple[int, Mapping[str, str], bytes]]


@contextmanager
def server(answers: Answers, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Something that answers so; its host and port. `{host}` in headers is that."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                return
            path = self.path.partition("?")[0]
            status, headers, body = answers.get(
                (self.command, path), answers.get((self.command, "*"), (404, BERTHS, b"{}"))
            )
            self.send_response_only(status)
            for name, value in ({"Date": self.date_time_string()} | dict(headers)).items():
                self.send_header(name, value.replace("{host}", host))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        host = f"127.0.0.1:{httpd.server_port}"
        if context:
            httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield host
        finally:
            httpd.shutdown()
            thread.join()


OPEN: Answers = {("GET", "/v2/"): (200, BERTHS, b"{}")}
LOCKED: Answers = {("GET", "/v2/"): (401, {**BERTHS, "WWW-Authenticate": BEARER}, b"{}")}


def test_what_a_server_says_does_nothing_to_the_terminal() -> None:
    evil = {**BERTHS, "X-Berth-Version": "\x1b[2J[bold]1.0"}
    output = StringIO()
    with server({("GET", "/v2/"): (200, evil, b"{}")}) as host, pytest.raises(CommandError):
        call_command("doctor", f"http://{host}", "--patience=0", "--body=1MB", stdout=output)
    assert "Berth \ufffd[2J[bold]1.0, and lets everybody in" in output.getvalue()
    assert "\x1b" not in output.getvalue()


def test_a_token_that_is_none_is_no_header() -> None:
    with server({**LOCKED, ("GET", "/token"): (200, {}, b'{"token": "a\\r\\nX: y"}')}) as host:
        found = look(f"http://{host}", user="alice", secret="secret")
    assert found["credentials"].is_wrong


def test_a_name_that_is_none_is_said_and_nothing_else_is_tried() -> None:
    found = look("https://registry.invalid")
    assert list(found) == ["dns"]
    assert "Add an A or AAAA record" in found["dns"].text


def test_where_nobody_listens_that_is_said() -> None:
    found = look(f"https://127.0.0.1:{free_port()}")
    assert list(found) == ["dns", "connection"]
    assert "Nothing takes connections" in found["connection"].text
    assert any("listen 443 ssl;" in fix.lines for fix in found["connection"].fixes)


def test_a_port_that_speaks_no_tls_is_known_as_such() -> None:
    with server(OPEN) as host:
        found = look(f"https://{host}")
    assert "does not speak TLS" in found["tls"].text
    assert "There is no answer" in found["base"].text


def test_who_takes_connections_and_says_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry_site.doctor.wire.SECONDS", 0.2)
    monkeypatch.setattr(Site.ask, "__kwdefaults__", {"seconds": 0.2})
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        found = look(f"http://127.0.0.1:{deaf.getsockname()[1]}")
    assert found["base"].is_wrong


@contextmanager
def encrypted(folder: Path, certificate: Certificate) -> Iterator[str]:
    make_certificates(folder, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    with server(OPEN, context) as host:
        yield host


@pytest.mark.parametrize(
    ("certificate", "state", "text"),
    [
        (Certificate(days=200), State.OK, "TLSv1.3, valid until"),
        (Certificate(days=5), State.ADVICE, "renew it"),
        (Certificate(days=-5), State.WRONG, "It expired on"),
        (Certificate(name="elsewhere.example"), State.WRONG, "but for elsewhere.example"),
    ],
)
def test_certificates(tmp_path: Path, certificate: Certificate, state: State, text: str) -> None:
    with encrypted(tmp_path, certificate) as host:
        found = look(f"https://{host}", ca=tmp_path / "ca.crt")
    assert found["tls"].state is state
    assert text in found["tls"].text
    assert found["base"].state is State.OK  # it goes on


def test_an_authority_that_is_not_known_is_to_be_given(tmp_path: Path) -> None:
    with encrypted(tmp_path, Certificate()) as host:
        found = look(f"https://{host}")
    assert "--ca" in found["tls"].text
    assert f"/etc/docker/certs.d/{host}/ca.crt" in found["tls"].text


def test_a_clock_that_is_wrong_is_told() -> None:
    for date, text in {
        "Sat, 01 Jan 2000 00:00:00 GMT": "seconds behind this machine's",
        "Sat, 01 Jan 2101 00:00:00 GMT": "seconds ahead of this machine's",
    }.items():
        with server({("GET", "/v2/"): (200, {**BERTHS, "Date": date}, b"{}")}) as host:
            found = look(f"http://{host}")
        assert text in found["clock"].text


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((302, {"Location": "https://{host}/v2/"}, b""), "examine that address"),
        ((301, {"Location": "/sign-in"}, b""), "It leads to /sign-in"),
        ((200, {}, b"<html>"), "Docker-Distribution-Api-Version is missing"),
        ((401, {"WWW-Authenticate": "Basic realm=x"}, b""), "a password of its own"),
        ((502, {}, b""), "it does not reach Berth"),
    ],
)
def test_what_is_no_registry_is_known_by_its_answer(
    answer: tuple[int, Mapping[str, str], bytes], text: str
) -> None:
    with server({("GET", "/v2/"): answer}) as host:
        found = look(f"http://{host}")
    assert text in found["base"].text
    assert list(found)[-1] == "base"


def test_credentials_go_to_no_other_address() -> None:
    """A realm is what anybody between may have written."""
    elsewhere = {**BERTHS, "WWW-Authenticate": 'Bearer realm="http://127.0.0.2:1/token"'}
    with server({("GET", "/v2/"): (401, elsewhere, b"{}")}) as host:
        found = look(f"http://{host}", user="alice", secret="secret")
    assert found["realm"].is_wrong
    assert found["credentials"].text.startswith("404")  # asked at the site itself


def test_a_proxy_that_does_not_know_nginxs_header_is_found() -> None:
    digest = "sha256:" + "0" * 64
    manifest = {"config": {"digest": digest, "size": 2}}
    path = f"/v2/team/app/blobs/{digest}"
    with server(
        {
            **OPEN,
            ("GET", "/v2/_catalog"): (200, BERTHS, b'{"repositories": ["team/app"]}'),
            ("GET", "/v2/team/app/tags/list"): (200, BERTHS, b'{"tags": ["1"]}'),
            ("GET", "/v2/team/app/manifests/1"): (200, BERTHS, json.dumps(manifest).encode()),
            ("GET", path): (200, {**BERTHS, "X-Accel-Redirect": "/x"}, b""),
        }
    ) as host:
        found = look(f"http://{host}")
    assert "REGISTRY_HTTP_ACCELREDIRECT" in found["pull"].text


HOSTILE = [
    b"[" * 100_000,
    b'{"repositories": 5}',
    b'{"repositories": [null, {}, "../..", "a\\r\\nX: y"]}',
    b"\xff\xfe",
    b'{"findings": [{"fixes": 5}]}',
    b'{"findings": [5, {"level": [], "title": "\\u001b[2J"}]}',
    b'{"token": "a\\nb", "name": "\\u001b"}',
]


@pytest.mark.parametrize("body", HOSTILE)
def test_whatever_is_answered_it_ends_with_results(body: bytes) -> None:
    with server(
        {
            **{(m, "*"): (200, BERTHS, body) for m in ("GET", "HEAD", "PATCH", "PUT", "DELETE")},
            ("POST", "*"): (202, {**BERTHS, "Location": "http://{host}/\x80 \xff"}, body),
        }
    ) as host:
        found = look(f"http://{host}", secret="a token", patience=1)
    assert found["base"].state is State.OK
    assert any(result.is_wrong for result in found.values())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["ftp://registry.example.com"], "write scheme and host only"),
        (["https://registry.example.com/v2/"], "write scheme and host only"),
        (["https://a b"], "write scheme and host only"),
        (["https://a", "--body", "much"], "--body: 'much' is not a size"),
        (["https://a", "--patience", "121"], "from 0 to 120"),
        (["https://a", "--user", "alice"], "belong together"),
        (["https://a", "--password-stdin"], "belong together"),
        (["https://a", "--ca", "/nowhere"], "--ca /nowhere cannot be used"),
    ],
)
def test_what_is_typed_wrong_is_said(words: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        call_command("doctor", *words, stdout=StringIO())


def test_https_is_what_is_meant_without_a_scheme() -> None:
    output = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "registry.invalid", "--json", stdout=output)
    content = json.loads(output.getvalue())
    assert (content["is_well"], content["results"][0]["id"]) == (False, "dns")
