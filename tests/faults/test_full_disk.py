"""R5: no room for blobs, for the database, or for temporary files.

Who pushes is told so (507, or 503 where it is the database that has no room), in the registry's own
words, with Retry-After. Everybody goes on reading; as soon as there is room, pushes go on, too.
"""

from __future__ import annotations

import os
import pwd
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.badinput.bench import empty_database
from tests.badinput.corpus import sha256
from tests.badinput.wire import exchange
from tests.database import DATABASE
from tests.faults import client
from tests.faults.collecting import inspect
from tests.faults.ledger import GONE, Ledger
from tests.faults.load import Load
from tests.faults.outcome import Outcome
from tests.faults.scale import MARKS, either
from tests.faults.small_disk import SmallDisk, small_disk
from tests.live import LiveServer, wait_for
from tests.postgres import Cluster

pytestmark = MARKS

ROUNDS = either(1, 25)
REFUSALS = either(10, 24)  # in each round, at least
STAYS = "faults/stays"
BLOBS, THE_DATABASE = "blobs and temporary files", "the database"


@contextmanager
def server_on(disk: SmallDisk, what: str, tmp_path: Path) -> Iterator[LiveServer]:
    """A server that has this of its data on the disk, and the rest elsewhere."""
    blobs = str((disk.folder if what == BLOBS else tmp_path) / "storage")
    env = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": blobs}
    if what == BLOBS:
        env["TMPDIR"] = str(disk.folder)
    data = (disk.folder if what == THE_DATABASE else tmp_path) / "data"
    with ExitStack() as stack:
        if what == THE_DATABASE and DATABASE == "postgresql":
            url: str | None = stack.enter_context(database_on(disk))
        else:
            url = stack.enter_context(empty_database())
        server = LiveServer(data, database_url=url, env=env)
        server.log_path = tmp_path / "log"
        yield stack.enter_context(server)


@contextmanager
def database_on(disk: SmallDisk) -> Iterator[str]:
    """A database whose tables are there. The cluster's log of writes is not: without room for that
    PostgreSQL ends, and does not start again."""
    cluster = Cluster(durable=True)
    try:
        place = disk.folder / "tables"
        place.mkdir()
        if os.geteuid() == 0:
            os.chown(place, pwd.getpwnam("postgres").pw_uid, -1)
        yield cluster.create_database(folder=place)
    finally:
        cluster.stop()


def pushed(host: str, tag: str, ledger: Ledger) -> bytes:
    """An image that is pushed while there is room."""
    client.push_image(host, STAYS, tag, client.random_bytes(tag, 3_000), ledger)
    return client.image(client.random_bytes(tag, 3_000))


def others_go_on(host: str, tag: str, manifest: bytes, ledger: Ledger, *, can_delete: bool) -> None:
    """Reading, and deleting where the database has room for it."""
    path = f"/v2/{STAYS}/manifests/{tag}"
    assert exchange(host, "GET", path).body == manifest
    blob = exchange(host, "GET", f"/v2/{STAYS}/blobs/{sha256(client.CONFIG)}")
    assert blob.body == client.CONFIG
    if can_delete:
        ledger.attempt("tag", STAYS, tag, GONE)
        assert exchange(host, "DELETE", path).status == 202
        ledger.acknowledge("tag", STAYS, tag, GONE)


def replace_a_worker(server: LiveServer) -> None:
    """Kill one: another starts, although it can have no temporary file with anything in it."""
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    wait_for(
        lambda: before[0] not in (now := server.workers()) and len(now) == len(before),
        seconds=20,
        what="another worker",
    )


@pytest.mark.experiment("R5", "the disk is full")
@pytest.mark.parametrize("what", [BLOBS, THE_DATABASE])
def test_who_pushes_is_told_and_goes_on_later(
    tmp_path: Path, ledger: Ledger, outcome: Outcome, what: str
) -> None:
    outcome.what = f"no room for {what}"
    lots = random.Random(what)
    with (
        small_disk(megabytes=64) as disk,
        server_on(disk, what, tmp_path) as server,
    ):
        load = Load(server.host, ledger)
        with load.running():
            for number in range(ROUNDS):
                load.wait_for_progress()
                tag = f"round-{number}"
                manifest = pushed(server.host, tag, ledger)
                with disk.full(but_for=lots.choice((0, 0, 3_000, 20_000))):
                    load.wait_for_faults(REFUSALS)
                    others_go_on(server.host, tag, manifest, ledger, can_delete=what == BLOBS)
                    if what == BLOBS:
                        replace_a_worker(server)
            load.wait_for_progress()
        refusals = load.met["503"] + load.met["507"]
        cut = load.faults - refusals  # what a killed worker had in hand
        assert load.met["503" if what == BLOBS else "507"] == 0
        assert what == BLOBS or cut == 0
        outcome.faults = refusals
        outcome.notes = {"times full": ROUNDS, **load.met, **load.done}
        outcome.judge(server, ledger.entries())
        found = inspect(server)
        assert found["lost"] == []
        assert len(found["abandoned"]) <= cut, "a refused push left bytes behind"
