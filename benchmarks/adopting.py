"""Adopting a tree of Docker's registry: seconds and memory for 1,000 tags.

    python -m benchmarks.adopting [--database URL] [--repositories 200] [--tags 50]

Makes a tree as Docker's registry writes it: so many repositories with so many tags, each of an
image of its own with eight layers, six of which its repository shares and one all of them. The
command `adopt` takes it over, and once more `--verify` does, with rows that are new again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.content import Blob, manifest_of
from benchmarks.servers import ROOT

_BASE = Path("docker", "registry", "v2")


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adopting", description=__doc__)
    add = parser.add_argument
    add("--database", default="", help="URL of an empty database; without one, SQLite in a file")
    add("--repositories", type=int, default=200)
    add("--tags", type=int, default=50, help="of each repository")
    return parser.parse_args(given)


def make_tree(root: Path, repositories: int, tags: int) -> None:
    """Write the tree."""
    common = Blob.of(b"of all")
    _write_blob(root, common)
    for number in range(repositories):
        folder = root / _BASE / "repositories" / f"team{number % 20}" / f"app{number}"
        shared = [Blob.of(b"layer %d of %d" % (k, number)) for k in range(6)]
        for blob in (common, *shared):
            _write_blob(root, blob)
            _write_link(folder / "_layers", blob.digest)
        for tag in range(tags):
            own = [Blob.of(b"%s %d of %d" % (what, tag, number)) for what in (b"config", b"top")]
            manifest = Blob.of(manifest_of(own[0], (common, *shared, own[1])))
            for blob in own:
                _write_blob(root, blob)
                _write_link(folder / "_layers", blob.digest)
            _write_blob(root, manifest)
            _write_link(folder / "_manifests" / "revisions", manifest.digest)
            place = folder / "_manifests" / "tags" / f"1.{tag}"
            _write_link(place / "index", manifest.digest)
            _write(place / "current" / "link", manifest.digest.encode())


def _write_blob(root: Path, blob: Blob) -> None:
    algorithm, _, value = blob.digest.partition(":")
    _write(root / _BASE / "blobs" / algorithm / value[:2] / value / "data", blob.joined())


def _write_link(folder: Path, digest: str) -> None:
    _write(folder / digest.replace(":", "/") / "link", digest.encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _manage(data: Path, root: Path, *words: str) -> str:
    environment = os.environ | {
        "REGISTRY_DATA": str(data),
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root),
    }
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _processor() -> float:
    """Seconds of a processor that commands have had so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(given: Sequence[str] | None = None) -> None:
    """Print what it took."""
    chosen = arguments(given)
    if chosen.database:
        os.environ["DATABASE_URL"] = chosen.database
    with tempfile.TemporaryDirectory(prefix="berth-adopting-") as place:
        root = Path(place) / "tree"
        make_tree(root, chosen.repositories, chosen.tags)
        for words in ((), ("--verify",)):
            data = Path(place) / ("data" + "".join(words))
            anew = ["flush", "--no-input"] if words and chosen.database else ["migrate"]
            _manage(data, root, *anew)
            began, before = time.monotonic(), _processor()
            report = json.loads(_manage(data, root, "adopt", *words, "--json", "-"))
            seconds = time.monotonic() - began
            count = report["report"]["tags"]
            busy = _processor() - before
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
            print(
                f"adopt {' '.join(words)}: {count} tags, {report['report']['blobs']} files in "
                f"{seconds:.1f} s, {1000 * seconds / count:.2f} s for 1,000 tags "
                f"({1000 * busy / count:.2f} s of a processor); {peak} MiB; "
                f"{len(report['findings'])} findings"
            )


if __name__ == "__main__":
    main()
