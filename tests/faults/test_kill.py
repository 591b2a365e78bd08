"""R1: the server is killed at any moment of many uploads. Each goes on where the disk says it is.

Ten at a time are in flight, each as one chunked stream, many PATCHes, or one PUT. Each comes as far
as its lot has it, from nothing to all of it, and waits for the others; then all go on, and within
milliseconds the kill finds writes, syncs and publishing under way. Beside them somebody pushes
whole images.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from tests.badinput.corpus import sha256
from tests.badinput.wire import Connection, NoAnswer, exchange, request
from tests.faults import client, verify
from tests.faults.ledger import Ledger
from tests.faults.outcome import Outcome
from tests.faults.scale import MARKS, either
from tests.live import LiveServer, wait_for

pytestmark = MARKS

ROUNDS = either(10, 24)
AT_ONCE = 10
PIECE = 16 * 1024
REPOSITORY = "faults/kill"
GONE = (OSError, NoAnswer)
STYLES = ("stream", "patches", "put")


@dataclass
class Upload:
    """One upload and how far it comes before it waits for the others."""

    data: bytes
    style: str
    waits_at: int
    start: threading.Event  # set when all are where they shall be
    path: str = ""
    is_acknowledged: bool = False
    is_there: threading.Event = field(default_factory=threading.Event)
    error: str = ""

    @property
    def digest(self) -> str:
        return sha256(self.data)

    def run(self, host: str, ledger: Ledger) -> None:
        """Push until the server goes away, or until it is done."""
        try:
            self.path = client.open_upload(host, REPOSITORY)
            if self.style == "patches":
                self._patches(host)
            else:
                self._stream(host)
            if self.style != "put":
                answer = client.finish(host, self.path, self.digest)
                assert answer.status == 201, answer
            ledger.acknowledge("blob", REPOSITORY, self.digest)
            self.is_acknowledged = True
        except GONE:
            pass  # what this test is about
        except AssertionError as error:
            self.error = str(error)
        finally:
            self.is_there.set()

    def _pieces(self) -> list[bytes]:
        return [self.data[start : start + PIECE] for start in range(0, len(self.data), PIECE)]

    def _after_piece(self, sent: int) -> None:
        if sent >= self.waits_at:
            self.is_there.set()
            self.start.wait(30)

    def _patches(self, host: str) -> None:
        self._after_piece(0)
        for number, piece in enumerate(self._pieces()):
            answer = client.patch(host, self.path, piece, number * PIECE)
            assert answer.status == 202, answer
            self._after_piece((number + 1) * PIECE)

    def _stream(self, host: str) -> None:
        """All in one request: a chunked PATCH, or the closing PUT."""
        is_put = self.style == "put"
        target = client.with_digest(self.path, self.digest) if is_put else self.path
        size = ("Content-Length", str(len(self.data)))
        framing = size if is_put else ("Transfer-Encoding", "chunked")
        with Connection(host) as connection:
            head = request("PUT" if is_put else "PATCH", target, host, (*client.OCTETS, framing))
            send(connection, head)
            self._after_piece(0)
            for number, piece in enumerate(self._pieces()):
                framed = piece if is_put else b"%x\r\n%b\r\n" % (len(piece), piece)
                send(connection, framed)
                self._after_piece((number + 1) * PIECE)
            send(connection, b"" if is_put else b"0\r\n\r\n")
            answer = connection.answer()
            assert answer.status == (201 if is_put else 202), answer


def send(connection: Connection, data: bytes) -> None:
    if not connection.send(data):
        raise NoAnswer("the server is gone")


def uploads_of(number: int, lots: random.Random, start: threading.Event) -> list[Upload]:
    """Ten uploads, of which one has hardly begun and one is nearly published."""
    shares = [0.0, 1.0, *(lots.random() for _ in range(AT_ONCE - 2))]
    uploads = []
    for place, share in enumerate(shares):
        size = lots.randrange(200_000, 1_500_000)
        data = client.random_bytes((number, place), size)
        uploads.append(Upload(data, lots.choice(STYLES), int(share * size), start))
    return uploads


def push_images(host: str, label: int, ledger: Ledger, over: threading.Event) -> None:
    """Push images over one tag until the server is gone, or the round is over."""
    number = 0
    with suppress(*GONE):
        while not over.is_set():
            client.push_image(host, REPOSITORY, "moving", f"{label} {number}".encode(), ledger)
            number += 1


def kill(server: LiveServer, *, workers_only: bool) -> None:
    """SIGKILL to the workers, which the server replaces, or to everything, and start it again."""
    if not workers_only:
        server.kill()
        server.start()
        return
    killed = server.workers()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: len(new := server.workers()) == len(killed) and not set(new) & set(killed),
        seconds=20,
        what="new workers",
    )


def resume(server: LiveServer, upload: Upload, ledger: Ledger) -> str:
    """Go on where the status says that the upload is; returns what was found."""
    answer = client.status(server.host, upload.path)
    if answer.status == 404:
        # Published, and the answer lost with the server.
        blob = exchange(server.host, "HEAD", f"/v2/{REPOSITORY}/blobs/{upload.digest}")
        assert blob.status == 200, f"{upload.style}: the session is lost and nothing published"
        return "published"
    assert answer.status == 204, answer
    on_disk = verify.uploads(server.data).get(upload.path.rpartition("/")[2], 0)
    start = client.held(answer)
    assert start == on_disk
    if start < len(upload.data):
        answer = client.patch(server.host, upload.path, upload.data[start:], start)
        assert answer.status == 202, answer
    answer = client.finish(server.host, upload.path, upload.digest)
    assert answer.status == 201, answer
    ledger.acknowledge("blob", REPOSITORY, upload.digest)
    return "resumed" if start else "begun anew"


def play(server: LiveServer, number: int, lots: random.Random, ledger: Ledger) -> list[Upload]:
    """One round: ten uploads and a kill in the midst of them."""
    start, over = threading.Event(), threading.Event()
    uploads = uploads_of(number, lots, start)
    threads = [
        threading.Thread(target=upload.run, args=(server.host, ledger)) for upload in uploads
    ]
    images = (server.host, number, ledger, over)
    threads.append(threading.Thread(target=push_images, args=images))
    for thread in threads:
        thread.start()
    for upload in uploads:
        assert upload.is_there.wait(30)
    start.set()
    time.sleep(lots.uniform(0, 0.03))
    kill(server, workers_only=number % 2 == 1)
    over.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert [upload.error for upload in uploads if upload.error] == []
    return uploads


@pytest.mark.experiment("R1", "killed in the midst of uploads")
def test_uploads_go_on_after_the_server_is_killed(
    server: LiveServer, ledger: Ledger, outcome: Outcome
) -> None:
    lots = random.Random(20_261_124)
    found: Counter[str] = Counter()
    for number in range(ROUNDS):
        for upload in play(server, number, lots, ledger):
            how = "done" if upload.is_acknowledged else "not begun"
            if upload.path and not upload.is_acknowledged:
                how = resume(server, upload, ledger)
            found[how] += 1
    outcome.faults = found.total() - found["done"]
    outcome.notes = {"kills": ROUNDS, **found}
    assert found["resumed"] > 3 * ROUNDS, "the kills came at the wrong moments to show anything"
    outcome.judge(server, ledger.entries())
