"""Backups of live servers: taken, restored into an empty place, and read back."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.badinput.bench import empty_database
from tests.badinput.wire import exchange
from tests.live import ROOT, LiveServer

_MANIFESTS = """
import json
from repositories.models import Manifest
rows = Manifest.objects.order_by("repository__name", "digest")
print(json.dumps(list(rows.values_list("repository__name", "digest"))))
"""


@contextmanager
def empty_place(folder: Path, *, env: Mapping[str, str] | None = None) -> Iterator[LiveServer]:
    """A server that was never started, on an empty data folder and an empty database."""
    with empty_database(tables=False) as url:
        yield LiveServer(folder, database_url=url, env=env)


def attempt(
    server: LiveServer, *words: str, under: tuple[str, ...] = (), env: dict[str, str] | None = None
) -> tuple[int, str]:
    """Run a management command, perhaps under strace: its exit status, and what it said."""
    done = subprocess.run(
        [*under, sys.executable, "-B", "manage.py", *words],
        cwd=ROOT,
        env=server.environment | {"REGISTRY_DATA": str(server.data)} | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def images(server: LiveServer) -> set[tuple[str, str]]:
    """Repository and digest of every manifest in the database."""
    rows = json.loads(server.manage("shell", "-v", "0", "-c", _MANIFESTS))
    return {(repository, digest) for repository, digest in rows}


def pull_everything(server: LiveServer) -> set[tuple[str, str]]:
    """Pull every image of a running server, and hash all that comes; which those are."""
    found = images(server)
    for repository, digest in found:
        manifest = _pulled(server, f"/v2/{repository}/manifests/{digest}", digest)
        document = json.loads(manifest)
        for part in (document["config"], *document["layers"]):
            _pulled(server, f"/v2/{repository}/blobs/{part['digest']}", part["digest"])
    return found


def _pulled(server: LiveServer, path: str, digest: str) -> bytes:
    answer = exchange(server.host, "GET", path)
    assert answer.status == 200, f"{path}: {answer}"
    assert hashlib.sha256(answer.body).hexdigest() == digest.removeprefix("sha256:"), path
    return answer.body
