"""Bodies are never in memory: a 1 GiB push, 16 pulls at once, and how large processes get."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.badinput.wire import Connection, request
from tests.faults import client
from tests.live import LiveServer

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

MIB = 1 << 20
SIZE = 1024 * MIB
ALLOWED = 32 * MIB  # over idle, for each stream
PULLS = 16
REPOSITORY = "faults/memory"
BLOCK = client.random_bytes("memory", MIB)


def content() -> Iterator[bytes]:
    """1 GiB in pieces of 1 MiB, no two alike, made as they are needed."""
    for number in range(SIZE // MIB):
        yield number.to_bytes(8, "big") + BLOCK[8:]


def resident(pid: int) -> int:
    """A process's resident memory (RSS) in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"/proc/{pid}/status has no VmRSS")


class Growth:
    """How much each process of a server has grown at most over what it was when idle."""

    def __init__(self, server: LiveServer) -> None:
        self.idle = {entry.pid: resident(entry.pid) for entry in server.members()}
        self.most = dict(self.idle)

    def sample(self) -> None:
        for pid in self.idle:
            self.most[pid] = max(self.most[pid], resident(pid))

    @property
    def largest(self) -> int:
        return max(self.most[pid] - self.idle[pid] for pid in self.idle)

    def __str__(self) -> str:
        sizes = (f"{self.idle[pid] // MIB} → {self.most[pid] // MIB}" for pid in self.idle)
        return f"MiB for each process: {', '.join(sizes)}"


@contextmanager
def watched(server: LiveServer) -> Iterator[Growth]:
    """Looks at the server's processes a hundred times a second."""
    growth, stop = Growth(server), threading.Event()

    def look() -> None:
        while not stop.wait(0.01):
            growth.sample()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield growth
    finally:
        stop.set()
        thread.join()


def push(host: str, *, is_chunked: bool) -> str:
    """Push the content as one PATCH and a closing PUT; returns its digest."""
    upload = client.open_upload(host, REPOSITORY)
    framing = ("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", str(SIZE))
    hashed = hashlib.sha256()
    with Connection(host, timeout=120) as connection:
        connection.send(request("PATCH", upload, host, (*client.OCTETS, framing)))
        for piece in content():
            hashed.update(piece)
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece
            assert connection.send(framed)
        connection.send(b"0\r\n\r\n" if is_chunked else b"")
        assert connection.answer().status == 202
    digest = f"sha256:{hashed.hexdigest()}"
    assert client.finish(host, upload, digest).status == 201
    return digest


def pull(host: str, digest: str) -> int:
    """Pull without keeping it; returns how many bytes came."""
    with Connection(host, timeout=120) as connection:
        target = f"/v2/{REPOSITORY}/blobs/{digest}"
        connection.send(request("GET", target, host, (("Connection", "close"),)))
        return connection.drain()


def warm_up(host: str) -> None:
    """One small push and pull for each thread there may be, so that idle is idle after work."""
    blob = client.random_bytes("small", 2 * MIB)
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"

    def once(_: int) -> None:
        assert client.push_blob(host, REPOSITORY, blob).status == 201
        pull(host, digest)

    with ThreadPoolExecutor(PULLS) as pool:
        list(pool.map(once, range(2 * PULLS)))


Record = Callable[[str, object], None]


def test_memory_stays_flat_under_large_pushes_and_many_pulls(
    server: LiveServer, record_property: Record
) -> None:
    host, digest = server.host, ""
    warm_up(host)
    for is_chunked in (False, True):
        started = time.monotonic()
        with watched(server) as growth:
            digest = push(host, is_chunked=is_chunked)
        how = "chunked" if is_chunked else "sized"
        print(f"\n1 GiB pushed, {how}: {time.monotonic() - started:.1f} s, {growth}")
        record_property(f"push_{how}_growth_bytes", growth.largest)
        assert growth.largest < ALLOWED, str(growth)
    started = time.monotonic()
    with watched(server) as growth, ThreadPoolExecutor(PULLS) as pool:
        sizes = list(pool.map(lambda _: pull(host, digest), range(PULLS)))
    print(f"{PULLS} pulls of 1 GiB at once: {time.monotonic() - started:.1f} s, {growth}")
    record_property("pulls_growth_bytes", growth.largest)
    assert min(sizes) > SIZE  # the header as well
    assert growth.largest < ALLOWED * PULLS, str(growth)
