"""Clients that push, pull and delete while something breaks, and try again as clients do.

Each has tags of its own, so that it knows what they must be. A connection that was refused or cut,
and a 503 or 507 that is the registry's own, are a reason to try again. Anything else that it did
not expect is wrong.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.badinput.corpus import sha256
from tests.badinput.wire import Answer, Headers, NoAnswer, exchange, path_of
from tests.faults import client
from tests.faults.ledger import GONE, Ledger
from tests.live import wait_for

TAGS = 4  # of each client
PAUSE = 0.03  # seconds before the next attempt
PATIENCE = 600  # seconds
UNAVAILABLE = {503, 507}


class _Over(Exception):
    """The load has ended while a client was trying again."""


class Load:
    """Some clients of one server; what they met, and what they got done."""

    def __init__(self, host: str, ledger: Ledger, *, clients: int = 6) -> None:
        self.host = host
        self.ledger = ledger
        self.clients = clients
        self.met: Counter[str] = Counter()  # faults, by how they looked
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Meanwhile, all clients are at work. Afterwards: nothing was wrong."""
        with ThreadPoolExecutor(self.clients) as pool:
            clients = [pool.submit(self._work, number) for number in range(self.clients)]
            try:
                yield
            finally:
                self._stop.set()
            for each in clients:
                each.result(60)
        assert self.wrong == []

    @property
    def faults(self) -> int:
        """How many requests met one."""
        return self.met.total()

    def wait_for_progress(self, operations: int = 1) -> None:
        """Until every client, on average, has got so many operations more done."""
        self._wait(self.done, operations * self.clients, "operations")

    def wait_for_faults(self, number: int = 1) -> None:
        """Until the clients have met so many more."""
        self._wait(self.met, number, "faults")

    def _wait(self, counter: Counter[str], more: int, what: str) -> None:
        wanted = counter.total() + more
        wait_for(
            lambda: counter.total() >= wanted or bool(self.wrong),
            seconds=PATIENCE,
            what=f"{more} more {what}",
        )

    def _count(self, counter: Counter[str], what: str) -> None:
        with self._lock:
            counter[what] += 1

    def _work(self, number: int) -> None:
        repository = f"faults/load-{number}"
        lots, turn = random.Random(number), 0
        try:
            while not self._stop.is_set() and not self.wrong:
                turn += 1
                tag = f"t{turn % TAGS}"
                if turn > TAGS and turn % 5 == 0:
                    self._delete(repository, tag)
                else:
                    self._push(repository, tag, client.random_bytes((number, turn), 3_000), lots)
        except _Over:
            pass

    def _push(self, repository: str, tag: str, layer: bytes, lots: random.Random) -> None:
        for data in (client.CONFIG, layer):
            digest = sha256(data)
            self.ledger.attempt("blob", repository, digest)
            self._push_blob(repository, data, in_steps=lots.random() < 0.5)
            self.ledger.acknowledge("blob", repository, digest)
            self._count(self.done, "blobs")
        manifest = client.image(layer)
        digest = sha256(manifest)
        path = f"/v2/{repository}/manifests/{tag}"
        self.ledger.attempt("manifest", repository, digest)
        self.ledger.attempt("tag", repository, tag, digest)
        self._ask("PUT", path, client.IMAGE, manifest, good={201})
        self.ledger.acknowledge("manifest", repository, digest)
        self.ledger.acknowledge("tag", repository, tag, digest)
        self._count(self.done, "images")
        if self._ask("GET", path, good={200}).body != manifest:
            self.wrong.append(f"GET {path} is not what was just pushed")
        self._count(self.done, "pulls")

    def _push_blob(self, repository: str, data: bytes, *, in_steps: bool) -> None:
        """In one request, or in three; what came to grief in three is pushed anew in one."""
        uploads = f"/v2/{repository}/blobs/uploads/"
        if in_steps and (opened := self._try("POST", uploads, good={202})):
            upload = path_of(opened.header("location"))
            sent = self._try("PATCH", upload, client.OCTETS, data, good={202})
            ending = client.with_digest(upload, sha256(data))
            if sent and self._try("PUT", ending, client.OCTETS, good={201}):
                return
        path = f"{uploads}?digest={sha256(data)}"
        self._ask("POST", path, client.OCTETS, data, good={201})

    def _delete(self, repository: str, tag: str) -> None:
        self.ledger.attempt("tag", repository, tag, GONE)
        path = f"/v2/{repository}/manifests/{tag}"
        # It may have been deleted although the answer was lost.
        if not self._try("DELETE", path, good={202}):
            self._ask("DELETE", path, good={202, 404})
        self.ledger.acknowledge("tag", repository, tag, GONE)
        self._count(self.done, "deletes")

    def _ask(
        self, method: str, path: str, headers: Headers = (), body: bytes = b"", *, good: set[int]
    ) -> Answer:
        """Ask until there is an answer to this."""
        while True:
            answer = self._try(method, path, headers, body, good=good)
            if answer is not None:
                return answer
            if self.wrong or self._stop.wait(PAUSE):
                raise _Over

    def _try(
        self, method: str, path: str, headers: Headers = (), body: bytes = b"", *, good: set[int]
    ) -> Answer | None:
        """Ask once; None if that met a fault."""
        try:
            answer = exchange(self.host, method, path, headers, body)
        except NoAnswer:
            self._count(self.met, "cut")
            return None
        except OSError as error:
            self._count(self.met, type(error).__name__)
            return None
        if answer.status in UNAVAILABLE and is_own(answer):
            self._count(self.met, str(answer.status))
            return None
        if answer.status not in good:
            self.wrong.append(f"{method} {path}: {answer}")
            raise _Over
        return answer


def is_own(answer: Answer) -> bool:
    """Whether an error is told in the registry's words, and says when to come back."""
    is_json = answer.header("content-type").startswith("application/json")
    return is_json and answer.header("retry-after").isdecimal()
