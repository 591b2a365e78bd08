"""`python -m tests.faults.beside`: the same ledger against Berth and against Docker's registry.

Clients push images of the same few blobs, delete some, and push some of those again, as
`docker push` does: what a HEAD finds is not sent. Garbage is collected while nobody pushes
(Docker's registry is stopped for it, as its documentation asks), and while everybody does. Then
every image that was acknowledged, and not deleted since, is pulled.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from tests.badinput.corpus import sha256
from tests.badinput.wire import NoAnswer, exchange
from tests.faults import client, verify
from tests.faults.collecting import SETTINGS, collecting
from tests.faults.ledger import GONE, Entry, Ledger
from tests.live import LiveServer, free_port, wait_for

PROGRAM = "docker-registry"  # as Debian calls it
REPOSITORY = "faults/beside"
BLOBS = [client.random_bytes(("beside", number), 2_000) for number in range(50)]
CLIENTS = 8
ATTEMPTS = 5  # as docker makes


@dataclass
class Result:
    """What came of it in one registry, and with one way of collecting."""

    registry: str
    collected: str
    images: int = 0  # that somebody tried to push
    refused: int = 0  # in all attempts, which the client is told
    acknowledged: int = 0
    deleted: int = 0
    lost: int = 0  # of those that were acknowledged and not deleted
    runs: int = 0  # of the collector
    seconds: float = 0.0


class Berth:
    """This working tree, on SQLite."""

    name = "Berth, SQLite"

    def __init__(self, folder: Path) -> None:
        self._server = LiveServer(folder / "data", env=SETTINGS)
        self.host = self._server.host

    def running(self) -> AbstractContextManager[object]:
        return self._server

    def collect(self) -> int:
        """While it runs, as always."""
        self._server.manage("collect_garbage", "--grace", "0s")
        return 1

    @contextmanager
    def collecting(self) -> Iterator[dict[str, int]]:
        with collecting(self._server) as figures:
            yield figures


class DockerRegistry:
    """Debian's package, with the settings that the package ships, but for the password."""

    def __init__(self, folder: Path) -> None:
        said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
        self.name = f"docker-registry {said.stdout.split()[-1].removeprefix('v')}"
        self.host = f"127.0.0.1:{free_port()}"
        self._log = folder / "log"
        self._config = folder / "config.yml"
        settings = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {
                "cache": {"blobdescriptor": "inmemory"},
                "filesystem": {"rootdirectory": str(folder / "data")},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.host},
        }
        self._config.write_text(json.dumps(settings))  # YAML, too
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        self._start()
        try:
            yield
        finally:
            self._stop()

    def collect(self) -> int:
        """With the registry stopped."""
        self._stop()
        self._collect()
        self._start()
        return 1

    @contextmanager
    def collecting(self) -> Iterator[dict[str, int]]:
        stop, figures = threading.Event(), {"rounds": 0}

        def loop() -> None:
            while not stop.is_set():
                self._collect()
                figures["rounds"] += 1

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield figures
        finally:
            stop.set()
            thread.join()

    def _collect(self) -> None:
        """Run it; where a push is in its way it may end with an error, and the next one not."""
        command = [PROGRAM, "garbage-collect", str(self._config)]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "serve", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, seconds=20, what=PROGRAM)

    def _stop(self) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait(20)

    def _answers(self) -> bool:
        try:
            return exchange(self.host, "GET", "/v2/").status == 200
        except (OSError, NoAnswer):
            return False


class Pusher:
    """A client with images of its own, made of everybody's blobs."""

    def __init__(self, number: int, host: str, ledger: Ledger) -> None:
        self.number = number
        self.host = host
        self.ledger = ledger
        self.lots = random.Random(number)
        self.images: list[bytes] = []
        self.deleted: list[bytes] = []
        self.tried = self.refused = self.acknowledged = 0

    def run(self, images: int) -> None:
        for _ in range(images):
            chance = self.lots.random()
            if chance < 0.15 and self.deleted:
                self.push(self.deleted.pop(0))
            else:
                layer = self.lots.choice(BLOBS)
                of = f"{self.number} {self.lots.random()}"
                self.push(client.image(layer, annotations={"of": of}))
            # Few images are kept, so that most blobs are garbage for a while.
            while len(self.images) > 3:
                self.delete(self.images.pop(self.lots.randrange(len(self.images))))
            time.sleep(self.lots.uniform(0, 0.05))

    def push(self, manifest: bytes) -> None:
        self.tried += 1
        digest, tag = sha256(manifest), tag_of(manifest)
        layer = next(
            blob for blob in BLOBS if sha256(blob) == json.loads(manifest)["layers"][0]["digest"]
        )
        for _ in range(ATTEMPTS):
            for blob in (client.CONFIG, layer):
                self._bring(blob)
            self.ledger.attempt("manifest", REPOSITORY, digest)
            self.ledger.attempt("tag", REPOSITORY, tag, digest)
            if client.push_manifest(self.host, REPOSITORY, tag, manifest).status == 201:
                self.ledger.acknowledge("manifest", REPOSITORY, digest)
                self.ledger.acknowledge("tag", REPOSITORY, tag, digest)
                self.acknowledged += 1
                self.images.append(manifest)
                return
            self.refused += 1

    def _bring(self, blob: bytes) -> None:
        digest = sha256(blob)
        if exchange(self.host, "HEAD", f"/v2/{REPOSITORY}/blobs/{digest}").status == 200:
            return
        upload = client.open_upload(self.host, REPOSITORY)
        if client.finish(self.host, upload, digest, blob).status != 201:
            self.refused += 1

    def delete(self, manifest: bytes) -> None:
        digest, tag = sha256(manifest), tag_of(manifest)
        self.ledger.attempt("manifest", REPOSITORY, digest, GONE)
        self.ledger.attempt("tag", REPOSITORY, tag, GONE)
        path = f"/v2/{REPOSITORY}/manifests/{digest}"
        if exchange(self.host, "DELETE", path).status == 202:
            self.ledger.acknowledge("manifest", REPOSITORY, digest, GONE)
            self.ledger.acknowledge("tag", REPOSITORY, tag, GONE)
            self.deleted.append(manifest)


def tag_of(manifest: bytes) -> str:
    """Each image has one tag, which its digest gives."""
    return sha256(manifest).partition(":")[2][:24]


def image_of(entry: Entry) -> str:
    return entry.name.rpartition(":")[2][:24]


def play(registry: Berth | DockerRegistry, ledger: Ledger, images: int, *, online: bool) -> Result:
    """Push and delete, collecting meanwhile or now and then."""
    result = Result(registry.name, "while everybody pushes" if online else "while nobody pushes")
    pushers = [Pusher(number, registry.host, ledger) for number in range(CLIENTS)]
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        if online:
            with registry.collecting() as figures:
                list(pool.map(lambda pusher: pusher.run(images // CLIENTS), pushers))
            result.runs = figures["rounds"]
        else:
            for _ in range(4):
                list(pool.map(lambda pusher: pusher.run(images // CLIENTS // 4), pushers))
                result.runs += registry.collect()
    result.seconds = round(time.monotonic() - began, 1)
    result.images = sum(pusher.tried for pusher in pushers)
    result.refused = sum(pusher.refused for pusher in pushers)
    result.acknowledged = sum(pusher.acknowledged for pusher in pushers)
    result.deleted = result.acknowledged - sum(len(pusher.images) for pusher in pushers)
    for _, entries in groupby(sorted(ledger.entries(), key=image_of), image_of):
        problems = verify.problems(registry.host, entries)
        result.lost += bool(problems)
        print(*problems, sep="\n", end="\n" * bool(problems), file=sys.stderr, flush=True)
    return result


def run(images: int) -> list[Result]:
    """Both registries, both ways, each on an empty folder."""
    results = []
    for online in (False, True):
        for kind in (Berth, DockerRegistry):
            with tempfile.TemporaryDirectory(prefix="berth-beside-") as name:
                registry, ledger = kind(Path(name)), Ledger(Path(name) / "ledger")
                with registry.running():
                    results.append(play(registry, ledger, images, online=online))
    return results


def table(results: list[Result]) -> str:
    """The results as Markdown."""
    rows = [
        [value if isinstance(value, str) else f"{value:,}" for value in asdict(one).values()]
        for one in results
    ]
    heads = list(asdict(results[0]))
    lines = [heads, ["---", "---", *["--:"] * (len(heads) - 2)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Entry point; 1 if Berth lost anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.beside", description=__doc__)
    parser.add_argument("--images", type=int, default=800, help="to push, in each of four rounds")
    parser.add_argument("--json", type=Path, help="a file to write the results to as well")
    options = parser.parse_args()
    if shutil.which(PROGRAM) is None:
        print(f"no {PROGRAM} on PATH: there is nothing to compare with")
        return 0
    results = run(options.images)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n")
    print(table(results))
    return int(any(one.lost for one in results if one.registry == Berth.name))


if __name__ == "__main__":
    sys.exit(main())
