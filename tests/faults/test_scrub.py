"""R21 with a server: what the scrub sets apart, every process stops serving at once, until a push.

And R11's question for the scrub: pushes heal while several scrubs are about to set the same blobs
apart, and at the end no blob that is served has other bytes than were pushed.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.badinput.corpus import sha256
from tests.badinput.wire import exchange
from tests.faults import client, verify
from tests.faults.conftest import Start
from tests.live import ROOT, LiveServer, ServerError, wait_for

pytestmark = pytest.mark.faults

REPOSITORIES = ("faults/one", "faults/other")
LAYERS = [client.random_bytes(("scrubbed", number), 50_000) for number in range(6)]
ROUNDS = 6
# Marks whatever is damaged over and over, as a background pass of another host would meanwhile.
_LOOP = """
import select, sys
from repositories import scrub
from repositories.access import Principal
from repositories.scrub_passes import Busy, TakenOver
operator = Principal(name="scrub", credential="job")
print("looping", flush=True)
rounds = 0
while not select.select([sys.stdin], [], [], 0.001)[0]:
    try:
        scrub.run(principal=operator, is_repairing=True)
        rounds += 1
    except (Busy, TakenOver):
        pass
print(rounds)
"""
_STATE = """
import json
from repositories.models import Blob
print(json.dumps(dict(Blob.objects.filter(damaged_at=None).values_list("digest", "size"))))
"""


def place(server: LiveServer, layer: bytes) -> Path:
    value = sha256(layer).partition(":")[2]
    return server.data / verify.BLOBS / "sha256" / value[:2] / value / "data"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def head(server: LiveServer, repository: str, layer: bytes) -> int:
    return exchange(server.host, "HEAD", f"/v2/{repository}/blobs/{sha256(layer)}").status


def push_images(server: LiveServer) -> None:
    for repository in REPOSITORIES:
        assert client.push_blob(server.host, repository, client.CONFIG).status == 201
        for number, layer in enumerate(LAYERS):
            assert client.push_blob(server.host, repository, layer).status == 201
            image = client.image(layer)
            answer = client.push_manifest(server.host, repository, f"v{number}", image)
            assert answer.status == 201


def scrub(server: LiveServer, *options: str) -> str:
    """The report; the command ends with 1 where something is damaged."""
    try:
        return server.manage("scrub", *options)
    except ServerError as error:
        return str(error)


def test_a_damaged_blob_is_served_by_nobody_until_it_is_pushed_again(server: LiveServer) -> None:
    push_images(server)
    for _ in range(5):  # every worker has been asked, and remembers
        assert all(head(server, name, layer) == 200 for name in REPOSITORIES for layer in LAYERS)
    flip(place(server, LAYERS[0]))
    place(server, LAYERS[1]).unlink()
    assert "2 damaged" in scrub(server)
    report = scrub(server, "--repair")
    for part in ("changed", "missing", "faults/one:v0", "faults/other:v1", "waits for a push"):
        assert part in report

    for _ in range(10):
        for repository in REPOSITORIES:
            assert [head(server, repository, layer) for layer in LAYERS[:3]] == [404, 404, 200]
    image = client.image(LAYERS[0])
    answer = client.push_manifest(server.host, REPOSITORIES[0], "again", image)
    assert (answer.status, b"MANIFEST_BLOB_UNKNOWN" in answer.body) == (404, True)
    for layer in LAYERS[:2]:
        assert client.push_blob(server.host, REPOSITORIES[0], layer).status == 201
    for _ in range(5):
        assert all(head(server, name, layer) == 200 for name in REPOSITORIES for layer in LAYERS)
    assert "0 damaged" in scrub(server)
    assert verify.misnamed(server.data) == []
    assert len(list((server.data / "berth" / "quarantine").iterdir())) == 1


def test_pushes_heal_while_scrubs_are_about_to_set_the_same_blobs_apart(
    start_server: Start,
) -> None:
    server = start_server()
    push_images(server)
    processes = [
        subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v", "0", "-c", _LOOP],
            cwd=ROOT,
            env=server.environment | {"REGISTRY_DATA": str(server.data)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "looping\n"
        with ThreadPoolExecutor(4) as pool:
            for _ in range(ROUNDS):
                for layer in LAYERS:
                    with suppress(FileNotFoundError):  # set apart already
                        flip(place(server, layer))
                pushes = [(name, layer) for layer in LAYERS for name in REPOSITORIES] * 3
                statuses = pool.map(
                    lambda push: client.push_blob(server.host, *push).status, pushes
                )
                assert set(statuses) == {201}
    finally:
        outputs = [process.communicate("\n", timeout=120)[0] for process in processes]
    rounds = sum(int(output.split()[-1]) for output in outputs)
    assert rounds > 1, "nothing was raced"
    quarantine = server.data / "berth" / "quarantine"
    assert list(quarantine.iterdir()), "nothing was set apart"

    scrub(server, "--repair")
    served = set(json.loads(server.manage("shell", "-v", "0", "-c", _STATE)))
    assert verify.misnamed(server.data) == []
    assert served == verify.published(server.data)
    push_images(server)
    assert "0 damaged" in scrub(server)
    for repository in REPOSITORIES:
        for layer in LAYERS:
            answer = exchange(server.host, "GET", f"/v2/{repository}/blobs/{sha256(layer)}")
            assert answer.body == layer


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_scrub_that_is_stopped_goes_on_where_it_was(
    how: signal.Signals, server: LiveServer
) -> None:
    push_images(server)
    flip(place(server, LAYERS[0]))
    # Takes minutes at the rate below, but no time where nobody keeps to one.
    large = client.random_bytes("large", 20_000_000)
    assert client.push_blob(server.host, REPOSITORIES[0], large).status == 201
    environment = server.environment | {"REGISTRY_DATA": str(server.data)}
    command = [sys.executable, "manage.py", "scrub", "--rate", "100kB/s"]
    count = "from repositories.models import ScrubPass; print(ScrubPass.objects.values_list('blobs', flat=True).first() or 0)"  # noqa: E501

    def looked_at() -> int:
        return int(server.manage("shell", "-v", "0", "-c", count))

    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        wait_for(lambda: looked_at() >= 2, seconds=60, what="some blobs")
        process.send_signal(how)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == (130 if how is signal.SIGINT else -signal.SIGKILL), output
    if how is signal.SIGKILL:
        assert "Another scrub is under way" in scrub(server)
        free = "from repositories.models import ScrubPass; ScrubPass.objects.update(claimed_until=None)"  # noqa: E501
        server.manage("shell", "-v", "0", "-c", free)
    report = scrub(server, "--json", "-")
    found = json.loads(report[report.index("{") : report.rindex("}") + 1])
    assert found["pass"]["number"] == 1
    assert [finding["target"] for finding in found["findings"]] == [sha256(LAYERS[0])]
    assert found["pass"]["blobs"] == len(LAYERS) + 2
