"""Pages of the catalog and of a repository's tags, at the first, middle and last page."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from benchmarks.bearer import CATALOG, pull
from benchmarks.client import Connection, WrongAnswer
from benchmarks.content import TAGS, Content, Scale
from benchmarks.rows.base import Bench, Row, Sample, sample
from benchmarks.servers import Server
from benchmarks.steps import get_list

PAGE = 100
ALL = 1000  # the largest page that everyone answers; longer lists are followed by Link


def _first(names: Sequence[str]) -> int:
    return 0


def _middle(names: Sequence[str]) -> int:
    return len(names) // 2


def _last(names: Sequence[str]) -> int:
    return len(names) - PAGE


class List(NamedTuple):
    """What is listed: where, under which key of the answer, which names, and who may."""

    path: str
    key: str
    names: Sequence[str]
    scope: str


def catalog(content: Content) -> List:
    return List("/v2/_catalog", "repositories", content.catalog, CATALOG)


def tags(content: Content) -> List:
    return List(f"/v2/{TAGS}/tags/list", "tags", content.tags, pull(TAGS))


What = Callable[[Content], List]


Operation = Callable[[Connection], None]


def timed(server: Server, connection: Connection, operations: Sequence[Operation]) -> Sample:
    """Operations one after another on one connection, which is closed; the first is not timed.

    The figure is their median in milliseconds.
    """
    first, *others = operations
    times = []
    with connection:
        first(connection)
        with server.watch() as watch:
            for operation in others:
                began = time.perf_counter()
                operation(connection)
                times.append(time.perf_counter() - began)
    return sample(watch, statistics.median(times) * 1000, len(times))


def _page(what: What, at: Callable[[Sequence[str]], int], bench: Bench, server: Server) -> Sample:
    path, key, names, scope = what(bench.content)
    start = at(names)
    wanted = list(names[start : start + PAGE])
    after = f"&last={names[start - 1]}" if start else ""

    def once(connection: Connection) -> None:
        found, _ = get_list(connection, f"{path}?n={PAGE}{after}", key)
        if found != wanted:
            raise WrongAnswer(f"{path}{after}: {len(found)} names from {found[:1]}")

    return timed(server, server.connect(scope), [once] * (1 + bench.scale.repeats))


def _whole(what: What, bench: Bench, server: Server) -> Sample:
    path, key, names, scope = what(bench.content)
    sorts = "tag-pages" in server.offers  # who has no pages need not sort

    def once(connection: Connection) -> None:
        found: list[str] = []
        following: str | None = f"{path}?n={ALL}"
        while following:
            page, following = get_list(connection, following, key)
            found += page
        if (found if sorts else sorted(found)) != list(names):
            raise WrongAnswer(f"{path}: {len(found)} names of {len(names)}")

    return timed(server, server.connect(scope), [once] * (1 + bench.scale.repeats))


def pages(prefix: str, title: str, needs: str, what: What) -> list[Row]:
    """The rows of three pages of a list."""
    places = {"first": _first, "middle": _middle, "last": _last}
    return [
        Row(
            f"{prefix}-{name}",
            f"{title}, {name} {PAGE}",
            "ms",
            needs,
            partial(_page, what, at),
        )
        for name, at in places.items()
    ]


def rows(scale: Scale) -> tuple[Row, ...]:
    everything = f"all {scale.tags:,} tags, {ALL:,} a page"
    return (
        *pages("list-catalog", f"catalog of {scale.repositories:,}", "catalog", catalog),
        *pages("list-tags", f"{scale.tags:,} tags", "tag-pages", tags),
        Row("list-tags-all", everything, "ms", "tags", partial(_whole, tags)),
    )
