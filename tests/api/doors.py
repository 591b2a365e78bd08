"""The two doors of `/v2/`, and requests that go through either of them alike."""

import base64
import functools
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from django.test import Client

from api import mount
from api.v2 import endpoint
from repositories.access import Principal

HOST = "registry.example.com"

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client receives."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the one error that the answer tells of."""
        assert self.headers["Content-Type"] == "application/json"
        (error,) = self.json()["errors"]
        assert set(error) <= {"code", "message", "detail"}
        assert error["message"]
        return str(error["code"])

    @property
    def message(self) -> str:
        return str(self.json()["errors"][0]["message"])


Door = Callable[[Environ], Answer]


def through_wsgi(environ: Environ) -> Answer:
    """As the WSGI server calls us, and as strictly as PEP 3333 asks."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    result: Iterable[bytes] = mount.wsgi(
        endpoint.answer, environ, lambda status, headers: started.append((status, headers))
    )
    try:
        body = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    ((status, headers),) = started
    assert re.fullmatch(r"[1-5][0-9]{2} [A-Za-z' -]+", status)
    names = [name for name, _ in headers]
    assert len(set(map(str.lower, names))) == len(names)
    for name, value in headers:
        assert re.fullmatch(r"[A-Za-z-]+", name)
        assert re.fullmatch(r"[\t\x20-\x7e]*", value), (name, value)
    return Answer(int(status[:3]), dict(headers), body)


def through_django(environ: Environ) -> Answer:
    """As Django's handler calls us, by the first of the site's middleware."""
    response: Any = _client().request(**environ)
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return Answer(response.status_code, dict(response.headers), body)


@functools.cache
def _client() -> Client:
    """One for all tests, since it loads the middleware anew; it is given no cookies."""
    return Client(raise_request_exception=False)


DOORS: dict[str, Door] = {"wsgi": through_wsgi, "django": through_django}


def basic(name: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def credentials(principal: Principal) -> str:
    """Those of one of the cast, whose password is their name and `-password`."""
    return basic(principal.name, f"{principal.name}-password")


def environment(
    method: str,
    target: str,
    body: bytes | BinaryIO = b"",
    *,
    headers: Mapping[str, str] | None = None,
    chunked: bool = False,
    length: int | None = None,
    **variables: object,
) -> Environ:
    """What a WSGI server makes of a request.

    `length` announces another length than the body's; a `chunked` body announces none.
    """
    path, _, query = target.partition("?")
    stream = io.BytesIO(body) if isinstance(body, bytes) else body
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REMOTE_ADDR": "192.0.2.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "5000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": HOST,
        "wsgi.url_scheme": "http",
        "wsgi.input": stream,
    }
    if chunked:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    elif body or length is not None:
        known = len(body) if isinstance(body, bytes) else 0
        environ["CONTENT_LENGTH"] = str(known if length is None else length)
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return environ | variables


class Caller:
    """Sends requests through one door: `call("GET", "/v2/", by=writer)`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def __call__(
        self,
        method: str,
        target: str,
        body: bytes | BinaryIO = b"",
        *,
        by: Principal | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        sent = dict(headers or {})
        if by is not None and not by.is_anonymous:
            sent.setdefault("Authorization", credentials(by))
        answer = self._door(environment(method, target, body, headers=sent, **options))
        _check(method, answer)
        return answer


def _check(method: str, answer: Answer) -> None:
    """What holds for every answer there is."""
    headers = answer.headers
    assert headers["Docker-Distribution-API-Version"] == "registry/2.0"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "html" not in headers.get("Content-Type", "")
    assert "Set-Cookie" not in headers
    if method == "HEAD" or answer.status in (204, 304):
        assert answer.body == b""
    else:
        assert headers["Content-Length"] == str(len(answer.body))
    if answer.status >= 400 and method != "HEAD":
        assert answer.code
