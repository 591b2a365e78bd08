"""R11, R12: the collector, without any grace and without a pause, against everybody who pushes.

Whatever was acknowledged is there at the end, with all that it is made of. What a client has pushed
and no manifest names yet may go before the manifest comes: then it is told so, and pushes again.
`BERTH_FAULTS=long` makes it ten thousand operations.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.badinput.corpus import OCI_IMAGE, OCI_INDEX, sha256
from tests.badinput.wire import exchange
from tests.faults import client, verify
from tests.faults.collecting import SETTINGS, collecting, inspect, undoing
from tests.faults.conftest import Start
from tests.faults.outcome import Outcome
from tests.faults.scale import MARKS, either
from tests.live import LiveServer

pytestmark = MARKS

PUSHERS = 16
OPERATIONS = either(320, 10_000)
BLOBS = [client.random_bytes(("shared", number), 2_000) for number in range(50)]
# Those of images that are deleted at once: now and then nobody needs one, on a busy machine too.
RARE = [client.random_bytes(("rare", number), 2_000) for number in range(40)]
# Each pusher's: most blobs are in no image then, and come and go.
MOST_TAGS = 1
LONGEST_PAUSE = 0.4  # seconds
REPOSITORIES = ("faults/one", "faults/other")


class Pusher:
    """Somebody who pushes images of the same few blobs, in every way there is."""

    def __init__(self, number: int, server: LiveServer) -> None:
        self.number = number
        self.host = server.host
        self.lots = random.Random(number)
        # What each tag of ours was acknowledged to be.
        self.tags: dict[tuple[str, str], str] = {}
        # By the tag of an index: its children that were there when it had been acknowledged.
        self.kept: dict[tuple[str, str], list[str]] = {}
        self.did: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.acknowledged = 0

    def run(self, operations: int) -> None:
        steps: list[Callable[[str], None]] = [
            *[self.push_tagged] * 5,
            self.push_by_digest,
            self.push_index,
            self.delete_tag,
            self.delete_manifest,
        ]
        for _ in range(operations):
            step = self.lots.choice(steps)
            step(self.lots.choice(REPOSITORIES))
            self.did[step.__name__] += 1
            while len(self.tags) > MOST_TAGS:
                self.delete_tag(self.lots.choice(sorted(self.tags))[0])
            # A collector that cannot keep up would have all blobs in images that are garbage.
            time.sleep(self.lots.uniform(0, LONGEST_PAUSE))

    def expect(self, what: str, status: int, *allowed: int) -> None:
        if status not in allowed:
            self.wrong.append(f"{what}: {status}")
        self.acknowledged += status in {201, 202}

    def bring(self, repository: str, blob: bytes) -> None:
        """Have the blob in the repository: found by HEAD, mounted, or pushed."""
        path = f"/v2/{repository}/blobs/{sha256(blob)}"
        how = self.lots.choice(("head", "mount", "push"))
        if how == "head":
            status = exchange(self.host, "HEAD", path).status
            self.expect("HEAD", status, 200, 404)
            if status == 200:
                self.did["found"] += 1
                return
        if how == "mount":
            source = REPOSITORIES[repository == REPOSITORIES[0]]
            target = f"/v2/{repository}/blobs/uploads/?mount={sha256(blob)}&from={source}"
            answer = exchange(self.host, "POST", target)
            self.expect("mount", answer.status, 201, 202)
            if answer.status == 201:
                self.did["mounted"] += 1
                return
        self.expect("push", client.push_blob(self.host, repository, blob).status, 201)
        self.did["pushed"] += 1

    def push(self, repository: str, reference: str) -> str | None:
        """Push an image of two blobs; its digest, if that was acknowledged in a few attempts."""
        layer = self.lots.choice(BLOBS)
        manifest = client.image(layer, annotations={"of": str(self.lots.randrange(20))})
        digest = sha256(manifest)
        for _ in range(50):
            for blob in (client.CONFIG, layer):
                self.bring(repository, blob)
            status = client.push_manifest(
                self.host, repository, reference or digest, manifest
            ).status
            self.expect("manifest", status, 201, 404)
            if status == 201:
                return digest
            self.did["blobs gone"] += 1
        return None

    def push_tagged(self, repository: str) -> None:
        tag = f"t{self.number}-{self.lots.randrange(5)}"
        if digest := self.push(repository, tag):
            self.tags[repository, tag] = digest

    def push_by_digest(self, repository: str) -> None:
        self.push(repository, "")

    def push_index(self, repository: str) -> None:
        """An index of what was just pushed by digest; what is there under it then has to stay."""
        children = [digest for _ in range(2) if (digest := self.push(repository, ""))]
        index = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [
                    {"mediaType": OCI_IMAGE, "digest": digest, "size": 1} for digest in children
                ],
                "annotations": {"of": str(self.number), "lot": str(self.lots.random())},
            }
        ).encode()
        tag = f"x{self.number}-{self.lots.randrange(10**9)}"
        path = f"/v2/{repository}/manifests/{tag}"
        answer = exchange(self.host, "PUT", path, (("Content-Type", OCI_INDEX),), index)
        self.expect("index", answer.status, 201)
        self.tags[repository, tag] = sha256(index)
        for digest in children:
            head = exchange(self.host, "HEAD", f"/v2/{repository}/manifests/{digest}")
            if head.status == 200:
                self.kept.setdefault((repository, tag), []).append(digest)

    def delete_tag(self, repository: str) -> None:
        mine = sorted(tag for name, tag in self.tags if name == repository)
        if mine:
            tag = self.lots.choice(mine)
            del self.tags[repository, tag]
            self.kept.pop((repository, tag), None)
            path = f"/v2/{repository}/manifests/{tag}"
            self.expect("DELETE", exchange(self.host, "DELETE", path).status, 202)

    def delete_manifest(self, repository: str) -> None:
        """One of our own that nobody else can have tagged."""
        blob = self.lots.choice(RARE)
        manifest = client.image(blob, annotations={"own": f"{self.number} {self.lots.random()}"})
        digest = sha256(manifest)
        self.bring(repository, client.CONFIG)
        self.bring(repository, blob)
        status = client.push_manifest(self.host, repository, digest, manifest).status
        self.expect("own manifest", status, 201, 404)
        path = f"/v2/{repository}/manifests/{digest}"
        self.expect("DELETE", exchange(self.host, "DELETE", path).status, 202, 404)


@pytest.mark.experiment("R11, R12", "collected without grace beside pushes, mounts, tags, indexes")
def test_nothing_acknowledged_is_collected(start_server: Start, outcome: Outcome) -> None:
    server = start_server(**SETTINGS)
    pushers = [Pusher(number, server) for number in range(PUSHERS)]
    with (
        collecting(server) as removed,
        collecting(server) as also_removed,
        ThreadPoolExecutor(PUSHERS) as pool,
    ):
        list(pool.map(lambda pusher: pusher.run(OPERATIONS // PUSHERS), pushers))
    did = sum((pusher.did for pusher in pushers), Counter[str]())
    outcome.faults = OPERATIONS
    outcome.acknowledged = sum(pusher.acknowledged for pusher in pushers)
    outcome.notes = {**did} | {
        f"{what} collected": removed[what] + also_removed[what]
        for what in ("manifests", "links", "blobs")
    }

    assert [line for pusher in pushers for line in pusher.wrong] == []
    for what in ("links", "blobs", "manifests"):
        assert removed[what] + also_removed[what], "nothing was raced"
    assert verify.misnamed(server.data) == []
    found = inspect(server)
    assert found["lost"] == []
    manifests = {line.partition(" ")[2] for line in found["manifests"]}
    for pusher in pushers:
        for (repository, tag), digest in pusher.tags.items():
            head = exchange(server.host, "HEAD", f"/v2/{repository}/manifests/{tag}")
            assert (head.status, head.header("docker-content-digest")) == (200, digest), tag
        for (repository, _), children in pusher.kept.items():
            assert {f"{repository} {digest}" for digest in children} <= set(found["manifests"])
    problems = [line for digest in sorted(manifests) for line in missing_blobs(server, digest)]
    outcome.check(problems, server)


def test_undo_never_leaves_a_manifest_without_its_blobs(start_server: Start) -> None:
    """Two who undo everything at once, and a collector that waits for nothing, beside pushers."""
    server = start_server(**SETTINGS | {"REGISTRY_GARBAGE_GRACE": "1h"})
    pushers = [Pusher(number, server) for number in range(PUSHERS)]
    with (
        collecting(server) as removed,
        undoing(server) as undone,
        undoing(server) as also_undone,
        ThreadPoolExecutor(PUSHERS) as pool,
    ):
        list(pool.map(lambda pusher: pusher.run(OPERATIONS // PUSHERS), pushers))
    print(f"\nremoved: {removed}; undone: {undone} and {also_undone}")

    assert [line for pusher in pushers for line in pusher.wrong] == []
    assert undone["done"] + also_undone["done"], "nothing was undone"
    # On a busy machine it is too late for most links.
    assert removed["manifests"] + removed["links"], "nothing was raced"
    found = inspect(server)
    assert found["lost"] == []
    for pusher in pushers:
        for (repository, tag), digest in pusher.tags.items():
            head = exchange(server.host, "HEAD", f"/v2/{repository}/manifests/{tag}")
            assert (head.status, head.header("docker-content-digest")) == (200, digest), tag
    manifests = {line.partition(" ")[2] for line in found["manifests"]}
    problems = [line for digest in sorted(manifests) for line in missing_blobs(server, digest)]
    assert problems == []


def missing_blobs(server: LiveServer, digest: str) -> list[str]:
    """What an image lacks, wherever it is: the repository serves every blob, by its digest."""
    lines = []
    for repository in REPOSITORIES:
        answer = exchange(server.host, "GET", f"/v2/{repository}/manifests/{digest}")
        if answer.status != 200:
            continue
        manifest = json.loads(answer.body)
        for part in [manifest[key] for key in ("config",) if key in manifest] + manifest.get(
            "layers", []
        ):
            blob = exchange(server.host, "GET", f"/v2/{repository}/blobs/{part['digest']}")
            if blob.status != 200 or sha256(blob.body) != part["digest"]:
                lines.append(f"{repository} {digest} lacks {part['digest']}: {blob.status}")
    return lines
