"""Small writes, one after another: what continuous integration does all day.

They come after the list rows, whose pages they would change.
"""

from __future__ import annotations

from benchmarks.client import Connection
from benchmarks.content import TAGS, Scale
from benchmarks.rows.base import Bench, Row, Sample
from benchmarks.rows.lists import timed
from benchmarks.servers import Server
from benchmarks.steps import create_repository, put_manifest


def create(bench: Bench, server: Server) -> Sample:
    def once(connection: Connection) -> None:
        create_repository(connection, bench.new_name("made/r"), bench.content)

    return timed(bench, server, once, TAGS)


def put_tag(bench: Bench, server: Server) -> Sample:
    def once(connection: Connection) -> None:
        put_manifest(connection, TAGS, bench.new_name("v"), bench.content.small_manifest)

    return timed(bench, server, once, TAGS)


def rows(scale: Scale) -> tuple[Row, ...]:
    return (
        Row(
            "write-repository", "create a repository (2 mounts, manifest)", "ms", "manifest", create
        ),
        Row("write-tag", f"put a tag beside {scale.tags:,}", "ms", "manifest", put_tag),
    )
