"""A contender that runs: its address, its processes, how to start and how to stop it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bearer import Account
from benchmarks.client import Connection
from benchmarks.content import Blob, Content, Growth
from benchmarks.processes import Watch, tree
from benchmarks.steps import push_blob

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
# What a server may inherit: a developer's settings must not change a figure.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class DidNotStart(Exception):
    """A contender did not come up; the message ends with what it said."""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def oci_layout_blob(place: Path, repository: str, digest: str) -> Path:
    """Where olareg and zot keep a blob."""
    return place / repository / "blobs" / digest.replace(":", "/")


def distribution_blob(place: Path, repository: str, digest: str) -> Path:
    """Where Distribution and Berth keep a blob, whichever repository it is in."""
    algorithm, _, text = digest.partition(":")
    return place / "docker/registry/v2/blobs" / algorithm / text[:2] / text / "data"


@dataclass(kw_only=True)
class Server:
    """A running contender. A benchmark row talks to it through this and nothing else."""

    key: str
    offers: frozenset[str]  # which rows it can take part in, see Row.needs
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    database: int | None = None  # the process id of its database server
    database_url: str = ""
    place: Path = Path()
    find_blob: Callable[[Path, str, str], Path] | None = None
    sends_digest: bool = True  # nginx, a reference, does not
    grow: Callable[[Server, Content, Growth], None] | None = None  # see growing.py
    grown: int = 0  # to so many repositories
    account: Account | None = None  # who asks; nobody, where everyone is let in
    started: int = 0  # resident bytes before its first request
    idle: int = 0  # the same with many small things loaded and no large one
    peak: int = 0  # the most that any row saw
    cleanups: list[Callable[[], None]] = field(default_factory=list)

    def headers(self, *scopes: str) -> dict[str, str]:
        """What a request of these scopes (see `bearer.py`) needs so that it is let in.

        It may ask the token service: rows call it before they start their clock.
        """
        return self.account.headers(scopes) if self.account else {}

    def connect(self, *scopes: str) -> Connection:
        """A connection that may do this; it is opened when it is first used."""
        return Connection(HOST, self.port, self.headers(*scopes))

    def push(self, connection: Connection, repository: str, blob: Blob) -> None:
        """Push a blob over a connection of its own, as `docker push` does for each layer."""
        with connection:
            push_blob(connection, repository, blob)

    @property
    def roots(self) -> list[int]:
        """Its main process, without the database's."""
        return [self.process.pid] if self.process else []

    def watch(self, every: float = 0.05) -> Watch:
        """Time a block: memory of the server, CPU of the server and of its database."""
        cpu = self.roots + ([self.database] if self.database else [])
        return Watch(memory=self.roots, cpu=cpu, every=every)

    def forget(self, repository: str, blobs: Sequence[Blob]) -> None:
        """Free the disk that pushed blobs take, behind the server's back.

        No two registries agree on how to collect garbage, and a run pushes tens of gigabytes. The
        rows never ask for these blobs again.
        """
        for blob in blobs:
            path = self.find_blob and self.find_blob(self.place, repository, blob.digest)
            if path and path.exists():
                os.truncate(path, 0)

    def stop(self) -> None:
        """Stop it and what was started for it."""
        if self.process:
            stop_process(self.process)
        for cleanup in reversed(self.cleanups):
            cleanup()


def start_process(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server with a clean environment, its output in a file."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=cwd or log.parent,
            env={**inherited, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us: we stop the servers in order
        )


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """End a server: politely, then with all its descendants by force."""
    family = tree([process.pid])
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


def wait_ready(server: Server, path: str, log: Path) -> None:
    """Wait until a GET of `path` answers 200; raises DidNotStart."""
    deadline = time.monotonic() + START_SECONDS
    trouble = "no answer"
    while time.monotonic() < deadline:
        if server.process and server.process.poll() is not None:
            trouble = f"ended with {server.process.returncode}"
            break
        try:
            with Connection(HOST, server.port) as connection:
                status = connection.request("GET", path).status
        except OSError as error:
            trouble = str(error)
        else:
            if status == 200:
                return
            trouble = f"GET {path} answered {status}"
        time.sleep(0.05)
    said = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise DidNotStart(f"{trouble}; its log ends: {' / '.join(said) or '(empty)'}")
