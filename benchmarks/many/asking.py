"""Whoever asks: a browser that is signed in, a program with an access token, a registry client."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from accounts import tokens
from accounts.models import User
from api import mount

HOST = "localhost"
WHO = ("admin", "member")
_SCOPE = "registry:catalog:*"


class Browser:
    """Pages for somebody who is signed in."""

    def __init__(self, who: str) -> None:
        self._client = Client(headers={"host": HOST})
        self._client.force_login(User.objects.get(username=who))

    def get(self, address: str) -> Callable[[int], object]:
        """What asks for a page."""

        def run(number: int) -> object:
            return _checked(self._client.get(address), address)

        return run


class Program:
    """The management API, by an access token without scopes."""

    def __init__(self, who: str) -> None:
        _, secret = tokens.create(owner=User.objects.get(username=who), name="benchmark")
        self._client = Client(headers={"host": HOST, "authorization": f"Bearer {secret}"})

    def get(self, address: str) -> Callable[[int], object]:
        """What asks for something of `/api/v1/`."""

        def run(number: int) -> object:
            return _checked(self._client.get(f"/api/v1/{address}"), address)

        return run


def _checked(answer: Any, address: str) -> object:
    if answer.status_code != 200:
        raise RuntimeError(f"{address} was answered with {answer.status_code}")
    return answer


class Registry:
    """The registry's own API, by a bearer token for some repositories, at the door for WSGI."""

    def __init__(self, who: str, names: Sequence[str]) -> None:
        _, secret = tokens.create(owner=User.objects.get(username=who), name="benchmark")
        scopes = [("scope", _SCOPE), *(("scope", f"repository:{n}:pull,push") for n in names)]
        basic = b64encode(f"{who}:{secret}".encode()).decode()
        body = self._send("GET", f"/token?{urlencode(scopes)}", authorization=f"Basic {basic}")
        self._authorization = f"Bearer {json.loads(body)['token']}"

    def send(
        self,
        method: str,
        addresses: Callable[[int], str],
        *,
        bodies: Callable[[int], bytes] = lambda _: b"",
        content_type: str = "",
    ) -> Callable[[int], object]:
        """What sends a request to the address of the round, with the body of the round."""

        def run(number: int) -> object:
            return self._send(
                method,
                addresses(number),
                authorization=self._authorization,
                body=bodies(number),
                content_type=content_type,
            )

        return run

    def _send(
        self,
        method: str,
        address: str,
        *,
        authorization: str,
        body: bytes = b"",
        content_type: str = "",
    ) -> bytes:
        path, _, query = address.partition("?")
        door = mount.door_of(path)
        if door is None:
            raise ValueError(f"{path} is not the registry's")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": content_type,
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": HOST,
            "HTTP_AUTHORIZATION": authorization,
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
        }
        said: list[str] = []

        def start_response(status: str, headers: object) -> None:
            said.append(status)

        answer = b"".join(_pieces(mount.wsgi(door, environ, start_response)))
        if said[0][:3] not in ("200", "201"):
            raise RuntimeError(f"{method} {address} was answered with {said[0]}: {answer!r}")
        return answer


def _pieces(body: Any) -> Iterator[bytes]:
    try:
        yield from body
    finally:
        if hasattr(body, "close"):
            body.close()
