"""Small writes, one after another: what continuous integration does all day.

They come after the list rows, whose pages they would change.
"""

from __future__ import annotations

from benchmarks.bearer import pull, push
from benchmarks.client import Connection
from benchmarks.content import IMAGE, TAGS, Scale
from benchmarks.rows.base import Bench, Row, Sample
from benchmarks.rows.lists import Operation, timed
from benchmarks.servers import Server
from benchmarks.steps import create_repository, put_manifest


def create(bench: Bench, server: Server) -> Sample:
    def creation() -> Operation:
        name = bench.new_name("made/r")
        headers = server.headers(push(name), pull(IMAGE))  # before the clock starts

        def once(connection: Connection) -> None:
            connection.headers = headers
            create_repository(connection, name, bench.content)

        return once

    return timed(server, server.connect(), [creation() for _ in range(1 + bench.scale.repeats)])


def put_tag(bench: Bench, server: Server) -> Sample:
    def once(connection: Connection) -> None:
        put_manifest(connection, TAGS, bench.new_name("v"), bench.content.small_manifest)

    return timed(server, server.connect(push(TAGS)), [once] * (1 + bench.scale.repeats))


def rows(scale: Scale) -> tuple[Row, ...]:
    return (
        Row(
            "write-repository", "create a repository (2 mounts, manifest)", "ms", "manifest", create
        ),
        Row("write-tag", f"put a tag beside {scale.tags:,}", "ms", "manifest", put_tag),
    )
