"""Requests per second: `wrk` where it can, a Python loop where it cannot.

wrk waits for a body after HEAD that never comes, so HEAD always takes the loop; the table says
which rows did.
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.client import TIMEOUT, Connection, WrongAnswer

CONNECTIONS = 8
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TROUBLE = re.compile(r"^ *(Non-2xx.*|Socket errors.*)$", re.MULTILINE)
_COUNT = re.compile(r"(\d+) requests in ([\d.]+)(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Target:
    """One request, to be sent over and over."""

    host: str
    port: int
    method: str
    path: str
    headers: Mapping[str, str]


def uses_wrk(method: str) -> bool:
    """Whether requests of this method are sent by wrk here."""
    return method == "GET" and shutil.which("wrk") is not None


def requests_in(target: Target, seconds: float) -> tuple[int, float]:
    """Load the server over 8 connections; return how many requests it answered in what time."""
    return _wrk(target, seconds) if uses_wrk(target.method) else _loop(target, seconds)


def _wrk(target: Target, seconds: float) -> tuple[int, float]:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    for name, value in target.headers.items():
        command += ["-H", f"{name}: {value}"]
    url = f"http://{target.host}:{target.port}{target.path}"
    done = subprocess.run([*command, url], capture_output=True, text=True, check=False)
    trouble, count = _TROUBLE.search(done.stdout), _COUNT.search(done.stdout)
    if trouble or not count:
        message = trouble.group(1) if trouble else done.stdout + done.stderr
        raise WrongAnswer(f"wrk: {message.strip()}")
    return int(count.group(1)), float(count.group(2)) * _UNITS[count.group(3)]


def _loop(target: Target, seconds: float) -> tuple[int, float]:
    """The same in one thread: a request on each connection, the next when its answer is there."""
    connection = Connection(target.host, target.port, target.headers)
    request = connection.head(target.method, target.path)
    with selectors.DefaultSelector() as selector:
        sockets = [_connect(target) for _ in range(CONNECTIONS)]
        try:
            for each in sockets:
                selector.register(each, selectors.EVENT_READ, bytearray())
                each.sendall(request)
            return _run(selector, request, seconds, has_body=target.method != "HEAD")
        finally:
            for each in sockets:
                each.close()


def _connect(target: Target) -> socket.socket:
    made = socket.create_connection((target.host, target.port), TIMEOUT)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _run(
    selector: selectors.BaseSelector, request: bytes, seconds: float, *, has_body: bool
) -> tuple[int, float]:
    count, began = 0, time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        for key, _ in selector.select(TIMEOUT):
            connection, received = key.fileobj, key.data
            assert isinstance(connection, socket.socket)
            data = connection.recv(65536)
            if not data:
                raise WrongAnswer("closed by the server under load")
            received += data
            if _complete(received, has_body=has_body):
                received.clear()
                count += 1
                connection.sendall(request)
    return count, now - began


def _complete(received: bytearray, *, has_body: bool) -> bool:
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    if not received.startswith(b"HTTP/1.1 200"):
        raise WrongAnswer(f"under load: {bytes(received[:60])!r}")
    if not has_body:
        return True
    length = _LENGTH.search(received, 0, end)
    if length is None:
        raise WrongAnswer("an answer without Content-Length, which only wrk can follow")
    return len(received) >= end + 4 + int(length.group(1))
