"""Collecting garbage beside many rows, while images are pushed: time, memory, and who waits for it.

    python -m benchmarks.garbage [--database URL] [--blobs 1000000] [--garbage 100000]

Makes the rows of so many blobs: a part is in no repository and has waited long enough. Those have
files that say they are large and take no space. A server of this working tree runs on them, and
small images are pushed to it one after another: at first alone, then while `collect_garbage` runs,
which ends alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles

import django
from django.core.management import call_command

from benchmarks.bearer import push
from benchmarks.content import Blob, manifest_of
from benchmarks.processes import MIB, resident, tree
from benchmarks.servers import (
    HOST,
    ROOT,
    Server,
    distribution_blob,
    free_port,
    start_process,
    wait_ready,
)
from benchmarks.steps import push_blob, put_manifest

ALONE_SECONDS, BESIDE_SECONDS = 60.0, 300.0
FILE_BYTES = 10_000_000
PUSHED = "bench/pushed"
# The server's own collector keeps out of the way: what is measured is one that never rests.
ENVIRONMENT = {"REGISTRY_GARBAGE_ENABLED": "false"}


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.garbage", description=__doc__)
    add = parser.add_argument
    add("--database", default="", help="URL of an empty database; without one, SQLite in a file")
    add("--blobs", type=int, default=1_000_000, help="rows of blobs")
    add("--garbage", type=int, default=100_000, help="how many of them nothing needs")
    return parser.parse_args(given)


def make_files(data: Path, count: int) -> list[str]:
    """Sparse files where blobs are, which nobody will read; their digests."""
    digests = [f"sha256:{hashlib.sha256(b'%d' % n).hexdigest()}" for n in range(count)]
    for digest in digests:
        path = distribution_blob(data, "", digest)
        path.parent.mkdir(parents=True)
        path.touch()
        os.truncate(path, FILE_BYTES)
    return digests


def start(place: Path, data: Path) -> Server:
    """A server that anybody may push to, on the database of this process's environment."""
    server = Server(key="berth", offers=frozenset(), port=free_port(), place=data)
    where = ["--bind", f"{HOST}:{server.port}", "--data", str(data), "--open"]
    server.process = start_process(
        [sys.executable, str(ROOT / "manage.py"), "serve", *where],
        place / "log",
        env=ENVIRONMENT | _database(),
    )
    wait_ready(server, "/readyz", place / "log")
    return server


def _database() -> dict[str, str]:
    url = os.environ.get("DATABASE_URL")
    return {"DATABASE_URL": url} if url else {}


class Pushes:
    """Pushes of small images, two blobs and a manifest each, one after another: their seconds."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._count = 0

    def for_seconds(self, most: float, *, unless: threading.Event | None = None) -> list[float]:
        """Push for so many seconds, or until `unless` is set."""
        seconds, end = [], time.monotonic() + most
        with self._server.connect(push(PUSHED)) as connection:
            while time.monotonic() < end and not (unless and unless.is_set()):
                self._count += 1
                config, layer = (
                    Blob.of(b"%s %d" % (k, self._count)) for k in (b"config", b"layer")
                )
                began = time.perf_counter()
                push_blob(connection, PUSHED, config)
                push_blob(connection, PUSHED, layer)
                put_manifest(connection, PUSHED, "latest", manifest_of(config, (layer,)))
                seconds.append(time.perf_counter() - began)
        return seconds


class Collector:
    """`collect_garbage`, to its end: what it said, how long it took, the most memory it had."""

    def __init__(self, data: Path) -> None:
        self.ended = threading.Event()
        self._command = [sys.executable, str(ROOT / "manage.py"), "collect_garbage", "--grace=1h"]
        self._env = {**os.environ, **ENVIRONMENT, "REGISTRY_DATA": str(data)}
        self._thread = threading.Thread(target=self._run)
        self._before = _garbage_left()
        self.seconds, self.peak, self.said = 0.0, 0, ""

    def start(self) -> None:
        """Run it in the background."""
        self._thread.start()

    def removed(self) -> int:
        """How many blobs it has removed so far."""
        return self._before - _garbage_left()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        process = subprocess.Popen(
            self._command,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while process.poll() is None:
            self.peak = max(self.peak, resident(tree([process.pid])))
            time.sleep(0.2)
        self.seconds = time.monotonic() - began
        self.said = process.stdout.read() if process.stdout else ""
        self.ended.set()


def measure(place: Path, data: Path, blobs: int) -> str:
    """The table, as Markdown."""
    server = start(place, data)
    try:
        pushes = Pushes(server)
        before = pushes.for_seconds(ALONE_SECONDS)
        collector = Collector(data)
        collector.start()
        during = pushes.for_seconds(BESIDE_SECONDS, unless=collector.ended)
        beside = collector.removed()
        collector.join()
    finally:
        server.stop()
    print(collector.said, file=sys.stderr)
    ratio = median(during) / median(before)
    said = (
        f"{collector.removed():,} of {blobs:,} blobs collected in {collector.seconds:.0f} s, with "
        f"{collector.peak / MIB:.0f} MiB: {beside:,} of them in the {sum(during):.0f} s beside "
        f"pushes, whose median was {ratio:.2f} times as long."
    )
    head = ["| | pushes | median ms | p95 ms |", "|---|---:|---:|---:|"]
    lines = [*head, _row("alone", before), _row("while garbage is collected", during), "", said]
    return "\n".join(lines)


def _garbage_left() -> int:
    """The blobs that the run is to collect and that are still there: only they are so large."""
    blob = import_module("repositories.models").Blob
    return int(blob.objects.filter(size=FILE_BYTES).count())


def _row(label: str, seconds: list[float]) -> str:
    late = quantiles(seconds, n=20)[-1]
    return f"| {label} | {len(seconds)} | {median(seconds) * 1000:.1f} | {late * 1000:.1f} |"


def main(given: Sequence[str] | None = None) -> int:
    """Entry point: make the rows and files, then measure."""
    options = arguments(given)
    with tempfile.TemporaryDirectory(prefix="berth-garbage-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        os.environ["DJANGO_SETTINGS_MODULE"] = "registry_site.settings"
        os.environ["REGISTRY_DATA"] = str(data)
        os.environ.pop("DATABASE_URL", None)
        if options.database:
            os.environ["DATABASE_URL"] = options.database
        django.setup()
        call_command("migrate", verbosity=0)
        print(f"making {options.blobs:,} rows, {options.garbage:,} files", file=sys.stderr)
        digests = make_files(data, options.garbage)
        # Models can be imported only now.
        fill = import_module("benchmarks.many.fill")
        fill.blobs(options.blobs - options.garbage, garbage=digests, size=FILE_BYTES)
        print(measure(Path(folder), data, options.blobs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
