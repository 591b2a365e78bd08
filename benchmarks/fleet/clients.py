"""What one node and one build do, step by step, and how long each of their requests took.

A node does what `docker pull` does on a machine that has nothing of the image yet, a build what
`docker push` does into a repository that is new. Every status and every length is checked.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks.bearer import pull, push
from benchmarks.client import Connection, WrongAnswer
from benchmarks.content import Blob
from benchmarks.fleet.images import Image
from benchmarks.servers import HOST, Server
from benchmarks.steps import (
    ACCEPT,
    DIGEST,
    blob_path,
    manifest_path,
    mount,
    pull_blob,
    push_blob,
    put_manifest,
)

BASE, TAG = "fleet/base", "1"  # the image that all nodes pull, which builds mount layers from
DOWNLOADS, UPLOADS = 3, 5  # at once, as the docker engine has it

Transfer = Callable[[Connection, Blob], None]


@dataclass
class Times:
    """Seconds of one client's requests by kind, and of all it did."""

    requests: list[tuple[str, float]] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    error: str = ""  # why it did not come to its end

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Time a request."""
        began = time.perf_counter()
        yield
        self.requests.append((kind, time.perf_counter() - began))


def node(server: Server, image: Image, times: Times) -> None:
    """Pull the image that all nodes pull. Raises WrongAnswer, OSError."""
    headers = _token(server, times, pull(BASE))
    with Connection(HOST, server.port, headers) as connection:
        path = manifest_path(BASE, TAG)
        with times.of("HEAD manifest"):
            head = connection.request("HEAD", path, ACCEPT).expect(200, f"HEAD {path}")
        if head.headers.get(DIGEST) != image.digest:
            raise WrongAnswer(f"HEAD {path}: {DIGEST} {head.headers.get(DIGEST)}")
        path = manifest_path(BASE, image.digest)
        with times.of("GET manifest"):
            answer = connection.request("GET", path, ACCEPT).expect(200, f"GET {path}")
        if answer.body != image.manifest:
            raise WrongAnswer(f"GET {path}: other bytes than were pushed")
        with times.of("GET config"):
            pull_blob(connection, BASE, image.config)

        def download(connection: Connection, layer: Blob) -> None:
            with times.of("GET layer"):
                pull_blob(connection, BASE, layer)

        _at_once(connection, image.layers, DOWNLOADS, download)


def build(server: Server, repository: str, image: Image, base: Image, times: Times) -> None:
    """Push an image into a new repository. Raises WrongAnswer, OSError."""
    headers = _token(server, times, push(repository), pull(BASE))
    known = {blob.digest for blob in base.blobs}

    def upload(connection: Connection, blob: Blob) -> None:
        path = blob_path(repository, blob.digest)
        with times.of("HEAD blob"):
            connection.request("HEAD", path).expect(404, f"HEAD {path}")
        if blob.digest in known:
            with times.of("mount"):
                mount(connection, repository, blob.digest, BASE)
        else:
            with times.of("upload"):
                push_blob(connection, repository, blob)

    with Connection(HOST, server.port, headers) as connection:
        _at_once(connection, image.layers, UPLOADS, upload)
        upload(connection, image.config)
        with times.of("PUT manifest"):
            put_manifest(connection, repository, TAG, image.manifest)


def verify(server: Server, repository: str, image: Image) -> None:
    """Pull an image and hash every byte, which costs too much to be timed. Raises WrongAnswer."""
    with server.connect(pull(repository)) as connection:
        path = manifest_path(repository, TAG)
        answer = connection.request("GET", path, ACCEPT).expect(200, f"GET {path}")
        if answer.body != image.manifest:
            raise WrongAnswer(f"GET {path}: other bytes than were pushed")
        for blob in image.blobs:
            pull_blob(connection, repository, blob, verify=True)


def _token(server: Server, times: Times, *scopes: str) -> dict[str, str]:
    if not server.account:
        return {}
    with times.of("token"):
        return server.account.new_headers(scopes)


def _at_once(first: Connection, blobs: Sequence[Blob], most: int, transfer: Transfer) -> None:
    """Transfer blobs over so many connections, of which the first is open already."""
    waiting: queue.SimpleQueue[Blob] = queue.SimpleQueue()
    for blob in blobs:
        waiting.put(blob)

    def run(connection: Connection) -> None:
        while True:
            try:
                blob = waiting.get_nowait()
            except queue.Empty:
                return
            transfer(connection, blob)

    with ExitStack() as stack, ThreadPoolExecutor(most) as pool:
        others = [Connection(first.host, first.port, first.headers) for _ in range(most - 1)]
        for other in others:
            stack.enter_context(other)
        list(pool.map(run, (first, *others)))
