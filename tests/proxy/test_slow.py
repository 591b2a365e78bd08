"""Slow clients behind the shipped configuration: others are served as if they were not there.

Who sends headers slowly, bodies slowly, with credentials or without, or reads slowly. A hundred,
and 500 with `BERTH_FAULTS=long pytest tests/proxy`; then the others' time is looked at, too.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest
import requests

from registry_site.doctor.transfers import path_of
from tests.faults.scale import LONG, MARKS, either
from tests.live import LiveServer
from tests.proxy.conftest import AUTH, LAYER, REPOSITORY, push_blob, token
from tests.proxy.nginx import Nginx

pytestmark = [pytest.mark.interop, *MARKS]

SLOW = either(100, 500)
REQUESTS = either(300, 2000)
MOST_UPLOADS = 90  # more than there are threads, of the 100 that a user may have
OTHERS = "127.0.0.2"  # where those come from who are not slow
LARGE = bytes(range(256)) * 40_000  # more than fits into the buffers on the way


@pytest.fixture(autouse=True)
def _nothing_stays_open(berth: LiveServer) -> Iterator[None]:
    """A user may have a hundred uploads."""
    yield
    address = f"{berth.url}/api/v1/uploads"
    while found := requests.get(address, auth=AUTH, timeout=60).json()["results"]:
        for upload in found:
            requests.delete(f"{address}/{upload['id']}", auth=AUTH, timeout=60)


@pytest.fixture
def context(nginx: Nginx) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(nginx.authority))


def head(nginx: Nginx, method: str, path: str, **headers: str) -> bytes:
    """All of a request's headers but for the empty line."""
    given = {"Host": nginx.host, **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, ""]).encode()


class Slow:
    """A client, and what it sends now and then, a piece at a time."""

    def __init__(self, nginx: Nginx, context: ssl.SSLContext, first: bytes, then: bytes) -> None:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(60)
        plain.connect(("127.0.0.1", nginx.port))
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._then = then
        self._socket.sendall(first)

    def go_on(self) -> None:
        with suppress(OSError):  # it was turned away
            self._socket.sendall(self._then)

    def close(self) -> None:
        self._socket.close()


def uploads(berth: LiveServer, headers: dict[str, str]) -> Iterator[str]:
    """Upload sessions, one for each who asks, until there are as many as one user may have."""
    opened: list[str] = []
    address = f"{berth.url}/v2/{REPOSITORY}/blobs/uploads/"
    while len(opened) < MOST_UPLOADS:
        answer = requests.post(address, headers=headers, timeout=60)
        opened.append(path_of(answer.headers["Location"]))
        yield opened[-1]
    yield from itertools.cycle(opened)


def uploaders(nginx: Nginx, berth: LiveServer) -> Iterator[tuple[bytes, bytes]]:
    """What each of those begins with who send a body slowly, and what it goes on with."""
    push = token(berth.url, f"repository:{REPOSITORY}:pull,push")
    for upload in uploads(berth, push):
        yield (
            head(nginx, "PATCH", upload, Transfer_Encoding="chunked", **push) + b"\r\n",
            b"1\r\na\r\n",
        )


def all_kinds(nginx: Nginx, berth: LiveServer) -> Iterator[tuple[bytes, bytes]]:
    """The same of every kind in turn: headers, bodies of strangers, bodies, and reading."""
    pull = token(berth.url, f"repository:{REPOSITORY}:pull")
    stranger = head(nginx, "PATCH", f"/v2/{REPOSITORY}/x", Transfer_Encoding="chunked")
    blob = f"/v2/{REPOSITORY}/blobs/sha256:{hashlib.sha256(LARGE).hexdigest()}"
    for uploader in uploaders(nginx, berth):
        yield head(nginx, "GET", "/v2/"), b"X-More: a\r\n"
        yield stranger + b"\r\n", b"1\r\na\r\n"
        yield uploader
        yield head(nginx, "GET", blob, **pull) + b"\r\n", b""


@contextmanager
def connected(
    nginx: Nginx, context: ssl.SSLContext, address: str
) -> Iterator[http.client.HTTPSConnection]:
    """A connection of somebody at this address."""
    with closing(
        http.client.HTTPSConnection(
            "127.0.0.1", nginx.port, timeout=60, context=context, source_address=(address, 0)
        )
    ) as connection:
        yield connection


def times(
    nginx: Nginx, context: ssl.SSLContext, headers: dict[str, str], count: int
) -> list[float]:
    """How long each of `count` requests took, over a few connections."""
    paths = [f"/v2/{REPOSITORY}/{what}" for what in ("manifests/1", "tags/list")]

    def some(numbers: range) -> Iterator[float]:
        with connected(nginx, context, OTHERS) as connection:
            for number in numbers:
                began = time.monotonic()
                connection.request("GET", paths[number % 2], headers=headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200, (paths[number % 2], answer.status)
                yield time.monotonic() - began

    with ThreadPoolExecutor(4) as pool:
        parts = [range(start, count, 4) for start in range(4)]
        return [took for part in pool.map(lambda one: list(some(one)), parts) for took in part]


def test_others_are_served_as_if_they_were_not_there(
    nginx: Nginx, berth: LiveServer, context: ssl.SSLContext
) -> None:
    push_blob(berth.url, LARGE)
    reading = token(berth.url, f"repository:{REPOSITORY}:pull")
    with ExitStack() as stack:
        slow = []
        for first, then in itertools.islice(all_kinds(nginx, berth), SLOW):
            client = Slow(nginx, context, first, then)
            stack.callback(client.close)
            slow.append(client)
        found: list[float] = []
        for _ in range(4):
            for client in slow:
                client.go_on()
            found += times(nginx, context, reading, REQUESTS // 4)
        worst = sorted(found)[len(found) * 99 // 100]
        print(f"{SLOW} slow clients; of {len(found)} others, p99 {worst * 1000:.0f} ms")
        push_from_elsewhere(nginx, context, berth)
    if LONG:
        assert worst < 2.0


def push_from_elsewhere(nginx: Nginx, context: ssl.SSLContext, berth: LiveServer) -> None:
    headers = token(berth.url, f"repository:{REPOSITORY}:pull,push")
    with connected(nginx, context, OTHERS) as connection:

        def ask(method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer

        opened = ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
        upload = path_of(opened.headers["Location"])
        assert ask("PATCH", upload, LAYER).status == 202
        assert ask("DELETE", upload).status == 204


def test_who_uploads_too_much_at_a_time_is_told_so_in_json(
    nginx: Nginx, berth: LiveServer, context: ssl.SSLContext
) -> None:
    with ExitStack() as stack:
        for first, then in itertools.islice(uploaders(nginx, berth), 30):
            client = Slow(nginx, context, first, then)
            stack.callback(client.close)
            client.go_on()
        connection = stack.enter_context(connected(nginx, context, "127.0.0.1"))
        connection.request("PUT", "/v2/", b"")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
        assert answer.headers["Content-Type"] == "application/json"
        assert b'"code":"TOOMANYREQUESTS"' in answer.read()
        # Reading goes on.
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
