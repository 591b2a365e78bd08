"""Readers that hammer a server while others change what they read, and nobody may see the past.

A subject has states, one after another. A reader notes which was acknowledged last before it asks,
and which was attempted last when it has the answer: what it sees must be one from there to there.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import psycopg

from tests.badinput.corpus import OCI_IMAGE, sha256
from tests.badinput.wire import Answer, Connection, Headers, NoAnswer, exchange, request
from tests.faults import client
from tests.live import LiveServer

ABSENT = ""
LAYER = b"a layer"
# Connections are a worker's own: after so many requests another may take the next.
IN_A_ROW = 40


@dataclass
class Subject:
    """What is read at `path`: the ETag's digest, or ABSENT."""

    path: str
    headers: Headers = ()
    refusals: tuple[int, ...] = (404,)
    states: list[str] = field(default_factory=lambda: [ABSENT])
    acknowledged: int = 0

    def change(self, state: str, attempt: Callable[[], bool]) -> None:
        """Bring about the next state, if need be in several attempts."""
        self.states.append(state)
        while not attempt():
            time.sleep(0.05)
        self.acknowledged = len(self.states) - 1

    def seen(self, answer: Answer) -> str:
        if answer.status in self.refusals:
            return ABSENT
        assert answer.status == 200, answer
        return answer.header("etag").strip('"')


class Crowd:
    """Readers of some subjects, and what they have found."""

    def __init__(self, subjects: list[Subject], *, tolerates_errors: bool = False) -> None:
        self.subjects = subjects
        self.stale: list[str] = []
        self.reads = self.errors = 0
        self._tolerates_errors = tolerates_errors
        self._lock = threading.Lock()
        self._stop = threading.Event()

    @contextmanager
    def reading(self, *hosts: str, each: int = 3) -> Iterator[None]:
        """Meanwhile, `each` readers of each host read all subjects in turn."""
        with ThreadPoolExecutor(each * len(hosts)) as pool:
            readers = [pool.submit(self._read_on, host) for host in hosts for _ in range(each)]
            try:
                yield
            finally:
                self._stop.set()
            for reader in readers:
                reader.result(60)
        self._stop.clear()

    def look(self, *hosts: str) -> None:
        """Read each subject now, on several connections: whatever was acknowledged is there."""
        for host in hosts:
            for _ in range(4):
                with suppress(NoAnswer, OSError), Connection(host) as connection:
                    for subject in self.subjects:
                        self._read(connection, host, subject)

    def _read_on(self, host: str) -> None:
        while not self._stop.is_set():
            with suppress(NoAnswer, OSError), Connection(host) as connection:
                for _ in range(IN_A_ROW):
                    for subject in self.subjects:
                        self._read(connection, host, subject)

    def _read(self, connection: Connection, host: str, subject: Subject) -> None:
        method = "HEAD" if self.reads % 2 else "GET"
        least = subject.acknowledged
        connection.send(request(method, subject.path, host, subject.headers))
        answer = connection.answer(head=method == "HEAD")
        most = len(subject.states) - 1
        is_error = answer.status >= 500 and self._tolerates_errors
        if not is_error:
            seen, possible = subject.seen(answer), subject.states[least : most + 1]
            if seen not in possible:
                self.stale.append(f"{host}{subject.path}: {seen!r}, not {possible}")
        with self._lock:
            self.reads += 1
            self.errors += is_error


class Changes:
    """Changes of one repository, at any of several servers; each is made until it is answered."""

    def __init__(self, repository: str, *servers: LiveServer, headers: Headers = ()) -> None:
        self.repository = repository
        self.servers = list(servers)
        self.made = 0
        self._headers = headers
        self._count = count()
        base = f"/v2/{repository}"
        self._manifest = client.image(LAYER, annotations={"comes": "and goes"})
        self._blob = b"a blob that comes and goes"
        self.moving = Subject(f"{base}/manifests/moving")
        self.fleeting = Subject(f"{base}/manifests/fleeting")
        self.manifest = Subject(f"{base}/manifests/{sha256(self._manifest)}")
        self.blob = Subject(f"{base}/blobs/{sha256(self._blob)}")
        self.subjects = [self.moving, self.fleeting, self.manifest, self.blob]

    def prepare(self) -> None:
        for data in (client.CONFIG, LAYER):
            assert self._push_blob(data)

    def round(self) -> None:
        """One more state of everything."""
        number = next(self._count)
        image = client.image(LAYER, annotations={"number": str(number)})
        self._change(self.moving, sha256(image), lambda: self._put("moving", image))
        for subject, reference, data in (
            (self.fleeting, "fleeting", image),
            (self.manifest, sha256(self._manifest), self._manifest),
        ):
            if number % 2:
                self._change(subject, ABSENT, partial(self._delete, subject.path))
            else:
                state = sha256(data)
                self._change(subject, state, partial(self._put, reference, data))
        if number % 2:
            self._change(self.blob, ABSENT, lambda: self._delete(self.blob.path))
        else:
            self._change(self.blob, sha256(self._blob), lambda: self._push_blob(self._blob))

    def _change(self, subject: Subject, state: str, attempt: Callable[[], bool]) -> None:
        subject.change(state, attempt)
        self.made += 1

    def _ask(self, method: str, path: str, headers: Headers = (), body: bytes = b"") -> int:
        host = self.servers[self.made % len(self.servers)].host
        try:
            return exchange(host, method, path, (*self._headers, *headers), body).status
        except (NoAnswer, OSError):
            return 503

    def _put(self, reference: str, data: bytes) -> bool:
        path = f"/v2/{self.repository}/manifests/{reference}"
        return self._done(self._ask("PUT", path, (("Content-Type", OCI_IMAGE),), data), 201)

    def _push_blob(self, data: bytes) -> bool:
        path = f"/v2/{self.repository}/blobs/uploads/?digest={sha256(data)}"
        return self._done(self._ask("POST", path, client.OCTETS, data), 201)

    def _delete(self, path: str) -> bool:
        return self._done(self._ask("DELETE", path), 202, 404)

    @staticmethod
    def _done(status: int, *good: int) -> bool:
        assert status in good or status >= 500, status
        return status in good


def basic(user: str, secret: str) -> Headers:
    return (("Authorization", "Basic " + b64encode(f"{user}:{secret}".encode()).decode()),)


def remembers(server: LiveServer, headers: Headers = ()) -> bool:
    """Whether the server answers from memory: does it miss what is changed behind its back?"""
    repository = "witness/app"
    changes = Changes(repository, server, headers=headers)
    changes.prepare()
    image = client.image(LAYER)
    tag = f"seen-{time.monotonic_ns()}"
    assert changes._put(tag, image)
    path = f"/v2/{repository}/manifests/{tag}"
    for _ in range(40):
        assert exchange(server.host, "HEAD", path, headers).status == 200
    run_sql(server, f"DELETE FROM repositories_tag WHERE name = '{tag}'")
    return any(exchange(server.host, "HEAD", path, headers).status == 200 for _ in range(20))


def run_sql(server: LiveServer, statement: str) -> None:
    """A statement past the server, in its database."""
    if server.database_url:
        with psycopg.connect(server.database_url, autocommit=True) as connection:
            connection.execute(statement.encode())
        return
    lite = sqlite3.connect(server.data / "berth.sqlite3", timeout=30)
    with lite:
        lite.execute(statement)
    lite.close()
