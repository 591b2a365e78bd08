"""R18: clients that go away at any point of a push. Nothing is published, and no thread waits on.

Each way of going is tried with each way of pushing, more often than the server has threads: if one
of them were kept waiting each time, there would be none left to answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.badinput.bench import empty_database
from tests.badinput.corpus import OCI_IMAGE, sha256
from tests.badinput.wire import Connection, NoAnswer, exchange, request
from tests.faults import client, verify
from tests.faults.outcome import Outcome
from tests.faults.scale import MARKS, either
from tests.live import LiveServer, wait_for

pytestmark = MARKS

REPOSITORY = "faults/gone"
THREADS = 4
SHARES = {"0%": 0.0, "50%": 0.5, "99%": 0.99}
# A reset, an orderly close, and one half of it with the answer awaited.
DEPARTURES = ("reset", "close", "half-close")
PUSHES = ("patch", "patch-chunked", "put", "put-chunked", "post", "manifest", "manifest-chunked")
LAYER = client.random_bytes("gone", 700_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """With few threads, so that few lost ones would be noticed."""
    folder, env = tmp_path_factory.mktemp("gone"), {"REGISTRY_THREADS": str(THREADS)}
    with (
        empty_database() as url,
        LiveServer(folder / "data", database_url=url, env=env) as live,
    ):
        for data in (client.CONFIG, b"layer"):
            assert client.push_blob(live.host, REPOSITORY, data).status == 201
        yield live


def threads(server: LiveServer) -> dict[int, int]:
    """The number of threads of each process that answers requests."""
    return {pid: len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in server.workers()}


def busy(server: LiveServer) -> None:
    """Occupy every thread once, so that all that the server starts on demand are there."""

    def push(number: int) -> None:
        data = client.random_bytes(("busy", number % 3), 2_000_000)
        upload = client.open_upload(server.host, REPOSITORY)
        assert client.patch(server.host, upload, data).status == 202
        assert client.finish(server.host, upload, sha256(data)).status == 201

    with ThreadPoolExecutor(8 * THREADS) as pool:
        list(pool.map(push, range(16 * THREADS)))


def go_away(server: LiveServer, push: str, share: float, departure: str) -> str:
    """Send a part of a push and go; returns the upload's path, if it has a session."""
    kind, _, chunked = push.partition("-")
    body = LAYER
    upload = ""
    if kind in {"patch", "put"}:
        upload = client.open_upload(server.host, REPOSITORY)
    method, target, media_type = {
        "patch": ("PATCH", upload, client.OCTETS[0][1]),
        "put": ("PUT", client.with_digest(upload, sha256(LAYER)), client.OCTETS[0][1]),
        "post": (
            "POST",
            f"/v2/{REPOSITORY}/blobs/uploads/?digest={sha256(LAYER)}",
            client.OCTETS[0][1],
        ),
        "manifest": ("PUT", f"/v2/{REPOSITORY}/manifests/gone", OCI_IMAGE),
    }[kind]
    if kind == "manifest":
        body = client.image(b"layer", annotations={"x": "y" * 200_000})
    size = ("Content-Length", str(len(body)))
    framing = ("Transfer-Encoding", "chunked") if chunked else size
    part = body[: int(len(body) * share)]
    if chunked:  # one chunk, without its end and without a last one
        part = b"%x\r\n%b" % (len(body), part)
    with Connection(server.host) as connection:
        fields = (("Content-Type", media_type), framing)
        connection.send(request(method, target, server.host, fields) + part)
        leave(connection, departure)
    return upload


def leave(connection: Connection, departure: str) -> None:
    if departure == "reset":
        connection.reset()
    if departure == "half-close":
        connection.half_close()
        try:
            answer = connection.answer()
        except NoAnswer:
            return
        assert 400 <= answer.status < 500, answer


CASES = list(itertools.product(PUSHES, SHARES, DEPARTURES))


@pytest.mark.experiment("R18", "clients go away in the midst of a push")
def test_nothing_is_published_and_no_thread_is_lost(server: LiveServer, outcome: Outcome) -> None:
    busy(server)
    before, blobs = threads(server), verify.published(server.data)
    sessions = []
    for _ in range(either(2, 10)):
        for push, share, departure in CASES:
            sessions.append(go_away(server, push, SHARES[share], departure))
            outcome.faults += 1
    # All threads are free again: as many as there are can be put to work at once.
    busy(server)
    wait_for(
        lambda: all(count <= before[pid] for pid, count in threads(server).items()),
        seconds=10,
        what=f"threads as few as before ({before}), not {threads(server)}",
    )
    assert set(threads(server)) == set(before), "a worker was replaced"
    assert verify.published(server.data) == blobs
    tags = exchange(server.host, "GET", f"/v2/{REPOSITORY}/manifests/gone")
    assert tags.status == 404, tags
    for upload in filter(None, sessions):
        answer = client.status(server.host, upload)
        assert answer.status == 204, answer
        on_disk = verify.uploads(server.data).get(upload.rpartition("/")[2], 0)
        assert client.held(answer) == on_disk
        assert exchange(server.host, "DELETE", upload).status == 204
    assert verify.uploads(server.data) == {}
    outcome.check([], server)


def test_a_silent_client_keeps_nobody_else_waiting(server: LiveServer) -> None:
    """One that holds the connection and sends nothing more costs its thread, and that only."""
    upload = client.open_upload(server.host, REPOSITORY)
    fields = (*client.OCTETS, ("Content-Length", str(len(LAYER))))
    with Connection(server.host) as connection:
        connection.send(request("PATCH", upload, server.host, fields) + LAYER[:1000])
        for number in range(40):
            data = f"another's blob {number}".encode()
            assert client.push_blob(server.host, REPOSITORY, data).status == 201
        connection.send(LAYER[1000:])
        assert connection.answer().status == 202
    assert client.finish(server.host, upload, sha256(LAYER)).status == 201
    pulled = exchange(server.host, "GET", f"/v2/{REPOSITORY}/blobs/{sha256(LAYER)}")
    assert pulled.body == LAYER
