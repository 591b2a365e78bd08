"""Pages of lists that grow: a catalog, and a repository of as many tags. They should stay flat.

They come last: everything else is measured beside few names. Only contenders that can be given
names without a push for each take part (`growing.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from benchmarks.bearer import CATALOG, pull
from benchmarks.content import Content, Scale
from benchmarks.growing import grow
from benchmarks.rows.base import Bench, Row, Sample
from benchmarks.rows.lists import List, pages
from benchmarks.servers import Server


def _catalog(size: int, content: Content) -> List:
    return List("/v2/_catalog", "repositories", content.catalog_at(size), CATALOG)


def _tags(size: int, content: Content) -> List:
    growth = content.growth(0, size)
    return List(f"/v2/{growth.tagged}/tags/list", "tags", growth.tags, pull(growth.tagged))


def _grown(
    size: int, measure: Callable[[Bench, Server], Sample], bench: Bench, server: Server
) -> Sample:
    grow(server, bench.content, size)
    return measure(bench, server)


def rows(scale: Scale) -> tuple[Row, ...]:
    found = []
    for size in scale.many:
        of_size = pages(f"many-{size}-tags", f"{size:,} tags", "many", partial(_tags, size))
        if size > scale.repositories:
            title = f"catalog of {size:,}"
            of_size += pages(f"many-{size}-catalog", title, "many", partial(_catalog, size))
        found += [replace(row, measure=partial(_grown, size, row.measure)) for row in of_size]
    return tuple(found)
