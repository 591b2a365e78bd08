"""Memory of a server's processes, without its database's: idle, while bytes stream, at the end.

The streams' rows count from what a server held before any large blob, so that what it keeps of
earlier streams is not forgotten.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.bearer import pull, push
from benchmarks.content import IMAGE, Scale
from benchmarks.processes import MIB, Watch, proportional, resident, tree
from benchmarks.rows.base import Bench, Row, Sample, sample
from benchmarks.rows.blobs import pull_big
from benchmarks.servers import Server

OFTEN = 0.01  # seconds between looks at memory while bytes stream


def push_stream(bench: Bench, server: Server) -> Sample:
    """How much more a server holds at most while it takes one large blob than idle."""
    blob = bench.content.streams.new()
    connection = server.connect(push(IMAGE))
    os.sync()
    with server.watch(OFTEN) as watch:
        server.push(connection, IMAGE, blob)
    server.forget(IMAGE, [blob])
    return sample(watch, _over_idle(watch, server), 1)


def _over_idle(watch: Watch, server: Server) -> float:
    return max(0, watch.peak - server.idle) / MIB  # who collects garbage may hold less by now


def pull_streams(bench: Bench, server: Server) -> Sample:
    """The same for each of many pulls at once."""
    count = bench.scale.pulls
    connections = [server.connect(pull(IMAGE)) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool, server.watch(OFTEN) as watch:
        list(pool.map(partial(pull_big, bench), connections))
    return sample(watch, _over_idle(watch, server) / count, count)


def started(bench: Bench, server: Server) -> Sample:
    return Sample(server.started / MIB, 1, 0.0)


def idle(bench: Bench, server: Server) -> Sample:
    return Sample(server.idle / MIB, 1, 0.0)


def peak(bench: Bench, server: Server) -> Sample:
    return Sample(server.peak / MIB, 1, 0.0)


def now(bench: Bench, server: Server) -> Sample:
    held = resident(tree(server.roots))
    return Sample(held / MIB, 1, 0.0, held)


def shared_once(bench: Bench, server: Server) -> Sample:
    return Sample(proportional(tree(server.roots)) / MIB, 1, 0.0)


def rows(scale: Scale) -> tuple[Row, ...]:
    return (
        Row(
            "memory-push",
            f"over idle, in a {scale.stream // MIB:,} MiB push",
            "MiB",
            "manifest",
            push_stream,
        ),
        Row(
            "memory-pull",
            f"over idle, for each of {scale.pulls} pulls",
            "MiB",
            "process",
            pull_streams,
        ),
    )


def final_rows(scale: Scale) -> tuple[Row, ...]:
    return (
        Row("memory-start", "resident when just started", "MiB", "process", started, once=True),
        Row("memory-idle", "resident when loaded", "MiB", "process", idle, once=True),
        Row("memory-peak", "resident at most", "MiB", "process", peak, once=True),
        Row("memory-after", "resident after all rows", "MiB", "process", now, once=True),
        Row("memory-pss", "the same, shared pages once", "MiB", "process", shared_once, once=True),
    )
