"""R3, R4: bytes are on disk before they are promised, and a disk that refuses is never hidden.

strace shows what the server asks of the kernel, and lets the kernel refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.badinput.bench import empty_database
from tests.badinput.corpus import sha256
from tests.badinput.wire import Answer, exchange
from tests.database import DATABASE
from tests.faults import client, verify
from tests.faults.tracing import Call, require_strace, traced
from tests.live import LiveServer, wait_for

pytestmark = pytest.mark.faults

REPOSITORY = "faults/durability"
ORDER_CALLS = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "sendto",
)
REFUSE = ("-e", "inject=fsync:error=EIO")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that has every module loaded and every folder of the first push made."""
    require_strace()
    folder = tmp_path_factory.mktemp("durability")
    with empty_database() as url, LiveServer(folder / "data", database_url=url) as server:
        for data in (client.CONFIG, b"warm"):
            assert client.push_blob(server.host, REPOSITORY, data).status == 201
        manifest = client.image(b"warm")
        assert client.push_manifest(server.host, REPOSITORY, "warm", manifest).status == 201
        yield server


@pytest.fixture(autouse=True)
def _nothing_left(live: LiveServer) -> Iterator[None]:
    """Each test ends with no upload in flight that it began."""
    before = verify.uploads(live.data)
    yield
    assert verify.uploads(live.data) == before


def folder_of(server: LiveServer, digest: str) -> Path:
    """The folder that the blob is published in."""
    algorithm, _, value = digest.partition(":")
    return server.data / verify.BLOBS / algorithm / value[:2] / value


def first(calls: list[Call], what: str, matches: Callable[[Call], bool]) -> int:
    """The place of the first call that matches."""
    for place, call in enumerate(calls):
        if matches(call):
            return place
    shown = "\n".join(str(call) for call in calls)
    raise AssertionError(f"no {what} among\n{shown}")


def last(calls: list[Call], what: str, matches: Callable[[Call], bool]) -> int:
    """The place of the last call that matches."""
    return len(calls) - 1 - first(calls[::-1], what, matches)


def is_commit(call: Call) -> bool:
    if DATABASE == "postgresql":
        return call.name == "sendto" and "COMMIT" in call.text
    return call.name == "fdatasync" and call.touches(".sqlite3-wal")


def is_answer(status: int) -> Callable[[Call], bool]:
    return lambda call: call.name in {"sendto", "write"} and f'"HTTP/1.1 {status} ' in call.text


def is_sync(path: Path) -> Callable[[Call], bool]:
    return lambda call: call.name == "fsync" and f"<{path}>" in call.text and call.result[0] == "0"


def test_a_blob_is_durable_before_its_row_and_its_row_before_the_answer(live: LiveServer) -> None:
    data = client.random_bytes("order", 300_000)
    folder = folder_of(live, sha256(data))
    upload = client.open_upload(live.host, REPOSITORY)
    temporary = live.data / verify.UPLOADS / upload.rpartition("/")[2]
    with traced(live, system_calls=ORDER_CALLS) as trace:
        assert client.finish(live.host, upload, sha256(data), data).status == 201
    calls = trace.calls
    places = [
        last(calls, "write", lambda call: call.name == "write" and call.touches(temporary)),
        last(calls, "fsync of the file", is_sync(temporary)),
        first(calls, "rename", lambda call: "rename" in call.name and call.touches(folder)),
        first(calls, "fsync of the folder", is_sync(folder)),
        last(calls, "commit", is_commit),
        first(calls, "answer", is_answer(201)),
    ]
    assert places == sorted(places), "\n".join(str(call) for call in calls)
    # The folders that were made for it have been synced into theirs as well.
    for parent in (folder.parent, folder.parent.parent):
        assert first(calls, f"fsync of {parent}", is_sync(parent)) < places[-1]


def test_a_chunk_is_durable_before_it_is_acknowledged(live: LiveServer) -> None:
    upload = client.open_upload(live.host, REPOSITORY)
    temporary = live.data / verify.UPLOADS / upload.rpartition("/")[2]
    with traced(live, system_calls=ORDER_CALLS) as trace:
        assert client.patch(live.host, upload, b"a chunk" * 1000).status == 202
    calls = trace.calls
    written = last(calls, "write", lambda call: call.name == "write" and call.touches(temporary))
    synced = last(calls, "fsync", is_sync(temporary))
    assert written < synced < first(calls, "answer", is_answer(202))
    assert exchange(live.host, "DELETE", upload).status == 204


def test_a_session_has_a_durable_file_before_it_is_acknowledged(live: LiveServer) -> None:
    """A chunk that is synced into a file without a name would be lost with it."""
    with traced(live, system_calls=ORDER_CALLS) as trace:
        upload = client.open_upload(live.host, REPOSITORY)
    synced = first(trace.calls, "fsync of the uploads", is_sync(live.data / verify.UPLOADS))
    assert synced < first(trace.calls, "answer", is_answer(202))
    assert exchange(live.host, "DELETE", upload).status == 204


def test_a_push_that_nobody_could_resume_does_not_pay_for_that(live: LiveServer) -> None:
    data = client.random_bytes("monolithic", 10_000)
    path = f"/v2/{REPOSITORY}/blobs/uploads/?digest={sha256(data)}"
    with traced(live, system_calls=ORDER_CALLS) as trace:
        assert exchange(live.host, "POST", path, body=data).status == 201
    assert not any(map(is_sync(live.data / verify.UPLOADS), trace.calls))


def test_a_manifest_is_committed_before_it_is_acknowledged(live: LiveServer) -> None:
    manifest = client.image(b"warm", annotations={"a": "manifest"})
    with traced(live, system_calls=ORDER_CALLS) as trace:
        answer = client.push_manifest(live.host, REPOSITORY, "durable", manifest)
        assert answer.status == 201
    committed = last(trace.calls, "commit", is_commit)
    assert committed < first(trace.calls, "answer", is_answer(201))


def refused(answer: Answer) -> None:
    """The client is told that it did not work, in the registry's own words."""
    assert answer.status in {500, 503, 507}, answer
    assert answer.header("content-type").startswith("application/json"), answer


def works_again(server: LiveServer, data: bytes) -> None:
    """The next push of the same blob succeeds, and is what it should be."""
    assert client.push_blob(server.host, REPOSITORY, data).status == 201
    pulled = exchange(server.host, "GET", f"/v2/{REPOSITORY}/blobs/{sha256(data)}")
    assert pulled.body == data
    assert verify.misnamed(server.data) == []


def test_a_blob_that_cannot_be_synced_is_not_promised(live: LiveServer) -> None:
    data, before = client.random_bytes("unsynced", 100_000), verify.published(live.data)
    with traced(live, *REFUSE, system_calls=("fsync",)) as trace:
        refused(client.push_blob(live.host, REPOSITORY, data))
    assert any("INJECTED" in call.result for call in trace.calls)
    head = exchange(live.host, "HEAD", f"/v2/{REPOSITORY}/blobs/{sha256(data)}")
    assert head.status == 404
    assert verify.published(live.data) == before
    works_again(live, data)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_bytes_that_could_not_be_synced_are_not_kept(live: LiveServer, method: str) -> None:
    """After a failed fsync the kernel takes the pages for clean: a second one says nothing of them.

    So what the failed one covered must be sent again; a session that goes on with it would publish
    what the disk may not have.
    """
    durable, data = b"durable" * 1000, client.random_bytes("doubtful", 100_000)
    whole = durable + data
    upload = client.open_upload(live.host, REPOSITORY)
    assert client.patch(live.host, upload, durable, 0).status == 202
    with traced(live, *REFUSE, system_calls=("fsync",)) as trace:
        if method == "PATCH":
            refused(client.patch(live.host, upload, data, len(durable)))
        else:
            refused(client.finish(live.host, upload, sha256(whole), data))
    assert any("INJECTED" in call.result for call in trace.calls)
    answer = client.status(live.host, upload)
    assert answer.status in {204, 404}, answer
    exchange(live.host, "DELETE", upload)
    assert answer.status == 404 or client.held(answer) <= len(durable), "doubtful bytes are kept"
    works_again(live, whole)


def test_a_folder_that_cannot_be_synced_is_synced_by_the_next_push(live: LiveServer) -> None:
    """The file has its name then, and the name is not durable: the next push may not rely on it."""
    data = client.random_bytes("folder", 100_000)
    folder = folder_of(live, sha256(data))
    with traced(live, *REFUSE, "-P", str(folder), system_calls=("fsync",)) as trace:
        refused(client.push_blob(live.host, REPOSITORY, data))
    assert any("INJECTED" in call.result for call in trace.calls)
    with traced(live, system_calls=ORDER_CALLS) as trace:
        works_again(live, data)
    synced = first(trace.calls, "fsync of the folder", is_sync(folder))
    assert synced < first(trace.calls, "answer", is_answer(201))


@pytest.mark.parametrize("start", [None, 0, 100_000])
def test_a_chunk_that_comes_while_the_upload_is_published_is_refused(
    live: LiveServer, start: int | None
) -> None:
    """The closing PUT is held up between its rename and its commit."""
    data = client.random_bytes(("published", start), 100_000)
    upload = client.open_upload(live.host, REPOSITORY)
    assert client.patch(live.host, upload, data, 0).status == 202
    temporary = live.data / verify.UPLOADS / upload.rpartition("/")[2]
    delay = ("-e", "inject=fsync:delay_enter=1500000")
    folder = str(folder_of(live, sha256(data)))
    with (
        traced(live, *delay, "-P", folder, system_calls=("fsync",)),
        ThreadPoolExecutor(1) as pool,
    ):
        closing = pool.submit(client.finish, live.host, upload, sha256(data))
        wait_for(lambda: not temporary.exists(), seconds=10, what="the rename")
        late = client.patch(live.host, upload, b"late", start)
        assert closing.result(20).status == 201
    assert late.status in {404, 409, 416}, late
    pulled = exchange(live.host, "GET", f"/v2/{REPOSITORY}/blobs/{sha256(data)}")
    assert pulled.body == data
