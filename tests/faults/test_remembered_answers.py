"""Remembered answers are never older than the last acknowledged change, whatever happens meanwhile.

On one host: all workers at once, with changes of contents and of permissions. On PostgreSQL also on
several hosts that come, go and are killed, with lost connections, and with lost rows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from repositories import hosts
from tests.badinput.bench import empty_database
from tests.badinput.corpus import sha256
from tests.badinput.wire import Connection, exchange, request
from tests.database import DATABASE
from tests.faults import client
from tests.faults.staleness import (
    ABSENT,
    LAYER,
    Changes,
    Crowd,
    Subject,
    basic,
    remembers,
    run_sql,
)
from tests.live import LiveServer, wait_for

pytestmark = pytest.mark.faults
several_hosts = pytest.mark.skipif(
    DATABASE != "postgresql", reason="several hosts share a PostgreSQL, and no SQLite"
)

WORKERS = {"REGISTRY_WORKERS": "3"}
ROUNDS = 60
REPOSITORY = "faults/remembered"
GRANT = "/-/grants/grantee"

Start = Callable[[str], LiveServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts hosts: servers with a data folder each, one database and one blob folder."""
    with ExitStack() as stack:
        url = stack.enter_context(empty_database())
        shared = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "blobs")}

        def start(name: str) -> LiveServer:
            server = LiveServer(tmp_path / name, database_url=url, env=WORKERS | shared)
            return stack.enter_context(server)

        yield start


def begin(*servers: LiveServer) -> tuple[Changes, Crowd]:
    changes = Changes(REPOSITORY, *servers)
    changes.prepare()
    return changes, Crowd(changes.subjects)


def hammer(changes: Changes, crowd: Crowd, rounds: int = ROUNDS) -> None:
    """Change everything again and again, and look at every host after each time."""
    for _ in range(rounds):
        changes.round()
        crowd.look(*(server.host for server in changes.servers))


def verdict(changes: Changes, crowd: Crowd, *servers: LiveServer) -> None:
    for server in servers:
        assert "Traceback" not in server.log(), server.log_tail()
    print(f"{crowd.reads} reads, {changes.made} changes, {crowd.errors} errors")
    assert crowd.stale == []
    assert changes.made >= ROUNDS
    assert crowd.reads > 5 * changes.made


def test_no_worker_serves_what_another_has_changed(start: Start) -> None:
    server = start("one")
    assert remembers(server)
    changes, crowd = begin(server)
    with crowd.reading(server.host, each=6):
        hammer(changes, crowd)
    verdict(changes, crowd, server)
    assert remembers(server)


def test_lists_of_tags_are_never_older_than_a_change(start: Start) -> None:
    """A tag that comes changes no answer about itself that was given before, but every list."""
    server = start("one")
    changes, _ = begin(server)
    tags = f"/v2/{REPOSITORY}/tags/list"
    paths = (tags, f"{tags}?n=5", f"{tags}?n=5&last=e", f"{tags}?last={'g' * 200}")
    for number in range(ROUNDS):
        changes.round()
        is_there = bool(changes.fleeting.states[-1])
        for path, found in lists(server, *paths):
            expected = ["fleeting"] * (is_there and "last=g" not in path) + ["moving"]
            assert found["tags"] == expected, (number, path)


def test_the_catalog_is_never_older_than_a_change(start: Start) -> None:
    """A manifest without a tag is enough for a repository to be listed, and to lack none."""
    server = start("one")
    manifest = client.image(LAYER)
    expected: list[str] = []
    for number in range(ROUNDS):
        name = f"faults/listed-{number}"
        path = f"/v2/{name}/manifests/{sha256(manifest)}"
        for data in (client.CONFIG, LAYER):
            assert client.push_blob(server.host, name, data).status == 201
        assert client.push_manifest(server.host, name, sha256(manifest), manifest).status == 201
        expected = sorted([*expected, name])
        verify_catalog(server, expected)
        if number % 2:
            assert exchange(server.host, "DELETE", path).status == 202
            expected.remove(name)
            verify_catalog(server, expected)


def verify_catalog(server: LiveServer, expected: list[str]) -> None:
    for path, found in lists(server, "/v2/_catalog", "/v2/_catalog?n=1&last=faults/listed-1"):
        names = [name for name in expected if name > "faults/listed-1"][:1]
        assert found["repositories"] == (names if "?" in path else expected), path


def lists(server: LiveServer, *paths: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Each path as several connections have it, which are several workers', and twice."""
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(server.host)) for _ in range(6)]
        for path in (*paths, *paths):
            for connection in connections:
                connection.send(request("GET", path, server.host))
                yield path, json.loads(connection.answer().body)


def test_where_it_is_switched_off_nothing_is_remembered(tmp_path: Path) -> None:
    env = WORKERS | {"REGISTRY_REMEMBER_ANSWERS": "false"}
    with (
        empty_database() as url,
        LiveServer(tmp_path / "data", database_url=url, env=env) as server,
    ):
        assert not remembers(server)


def test_permissions_are_asked_for_each_time(tmp_path: Path) -> None:
    """What is remembered is what a repository holds, and not who may see it."""
    env = WORKERS | {"REGISTRY_ANONYMOUS_ACCESS": "pull"}
    with (
        empty_database() as url,
        LiveServer(tmp_path / "data", database_url=url, open_access=False, env=env) as server,
    ):
        server.manage("create_user", "grantee")
        secrets = {
            user: server.manage("create_token", "--user", user).split()[-1]
            for user in ("admin", "grantee")
        }
        admin = basic("admin", secrets["admin"])
        changes = Changes(REPOSITORY, server, headers=admin)
        changes.prepare()
        changes.round()
        path, digest = changes.moving.path, changes.moving.states[-1]
        everybody = Subject(path, (), (401, 404))
        grantee = Subject(path, basic("grantee", secrets["grantee"]), (404,))
        crowd = Crowd([everybody, grantee])

        def call(method: str, tail: str, body: dict[str, str] | None = None) -> bool:
            address = f"/api/v1/repositories/{REPOSITORY}{tail}"
            fields = (*admin, ("Content-Type", "application/json"))
            answer = exchange(
                server.host, method, address, fields, json.dumps(body).encode() if body else b""
            )
            assert answer.status in (200, 204), answer
            return True

        assert remembers(server, admin)
        with crowd.reading(server.host, each=4):
            for _ in range(ROUNDS // 2):
                grantee.change(digest, lambda: call("PUT", GRANT, {"role": "reader"}))
                crowd.look(server.host)
                grantee.change(ABSENT, lambda: call("DELETE", GRANT))
                crowd.look(server.host)
                everybody.states.append(digest)
                grantee.change(digest, lambda: call("PATCH", "", {"visibility": "public"}))
                everybody.acknowledged += 1
                crowd.look(server.host)
                everybody.states.append(ABSENT)
                grantee.change(ABSENT, lambda: call("PATCH", "", {"visibility": "private"}))
                everybody.acknowledged += 1
                crowd.look(server.host)
        print(f"{crowd.reads} reads, {4 * (ROUNDS // 2)} changes")
        assert crowd.stale == []
        assert crowd.reads > 1000


@several_hosts
def test_two_hosts_never_serve_what_the_other_has_changed(start: Start) -> None:
    first = start("first")
    changes, crowd = begin(first)
    with crowd.reading(first.host, each=4):
        hammer(changes, crowd, 10)
        assert remembers(first)
        second = start("second")  # while the first remembers
        changes.servers = [second]
        hammer(changes, crowd, 10)
        assert not remembers(first)
        changes.servers = [first, second]
        hammer(changes, crowd, 20)
        second.kill()
        changes.servers = [first]
        hammer(changes, crowd, 10)
        assert not remembers(first), "the second may only be cut off"
        let_time_pass(first)
        wait_for(lambda: remembers(first), seconds=10, what="a host that remembers again")
        hammer(changes, crowd, 10)
        second.start()  # with the identity that it had
        changes.servers = [second, first]
        hammer(changes, crowd, 10)
        assert not remembers(second)
    verdict(changes, crowd, first, second)


def let_time_pass(server: LiveServer) -> None:
    """Have every host's row be as old as one whose host is gone."""
    past = f"interval '{hosts.GONE_SECONDS + 1} seconds'"
    run_sql(server, f"UPDATE repositories_host SET seen_at = seen_at - {past}")


@several_hosts
def test_a_command_on_another_host_is_noticed(start: Start, tmp_path: Path) -> None:
    """It comes, changes something and goes, while nobody asks the server for anything."""
    server = start("one")
    changes, crowd = begin(server)
    changes.round()
    for _ in range(3):
        changes.round()
        changes.round()
        let_time_pass(server)
        wait_for(lambda: remembers(server), seconds=10, what="a host that remembers")
        with crowd.reading(server.host):
            time.sleep(0.5)
        server.manage(
            "shell", "-v", "0", "-c", DELETION, env={"REGISTRY_DATA": str(tmp_path / "x")}
        )
        changes.moving.states.append(ABSENT)
        changes.moving.acknowledged += 1
        crowd.look(server.host)
    print(f"{crowd.reads} reads")
    assert crowd.stale == []


DELETION = f"""
from repositories import tags
from repositories.access import ANONYMOUS
tags.delete(principal=ANONYMOUS, repository={REPOSITORY!r}, name="moving")
"""


@several_hosts
def test_lost_connections_and_rows_make_nobody_serve_the_past(start: Start) -> None:
    first, second = start("first"), start("second")
    changes = Changes(REPOSITORY, first, second)
    changes.prepare()
    crowd = Crowd(changes.subjects, tolerates_errors=True)
    with crowd.reading(first.host, second.host):
        for number in range(ROUNDS // 3):
            hammer(changes, crowd, 1)
            run_sql(first, KILL)
            if number % 4 == 0:
                run_sql(first, "DELETE FROM repositories_host")
    print(f"{crowd.reads} reads, {changes.made} changes, {crowd.errors} errors")
    assert crowd.stale == []
    assert crowd.reads > 1000


KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
