"""R2: the collector is killed at each system call by which it changes something.

Never is a row left without its file; and whatever is left over, the next run finds, and frees.
In the suite a few of the calls, with `BERTH_FAULTS=long` all.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.badinput.bench import empty_database
from tests.badinput.corpus import sha256
from tests.badinput.wire import exchange
from tests.faults import client, verify
from tests.faults.collecting import inspect
from tests.faults.ledger import Kind, Ledger
from tests.faults.outcome import Outcome
from tests.faults.scale import LONG, MARKS
from tests.faults.tracing import require_strace
from tests.live import ROOT, LiveServer

pytestmark = MARKS

REPOSITORY = "faults/collected"
CALLS = "rename,unlink,rmdir,utimensat,fsync,fdatasync,pwrite64,sendto"
SAMPLES = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    require_strace()
    folder = tmp_path_factory.mktemp("killed")
    # Its own collector keeps out of the way.
    env = {"REGISTRY_GARBAGE_ENABLED": "false"}
    with empty_database() as url, LiveServer(folder / "data", database_url=url, env=env) as live:
        yield live


def prepare(server: LiveServer, number: int) -> tuple[list[bytes], bytes]:
    """Two blobs of a deleted image, one of no image, and an image that stays; what goes, and it."""
    layers = [client.random_bytes((number, part), 3_000) for part in range(3)]
    for blob in (client.CONFIG, *layers, b"stays"):
        assert client.push_blob(server.host, REPOSITORY, blob).status == 201
    for layer in layers[:2]:
        manifest = client.image(layer)
        digest = sha256(manifest)
        path = f"/v2/{REPOSITORY}/manifests/{digest}"
        assert client.push_manifest(server.host, REPOSITORY, digest, manifest).status == 201
        assert exchange(server.host, "DELETE", path).status == 202
    manifest = client.image(b"stays")
    assert client.push_manifest(server.host, REPOSITORY, "stays", manifest).status == 201
    return layers, manifest


def collect(server: LiveServer, log: Path, *options: str) -> int:
    """Run the command under strace; its exit status."""
    command = [require_strace(), "-f", "-o", str(log), "-e", f"trace={CALLS}", *options]
    command += [sys.executable, "-B", "manage.py", "collect_garbage", "--grace", "0s"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=server.environment | {"REGISTRY_DATA": str(server.data)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return done.returncode


def calls_of(server: LiveServer, log: Path) -> int:
    """How many such calls an undisturbed run makes."""
    prepare(server, -1)
    assert collect(server, log) == 0
    return len(re.findall(rf"^\d+ +(?:{CALLS.replace(',', '|')})\(", log.read_text(), re.MULTILINE))


@pytest.mark.experiment("R2", "garbage collection: killed at each system call")
def test_a_collector_that_is_killed_loses_nothing_and_leaves_nothing(
    server: LiveServer, tmp_path: Path, ledger: Ledger, outcome: Outcome
) -> None:
    log = tmp_path / "calls"
    total = calls_of(server, log)
    assert total > SAMPLES
    # strace counts each system call by itself: so each `when` is of one of them.
    names = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
    points = [(name, names[: place + 1].count(name)) for place, name in enumerate(names)]
    if not LONG:
        points = points[:: max(len(points) // SAMPLES, 1)]
    for number, (name, when) in enumerate(points):
        layers, manifest = prepare(server, number)
        inject = f"inject={name}:signal=SIGKILL:when={when}"
        outcome.faults += collect(server, log, "-e", inject) != 0
        found = inspect(server)
        outcome.lost += len(found["lost"])
        assert found["lost"] == [], f"{name} {when}"
        # One of the blobs is pushed again over whatever is left.
        again = layers[number % 3]
        assert client.push_blob(server.host, REPOSITORY, again).status == 201
        outcome.acknowledged += 1
        blob = exchange(server.host, "GET", f"/v2/{REPOSITORY}/blobs/{sha256(again)}")
        assert blob.body == again
        found = inspect(server, after_collecting=True)
        assert (found["lost"], found["strays"], found["trash"]) == ([], [], []), f"{name} {when}"
        assert verify.published(server.data) == {sha256(client.CONFIG), sha256(b"stays")}
        pulled = exchange(server.host, "GET", f"/v2/{REPOSITORY}/manifests/stays")
        assert pulled.body == manifest
    outcome.notes = {"calls": total}
    assert outcome.faults >= len(points) * 3 // 4, "it ended before it was killed"
    kept: list[tuple[Kind, str]] = [
        ("manifest", sha256(manifest)),
        ("blob", sha256(b"stays")),
    ]
    for kind, name in kept:
        ledger.acknowledge(kind, REPOSITORY, name)
    ledger.acknowledge("tag", REPOSITORY, "stays", sha256(manifest))
    outcome.judge(server, ledger.entries())
