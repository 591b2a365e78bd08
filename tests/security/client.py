"""Requests as they reach the WSGI server: `/v2/` and `/token` by their own doors, the rest Django.

A test names whom the request speaks for by the header itself: nothing here signs in on its own.
"""

import base64
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from registry_site.wsgi import application
from repositories.oci import media_types
from repositories.oci.digests import Digest

ADDRESS = "192.0.2.1"
HOST = "registry.example.com"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client receives."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """All of it, for who looks for something that must not be there."""
        return f"{self.headers}\n{self.body.decode('latin-1')}"

    @property
    def code(self) -> str:
        """The code of the one error that the answer tells of."""
        (error,) = self.json()["errors"]
        return str(error["code"])


def send(
    method: str,
    target: str,
    body: bytes = b"",
    *,
    by: str | None = None,
    headers: Mapping[str, str] | None = None,
    address: str = ADDRESS,
) -> Answer:
    """Send a request; `by` is the value of its `Authorization` header."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REMOTE_ADDR": address,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "5000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": HOST,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    if by is not None:
        environ["HTTP_AUTHORIZATION"] = by
    return _answer(environ)


@contextmanager
def _one_connection() -> Iterator[None]:
    """As Django's test client has it: the test's transaction lives in the connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


def _answer(environ: dict[str, Any]) -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []
    with _one_connection():
        result = application(environ, lambda status, headers: started.append((status, headers)))
        try:
            body = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()
    ((status, headers),) = started
    return Answer(int(status[:3]), dict(headers), body)


def basic(name: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def bearer(token: str) -> str:
    return f"Bearer {token}"


def ask_token(*scopes: str, by: str | None = None, **fields: str) -> Answer:
    """`GET /token`."""
    query = urlencode([*(("scope", scope) for scope in scopes), *fields.items()])
    return send("GET", f"/token?{query}", by=by)


def post_token(*scopes: str, **fields: str) -> Answer:
    """`POST /token`, with the fields of OAuth 2.0."""
    form = urlencode([*(("scope", scope) for scope in scopes), *fields.items()])
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return send("POST", "/token", form.encode(), headers=kind)


def token_for(*scopes: str, by: str | None = None) -> str:
    """A bearer token, which must be given."""
    answer = ask_token(*scopes, by=by)
    assert answer.status == 200, answer.text
    return str(answer.json()["token"])


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, its signature not looked at."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def granted(token: str) -> dict[str, set[str]]:
    """The actions that a token says are allowed, by resource."""
    access = claims_of(token)["access"]
    return {f"{entry['type']}:{entry['name']}": set(entry["actions"]) for entry in access}


def asked_scope(answer: Answer) -> str | None:
    """The scope that a refusal tells the client to ask for."""
    found = re.search(r'scope="([^"]*)"', answer.headers["WWW-Authenticate"])
    return found[1] if found else None


def encode_image(config: bytes, *layers: bytes) -> bytes:
    """An OCI image manifest of these blobs."""
    kinds = [CONFIG_TYPE, *[LAYER_TYPE] * len(layers)]
    described = [
        {"mediaType": kind, "digest": str(Digest.of(content)), "size": len(content)}
        for kind, content in zip(kinds, (config, *layers), strict=True)
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": described[0],
        "layers": described[1:],
    }
    return json.dumps(document).encode()
