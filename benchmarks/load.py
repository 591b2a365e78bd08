"""Requests per second: `ab` where it is installed, a Python loop where it is not.

ab sends GET and HEAD alike, so that they compare: wrk and h2load wait for a body after HEAD that
never comes. It costs as little as they do, and asks in HTTP/1.0 for connections to be kept, which
has made no difference to any server that we measure.
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
WARMING = 500  # requests
MOST = 10_000_000  # requests: so many that the time ends a sample
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_VERSION = re.compile(r"Version ([\d.]+)")
_SECONDS = re.compile(r"^Time taken for tests: +([\d.]+) seconds", re.MULTILINE)
_COUNT = re.compile(r"^(Complete|Failed|Keep-Alive) requests: +(\d+)$", re.MULTILINE)
_OTHERS = re.compile(r"^Non-2xx responses: +(\d+)$", re.MULTILINE)


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
    if shutil.which("ab") is None:
        return "a loop in Python"
    said = subprocess.run(["ab", "-V"], capture_output=True, text=True, check=False).stdout
    version = _VERSION.search(said)
    return f"ab {version.group(1)}" if version else "ab"


def requests_in(target: Target, seconds: float) -> tuple[int, float]:
    """Load the server over 8 connections; return how many requests it answered in what time.

    Raises WrongAnswer if one of them had another status than it should.
    """
    if not shutil.which("ab"):
        return _loop(target, seconds)
    # -n comes after -t, which sets one of its own.
    return _ab(target, f"-t{max(1, round(seconds))}", f"-n{MOST}")


def warm_up(target: Target) -> None:
    """Some requests more, which nobody counts. Raises WrongAnswer."""
    if shutil.which("ab"):
        _ab(target, f"-n{WARMING}")
    else:
        _loop(target, 0.2)


def _ab(target: Target, *until: str) -> tuple[int, float]:
    command = ["ab", "-q", "-k", "-d", f"-c{CONNECTIONS}", *until]
    command += ["-i"] if target.method == "HEAD" else []
    for name, value in target.headers.items():
        command += ["-H", f"{name}: {value}"]
    url = f"http://{target.host}:{target.port}{target.path}"
    done = subprocess.run([*command, url], capture_output=True, text=True, check=False)
    return read_ab(done.stdout, done.stderr)


def read_ab(said: str, complaints: str = "") -> tuple[int, float]:
    """Answers and seconds in what ab said. Raises WrongAnswer unless all were 2xx and kept."""
    counts = {name: int(count) for name, count in _COUNT.findall(said)}
    seconds, others = _SECONDS.search(said), _OTHERS.search(said)
    complete = counts.get("Complete", 0)
    if not complete or not seconds:
        raise WrongAnswer(f"ab: {(complaints or said).strip()[-200:]}")
    if others or counts.get("Failed"):
        wrong = others.group(1) if others else 0
        raise WrongAnswer(f"ab: {wrong} not 2xx, {counts['Failed']} failed of {complete}")
    if counts.get("Keep-Alive", 0) < complete - CONNECTIONS:
        raise WrongAnswer(f"ab: only {counts.get('Keep-Alive', 0)} of {complete} kept alive")
    return complete, float(seconds.group(1))


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
        raise WrongAnswer("an answer without Content-Length, which only ab can follow")
    return len(received) >= end + 4 + int(length.group(1))
