"""Requests per second: `bombardier` where it is installed, a Python loop where it is not.

bombardier sends GET and HEAD alike, so that they compare, and speaks HTTP/1.1, as registry clients
do: wrk and h2load wait for a body after HEAD that never comes, and ab asks in HTTP/1.0.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.client import TIMEOUT, Connection, WrongAnswer
from benchmarks.contenders import find_binary

CONNECTIONS = 8
WARMING = 500  # requests
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """One request, to be sent over and over."""

    host: str
    port: int
    method: str  # GET or HEAD
    path: str
    headers: Mapping[str, str]


def sender() -> str:
    """Who sends requests here; samples of two senders do not compare."""
    return "bombardier" if find_binary("bombardier") else "a loop in Python"


def requests_in(target: Target, seconds: float) -> tuple[int, float]:
    """Load the server over 8 connections; return how many requests it answered in what time.

    Raises WrongAnswer if one of them had another status than it should.
    """
    if program := find_binary("bombardier"):
        return _bombardier(program, target, f"--duration={seconds:g}s")
    return _loop(target, seconds)


def warm_up(target: Target) -> None:
    """Some requests more, which nobody counts. Raises WrongAnswer."""
    if program := find_binary("bombardier"):
        _bombardier(program, target, f"--requests={WARMING}")
    else:
        _loop(target, 0.2)


def _bombardier(program: str, target: Target, until: str) -> tuple[int, float]:
    command = [program, "--fasthttp", f"--connections={CONNECTIONS}", until]
    command += [f"--method={target.method}", "--timeout=30s", "--print=result", "--format=json"]
    for name, value in target.headers.items():
        command += ["--header", f"{name}: {value}"]
    url = f"http://{target.host}:{target.port}{target.path}"
    done = subprocess.run([*command, url], capture_output=True, text=True, check=False)
    return read_bombardier(done.stdout, done.stderr)


def read_bombardier(said: str, complaints: str = "") -> tuple[int, float]:
    """Answers and seconds in what bombardier said. Raises WrongAnswer unless all were 2xx."""
    try:
        result = json.loads(said)["result"]
    except (ValueError, KeyError, TypeError) as error:
        raise WrongAnswer(f"bombardier: {(complaints or said).strip()[-200:]}") from error
    good = int(result["req2xx"])
    counts = {kind: int(result[kind]) for kind in ("req1xx", "req3xx", "req4xx", "req5xx")}
    wrong, failed = sum(counts.values()), int(result["others"])
    if wrong or failed or not good:
        errors = ", ".join(error["description"] for error in result.get("errors") or [])
        raise WrongAnswer(f"bombardier: {good} 2xx, {wrong} not 2xx, {failed} failed {errors}")
    return good, float(result["timeTakenSeconds"])


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
    if not received.startswith(b"HTTP/1.1 2"):
        raise WrongAnswer(f"under load: {bytes(received[:60])!r}")
    if not has_body:
        return True
    length = _LENGTH.search(received, 0, end)
    if length is None:
        raise WrongAnswer("an answer without Content-Length, which only bombardier can follow")
    return len(received) >= end + 4 + int(length.group(1))
