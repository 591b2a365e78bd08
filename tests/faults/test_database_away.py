"""R7, R8, R9: PostgreSQL refuses, hangs, has no connection to spare, crashes, or commits unheard.

Clients get 503 in the registry's own words, try again, and get everything done. Berth is never
restarted, and its log has no traceback.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import psycopg
import pytest

from tests.badinput.corpus import sha256
from tests.badinput.wire import Answer, exchange
from tests.database import DATABASE
from tests.faults import client
from tests.faults.collecting import inspect
from tests.faults.ledger import GONE, Ledger
from tests.faults.load import Load
from tests.faults.outcome import Outcome
from tests.faults.proxy import Proxy
from tests.faults.scale import LONG, MARKS, either
from tests.faults.tracing import missing
from tests.live import LiveServer
from tests.postgres import Cluster

pytestmark = [
    *MARKS,
    pytest.mark.skipif(DATABASE != "postgresql", reason="SQLite is in the same process"),
]

TIMES_AWAY = either(1, 10)
REFUSALS = either(10, 30)  # each time, at least
CRASHES = either(1, 20)
CUTS = either(10, 300)
# Not a superuser's, whose connections nobody limits.
ROLE = "app"
WAYS = ("--sport", "--dport")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of our own, to be crashed, that keeps what it has committed."""
    cluster = Cluster(durable=True)
    try:
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {ROLE} LOGIN".encode())
        yield cluster
    finally:
        cluster.stop()


@dataclass
class Away:
    """A server, what is between it and its database, and that."""

    server: LiveServer
    proxy: Proxy
    cluster: Cluster

    def limit(self, connections: int) -> None:
        """Give the registry so many connections and no more, from now on."""
        with psycopg.connect(self.cluster.url, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT {connections}".encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [ROLE]
            )


@pytest.fixture(scope="module")
def away(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    """One for all tests: whatever happens, it is never restarted."""
    owned = cluster.create_database()
    with psycopg.connect(owned, autocommit=True) as connection:
        connection.execute(f"GRANT ALL ON SCHEMA public TO {ROLE}".encode())
    with Proxy(owned.replace("berth@", f"{ROLE}@")).running() as proxy:
        server = LiveServer(tmp_path_factory.mktemp("away") / "data", database_url=proxy.url)
        with server:
            workers = server.workers()
            yield Away(server, proxy, cluster)
            assert server.workers() == workers


def finish(away: Away, load: Load, ledger: Ledger, outcome: Outcome) -> None:
    """Nobody was told anything but 503, and all is well again."""
    assert set(load.met) == {"503"}
    again = Load(away.server.host, ledger)
    with again.running():
        again.wait_for_progress(2)
    assert again.faults == 0, again.met
    outcome.notes |= {**load.met, **load.done}
    outcome.judge(away.server, ledger.entries())
    assert inspect(away.server)["lost"] == []


@pytest.mark.experiment("R7", "the database refuses connections and cuts those that are open")
def test_a_database_that_refuses_is_503(away: Away, ledger: Ledger, outcome: Outcome) -> None:
    load = Load(away.server.host, ledger)
    with load.running():
        for _ in range(TIMES_AWAY):
            load.wait_for_progress()
            away.proxy.refuse()
            load.wait_for_faults(REFUSALS)
            away.proxy.resume()
        load.wait_for_progress()
    outcome.faults = load.faults
    finish(away, load, ledger, outcome)


@pytest.mark.experiment("R7", "the database takes connections, and says nothing")
def test_a_database_that_hangs_is_503(away: Away, ledger: Ledger, outcome: Outcome) -> None:
    load = Load(away.server.host, ledger)
    with load.running():
        for _ in range(either(1, 5)):
            load.wait_for_progress()
            away.proxy.refuse()
            away.proxy.hang()
            load.wait_for_faults(2 * load.clients)  # those that were cut, and some that were not
            away.proxy.resume()
        load.wait_for_progress()
    outcome.faults = load.faults
    finish(away, load, ledger, outcome)


@pytest.mark.skipif(not LONG, reason="it takes half a minute: make faults")
@pytest.mark.experiment("R7", "the database's host is gone without a word")
def test_a_database_whose_host_is_gone_is_503(away: Away, ledger: Ledger, outcome: Outcome) -> None:
    """Nothing is refused or cut: no packet comes through in either direction."""
    load = Load(away.server.host, ledger)
    with load.running():
        for _ in range(3):
            load.wait_for_progress()
            with no_packets(away.proxy.port):
                load.wait_for_faults(load.clients)
        load.wait_for_progress()
    outcome.faults = load.faults
    finish(away, load, ledger, outcome)


@contextmanager
def no_packets(port: int) -> Iterator[None]:
    """On loopback, to and from the port."""
    rules = [["INPUT", "-i", "lo", "-p", "tcp", way, str(port), "-j", "DROP"] for way in WAYS]
    try:
        for rule in rules:
            done = subprocess.run(["iptables", "-I", *rule], capture_output=True, text=True)
            if done.returncode:
                missing(f"packets may not be dropped here: {done.stderr.strip()}")
        yield
    except FileNotFoundError:
        missing("there is no iptables on PATH")
    finally:
        for rule in rules:
            with suppress(FileNotFoundError):
                subprocess.run(["iptables", "-D", *rule], capture_output=True)


@pytest.mark.experiment("R7", "no connection to spare")
def test_too_few_connections_are_503(away: Away, ledger: Ledger, outcome: Outcome) -> None:
    load = Load(away.server.host, ledger)
    with load.running():
        for _ in range(TIMES_AWAY):
            load.wait_for_progress()
            away.limit(2)
            load.wait_for_faults(REFUSALS)
            away.limit(-1)
        load.wait_for_progress()
    outcome.faults = load.faults
    finish(away, load, ledger, outcome)


@pytest.mark.experiment("R8", "the database crashes and recovers")
def test_a_database_that_crashes_loses_no_one_anything(
    away: Away, ledger: Ledger, outcome: Outcome
) -> None:
    load = Load(away.server.host, ledger)
    late = 0
    with load.running():
        for _ in range(CRASHES):
            load.wait_for_progress(2)
            away.cluster.restart("immediate")
            time.sleep(0.1)  # who was told no just before it was back
            before = load.faults
            load.wait_for_progress(2)
            late += load.faults - before
    outcome.faults = CRASHES
    outcome.notes = {"requests that failed when it was back": late}
    assert late <= CRASHES * load.clients
    finish(away, load, ledger, outcome)


@pytest.mark.experiment("R9", "the connection is cut after COMMIT, before anybody hears of it")
def test_what_was_committed_unheard_can_be_done_again(
    away: Away, ledger: Ledger, outcome: Outcome
) -> None:
    load = Load(away.server.host, ledger)
    before = away.proxy.cuts
    with load.running():
        for _ in range(CUTS):
            away.proxy.cut_a_commit()
        load.wait_for_progress()
    outcome.faults = away.proxy.cuts - before
    finish(away, load, ledger, outcome)


def cut_off(proxy: Proxy, ask: Callable[[], Answer]) -> Answer:
    """The answer to a request whose COMMIT was heard by the database alone.

    Pulls are counted every few seconds: a cut may hit that COMMIT, and the request goes through.
    """
    for _ in range(5):
        proxy.to_cut, cuts = 1, proxy.cuts
        answer = ask()
        if answer.status not in (201, 202):
            break
        assert proxy.cuts == cuts + 1
    return answer


@pytest.mark.experiment("R9", "a connection cut after COMMIT")
@pytest.mark.parametrize("times", [1, 2])
def test_a_request_that_was_committed_unheard_is_answered_when_it_comes_again(
    away: Away, ledger: Ledger, outcome: Outcome, times: int
) -> None:
    """However often its answer is lost; and it is done once."""
    outcome.what += f", for the same request{' again' * (times - 1)}"
    host, proxy, before = away.server.host, away.proxy, away.proxy.cuts
    repository, layer, other = f"faults/unheard-{times}", b"a layer", f"unheard {times}".encode()
    for data in (client.CONFIG, layer):
        assert client.push_blob(host, repository, data).status == 201
    manifest = client.image(layer)
    tag = f"/v2/{repository}/manifests/tag"
    blob = f"/v2/{repository}/blobs/uploads/?digest={sha256(other)}"
    mount = f"/v2/{repository}/mounted/blobs/uploads/?mount={sha256(layer)}&from={repository}"
    for method, path, headers, body, good in (
        ("POST", blob, client.OCTETS, other, 201),
        ("POST", mount, (), b"", 201),
        ("PUT", tag, client.IMAGE, manifest, 201),
        ("DELETE", tag, (), b"", 404),  # it is gone, whoever did it
    ):
        for _ in range(times):
            answer = cut_off(proxy, partial(exchange, host, method, path, headers, body))
            if answer.status == good == 404:
                break
            assert answer.status == 503, (method, path, answer)
        proxy.to_cut = 0
        assert exchange(host, method, path, headers, body).status == good
    outcome.faults = proxy.cuts - before
    ledger.acknowledge("blob", repository, sha256(other))
    ledger.acknowledge("manifest", repository, sha256(manifest))
    ledger.acknowledge("tag", repository, "tag", GONE)
    outcome.judge(away.server, ledger.entries())
