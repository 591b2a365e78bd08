"""R14, R15, R16: many who want the same at once. Nobody's bytes are mixed, nobody is told wrong."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pytest

from tests.badinput.bench import empty_database
from tests.badinput.corpus import sha256
from tests.badinput.wire import Answer, Connection, exchange, request
from tests.faults import client, verify
from tests.faults.ledger import Ledger
from tests.faults.outcome import Outcome
from tests.faults.scale import MARKS, either
from tests.live import LiveServer, wait_for

pytestmark = MARKS

REPOSITORY = "faults/races"
MIB = 1 << 20
T = TypeVar("T")
REFUSALS = {409, 416}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One for all: a race harms nobody else."""
    folder = tmp_path_factory.mktemp("races")
    with empty_database() as url, LiveServer(folder / "data", database_url=url) as live:
        yield live


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Run all jobs from one starting line; their results in order."""
    line = threading.Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T:
        line.wait(30)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def in_flight(server: LiveServer, upload: str) -> int:
    return verify.uploads(server.data).get(upload.rpartition("/")[2], 0)


def on_disk(server: LiveServer, upload: str) -> bytes:
    return (server.data / verify.UPLOADS / upload.rpartition("/")[2]).read_bytes()


@pytest.mark.experiment("R15", "two chunks for one place of an upload")
@pytest.mark.parametrize("size", [100, 100_000, 5 * MIB])
def test_of_two_chunks_for_one_place_one_is_taken(
    server: LiveServer, outcome: Outcome, size: int
) -> None:
    outcome.what += f", {size:,} bytes"
    outcome.faults = either(8, 60)
    for number in range(outcome.faults):
        upload = client.open_upload(server.host, REPOSITORY)
        chunks = [client.random_bytes((number, who), size) for who in ("one", "other")]
        answers = at_once(
            [partial(client.patch, server.host, upload, chunk, 0) for chunk in chunks]
        )
        statuses = [answer.status for answer in answers]
        assert statuses.count(202) == 1, statuses
        assert set(statuses) - {202} <= REFUSALS, statuses
        winner = chunks[statuses.index(202)]
        assert on_disk(server, upload) == winner
        assert client.held(client.status(server.host, upload)) == size
        answer = client.finish(server.host, upload, sha256(winner))
        assert answer.status == 201, answer
        outcome.acknowledged += 2
    outcome.check(verify.misnamed(server.data), server)


def test_chunks_without_a_place_come_one_after_the_other(server: LiveServer) -> None:
    """Without Content-Range both may be taken; then one stands whole behind the other."""
    for number in range(8):
        upload = client.open_upload(server.host, REPOSITORY)
        one, other = (client.random_bytes((number, who), 2 * MIB) for who in ("one", "other"))
        answers = at_once(
            [partial(client.patch, server.host, upload, chunk) for chunk in (one, other)]
        )
        statuses = [answer.status for answer in answers]
        assert set(statuses) <= {202} | REFUSALS, statuses
        taken = [chunk for chunk, code in zip((one, other), statuses, strict=True) if code == 202]
        possible = {b"".join(taken), b"".join(reversed(taken))}
        assert taken
        assert on_disk(server, upload) in possible


def test_a_chunk_is_refused_while_another_is_being_written(server: LiveServer) -> None:
    """The other one waits in the middle of its body for longer than anyone would wait for it."""
    upload = client.open_upload(server.host, REPOSITORY)
    data = client.random_bytes("slow", 2 * MIB)
    fields = (*client.OCTETS, ("Content-Length", str(len(data))))
    with Connection(server.host) as connection:
        connection.send(request("PATCH", upload, server.host, fields, data[:MIB]))
        wait_for(lambda: in_flight(server, upload) > 0, seconds=10, what="the first bytes")
        answer = client.patch(server.host, upload, b"intruder", 0)
        assert answer.status in REFUSALS, answer
        closing = client.finish(server.host, upload, sha256(b""))
        assert closing.status in REFUSALS | {400}, closing
        connection.send(data[MIB:])
        assert connection.answer().status == 202
    assert on_disk(server, upload) == data
    assert client.finish(server.host, upload, sha256(data)).status == 201


def test_of_four_closing_puts_one_publishes(server: LiveServer) -> None:
    for number in range(40):
        data = client.random_bytes(("closing", number), 300_000)
        upload = client.open_upload(server.host, REPOSITORY)
        assert client.patch(server.host, upload, data, 0).status == 202
        statuses = [
            answer.status
            for answer in at_once(
                [partial(client.finish, server.host, upload, sha256(data)) for _ in range(4)]
            )
        ]
        assert statuses.count(201) == 1, statuses
        assert set(statuses) - {201} <= {404} | REFUSALS, statuses
        pulled = exchange(server.host, "GET", f"/v2/{REPOSITORY}/blobs/{sha256(data)}")
        assert pulled.body == data


def test_a_chunk_beside_the_closing_put_comes_before_it_or_too_late(server: LiveServer) -> None:
    """Never is it acknowledged and in no blob: a session that is published takes nothing more."""
    before = verify.uploads(server.data)
    for number in range(40):
        data = client.random_bytes(("late", number), 300_000)
        upload = client.open_upload(server.host, REPOSITORY)
        assert client.patch(server.host, upload, data, 0).status == 202
        chunk, closing = at_once(
            [
                partial(client.patch, server.host, upload, b"late"),
                partial(client.finish, server.host, upload, sha256(data)),
            ]
        )
        # Either the chunk was first, and the whole is another blob than was announced …
        came_first = closing.status == 400 and chunk.status in {202} | REFUSALS
        # … or it was too late.
        came_late = closing.status == 201 and chunk.status in {404} | REFUSALS
        assert came_first or came_late, f"PATCH {chunk.status}, PUT {closing.status}"
    assert verify.uploads(server.data) == before


def push_in_steps(host: str, data: bytes, digest: str) -> Answer:
    """POST, PATCH, PUT."""
    upload = client.open_upload(host, REPOSITORY)
    answer = client.patch(host, upload, data)
    assert answer.status == 202, answer
    return client.finish(host, upload, digest)


@pytest.mark.experiment("R14", "32 uploads of one blob, one of them corrupt")
@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_of_32_uploads_of_one_blob_only_the_corrupt_one_fails(
    server: LiveServer, outcome: Outcome, size: int
) -> None:
    outcome.what += f", {size:,} bytes"
    for number in range(either(1, 10)):
        upload_32(server, client.random_bytes(("the blob", number), size))
        outcome.faults += 1
        outcome.acknowledged += 31
    outcome.check(verify.misnamed(server.data), server)


def upload_32(server: LiveServer, data: bytes) -> None:
    before, in_flight_before = verify.published(server.data), verify.uploads(server.data)
    corrupt = data[:-1] + bytes([data[-1] ^ 1])
    jobs: list[Callable[[], Answer]] = []
    for number in range(32):
        push = push_in_steps if number % 2 else push_whole
        sent = corrupt if number == 13 else data
        jobs.append(partial(push, server.host, sent, sha256(data)))
    statuses = [answer.status for answer in at_once(jobs)]
    assert statuses[13] == 400
    assert set(statuses[:13] + statuses[14:]) == {201}, Counter(statuses)
    assert verify.published(server.data) - before == {sha256(data)}
    assert verify.uploads(server.data) == in_flight_before


def push_whole(host: str, data: bytes, digest: str) -> Answer:
    return client.push_blob(host, REPOSITORY, data, digest)


@pytest.mark.experiment("R16", "64 writers of one tag")
def test_64_writers_on_one_tag_leave_one_of_theirs(
    server: LiveServer, ledger: Ledger, outcome: Outcome
) -> None:
    for number in range(either(1, 10)):
        write_at_once(server, f"moving-{number}", ledger)
        outcome.faults += 1
    outcome.judge(server, ledger.entries())


def write_at_once(server: LiveServer, tag: str, ledger: Ledger) -> None:
    layer = b"a layer for all of them"
    for data in (client.CONFIG, layer):
        assert client.push_blob(server.host, REPOSITORY, data).status == 201
    manifests = [client.image(layer, annotations={"writer": f"{n} of {tag}"}) for n in range(64)]

    def write(manifest: bytes) -> Answer:
        digest = sha256(manifest)
        ledger.attempt("tag", REPOSITORY, tag, digest)
        answer = client.push_manifest(server.host, REPOSITORY, tag, manifest)
        if answer.status == 201:
            ledger.acknowledge("manifest", REPOSITORY, digest)
        return answer

    answers = at_once([partial(write, manifest) for manifest in manifests])
    assert Counter(answer.status for answer in answers) == {201: 64}
    final = exchange(server.host, "GET", f"/v2/{REPOSITORY}/manifests/{tag}")
    assert final.body in manifests
    # The history has each of them once, and ends with the value that the tag has.
    history = server.manage("shell", "-v", "0", "-c", HISTORY.format(tag)).split()
    assert sorted(history) == sorted(sha256(manifest) for manifest in manifests)
    assert history[-1] == sha256(final.body)


HISTORY = f"""
from repositories.models import TagChange
changes = TagChange.objects.filter(repository__name={REPOSITORY!r}, name="{{}}").order_by("id")
print(*changes.values_list("digest", flat=True))
"""
