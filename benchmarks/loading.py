"""Fills a contender: the image, the big blob, many repositories, one with many tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bearer import pull, push
from benchmarks.client import Connection, WrongAnswer
from benchmarks.content import IMAGE, TAG, TAGS, Content
from benchmarks.processes import settled
from benchmarks.servers import Server
from benchmarks.steps import create_repository, get_list, mount, push_blob, put_manifest

LOADERS = 4  # connections at once; how long loading takes is not measured


def load(server: Server, content: Content) -> None:
    """Load everything and check the result; raises WrongAnswer."""
    if "manifest" in server.offers:  # the references have what they need
        _load_small(server, content)
        _check(server, content)
    server.idle = settled(server.roots)
    if "manifest" in server.offers:
        server.push(server.connect(push(IMAGE)), IMAGE, content.big)


def _load_small(server: Server, content: Content) -> None:
    with server.connect(push(IMAGE)) as connection:
        for blob in (content.config, *content.layers):
            push_blob(connection, IMAGE, blob)
        put_manifest(connection, IMAGE, TAG, content.manifest)
    with server.connect(push(TAGS), pull(IMAGE)) as connection:
        for blob in (content.config, content.layers[0]):
            mount(connection, TAGS, blob.digest, IMAGE)
        put_manifest(connection, TAGS, content.tags[0], content.small_manifest)

    def create(connection: Connection, name: str) -> None:
        connection.headers = server.headers(push(name), pull(IMAGE))
        create_repository(connection, name, content)

    _at_once(server, content.repositories, create)
    _at_once(
        server, content.tags[1:], lambda c, tag: put_manifest(c, TAGS, tag, content.small_manifest)
    )


def _at_once(server: Server, names: Sequence[str], put: Callable[[Connection, str], None]) -> None:
    def run(mine: Sequence[str]) -> None:
        with server.connect(push(TAGS)) as connection:
            for name in mine:
                put(connection, name)

    with ThreadPoolExecutor(LOADERS) as pool:
        list(pool.map(run, [names[first::LOADERS] for first in range(LOADERS)]))


def _check(server: Server, content: Content) -> None:
    with server.connect(pull(TAGS)) as connection:
        names: list[str] = []
        path: str | None = f"/v2/{TAGS}/tags/list?n=1000"
        while path:
            page, path = get_list(connection, path, "tags")
            names += page
    if tuple(sorted(names)) != content.tags:  # not everyone sorts; the list rows look at that
        raise WrongAnswer(f"{len(names)} tags after loading {len(content.tags)}")
