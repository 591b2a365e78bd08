"""Large blobs: pushed and pulled, alone and many at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.bearer import pull, push
from benchmarks.client import Connection
from benchmarks.content import IMAGE, Blob, Scale
from benchmarks.rows.base import Bench, Row, Sample, sample
from benchmarks.servers import Server
from benchmarks.steps import pull_blob


def _push(bench: Bench, server: Server, count: int) -> Sample:
    blobs = [bench.content.blobs.new() for _ in range(count)]
    # Each has its token before the clock starts.
    connections = [server.connect(push(IMAGE)) for _ in blobs]

    def send(connection: Connection, blob: Blob) -> None:
        server.push(connection, IMAGE, blob)

    os.sync()  # or the disk is still busy with the last contender's blobs
    with ThreadPoolExecutor(count) as pool, server.watch() as watch:
        list(pool.map(send, connections, blobs))
    if "blob-get" in server.offers:
        with server.connect(pull(IMAGE)) as connection:
            pull_blob(connection, IMAGE, blobs[-1], verify=True)
    server.forget(IMAGE, blobs)
    return sample(watch, watch.seconds, count)


def pull_big(bench: Bench, connection: Connection) -> None:
    """Pull the big blob, and close the connection."""
    with connection:
        pull_blob(connection, IMAGE, bench.content.big)


def _pull(bench: Bench, server: Server, count: int, times: int = 1) -> Sample:
    with server.connect(pull(IMAGE)) as connection:  # also brings the file into the page cache
        pull_blob(connection, IMAGE, bench.content.big, verify=True)
    connections = [server.connect(pull(IMAGE)) for _ in range(count * times)]
    with ThreadPoolExecutor(count) as pool, server.watch() as watch:
        list(pool.map(partial(pull_big, bench), connections))
    return sample(watch, watch.seconds / times, count * times)


def push_one(bench: Bench, server: Server) -> Sample:
    return _push(bench, server, 1)


def push_many(bench: Bench, server: Server) -> Sample:
    return _push(bench, server, bench.scale.pushes)


def pull_one(bench: Bench, server: Server) -> Sample:
    # A pull takes 0.03 s or 0.1 s, by whether both ends happen to run on one processor.
    return _pull(bench, server, 1, times=5)


def pull_many(bench: Bench, server: Server) -> Sample:
    return _pull(bench, server, bench.scale.pulls)


def rows(scale: Scale) -> tuple[Row, ...]:
    size = f"{scale.blob // 1_000_000} MB"
    return (
        Row("blob-push", f"push {size}", "s", "blob-push", push_one),
        Row("blob-push-many", f"push {size}, {scale.pushes} at once", "s", "blob-push", push_many),
        Row("blob-pull", f"pull {size}", "s", "blob-get", pull_one),
        Row("blob-pull-many", f"pull {size}, {scale.pulls} at once", "s", "blob-get", pull_many),
    )
