"""Hashing while bytes come: with and without a thread, and what is remembered between requests."""

import hashlib
import threading

import pytest

from repositories.storage import hashing
from repositories.storage.hashing import HashMemory, StreamHash

MIB = 1024 * 1024


def hash_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "_run" in thread.name}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB + 3])
@pytest.mark.parametrize("chunk", [64 * 1024, 256 * 1024 + 1])
def test_the_digest_is_that_of_hashlib(size: int, chunk: int, algorithm: str) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    stream = StreamHash(algorithm)
    for start in range(0, size, chunk):
        stream.update(content[start : start + chunk])

    assert stream.settle().hexdigest() == hashlib.new(algorithm, content).hexdigest()


def test_only_a_long_stream_gets_a_thread_and_it_ends_with_the_stream() -> None:
    before = hash_threads()
    short, long = StreamHash("sha256"), StreamHash("sha256")
    short.update(b"x" * (MIB - 1))
    assert hash_threads() == before

    long.update(b"x" * MIB)
    assert len(hash_threads() - before) == 1

    long.settle()
    assert hash_threads() == before


def test_only_a_stream_by_itself_has_a_thread() -> None:
    before = hash_threads()
    streams = [StreamHash("sha256") for _ in range(3)]
    streams[0].update(b"x" * (2 * MIB))
    assert len(hash_threads() - before) == 1

    for stream in (*streams[1:], streams[0]):
        stream.update(b"x" * (2 * MIB))
    assert hash_threads() == before

    for stream in streams[:2]:
        stream.settle()
    streams[2].update(b"x" * (2 * MIB))
    assert len(hash_threads() - before) == 1

    sizes = [times * MIB for times in (4, 2, 4)]
    for stream, size in zip(streams, sizes, strict=True):
        assert stream.settle().hexdigest() == hashlib.sha256(b"x" * size).hexdigest()
    assert hash_threads() == before


def test_a_settled_stream_can_go_on() -> None:
    stream, expected = StreamHash("sha256"), hashlib.sha256()
    for size in (2 * MIB, 10, 3 * MIB):
        stream.update(b"x" * size)
        expected.update(b"x" * size)
        assert stream.settle().hexdigest() == expected.hexdigest()


def test_a_resumed_hash_leaves_the_one_it_came_from_alone() -> None:
    first = hashlib.sha256(b"first")
    stream = StreamHash("sha256", first)
    stream.update(b"second")

    assert stream.settle().hexdigest() == hashlib.sha256(b"firstsecond").hexdigest()
    assert first.hexdigest() == hashlib.sha256(b"first").hexdigest()


def test_a_reader_that_is_faster_than_the_hash_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A body is never in memory: no more than a few chunks wait to be hashed."""
    monkeypatch.setattr(hashing, "_THREAD_FROM", 1)
    go_on, hashed = threading.Event(), []

    class Slow:
        def update(self, chunk: bytes) -> None:
            go_on.wait(30)
            hashed.append(chunk)

        def copy(self) -> "Slow":
            return self

    stream = StreamHash("sha256", Slow())  # type: ignore[arg-type]
    sent: list[int] = []

    def send() -> None:
        for number in range(50):
            stream.update(b"x")
            sent.append(number)

    sender = threading.Thread(target=send)
    sender.start()
    sender.join(0.1)
    assert sender.is_alive()
    assert len(sent) <= 1

    go_on.set()
    sender.join(30)
    stream.settle()
    assert len(hashed) == 50


def test_a_hash_is_remembered_for_its_upload_size_and_algorithm() -> None:
    memory = HashMemory()
    value = hashlib.sha256(b"12345")
    memory.keep("upload", 5, "sha256", value)

    assert memory.take("other", 5, "sha256") is None
    assert memory.take("upload", 5, "sha256") is value


@pytest.mark.parametrize(("size", "algorithm"), [(4, "sha256"), (6, "sha256"), (5, "sha512")])
def test_a_hash_of_anything_else_than_asked_for_is_not_used(size: int, algorithm: str) -> None:
    memory = HashMemory()
    memory.keep("upload", 5, "sha256", hashlib.sha256(b"12345"))

    assert memory.take("upload", size, algorithm) is None


def test_a_hash_is_handed_out_once() -> None:
    memory = HashMemory()
    memory.keep("upload", 5, "sha256", hashlib.sha256(b"12345"))
    memory.take("upload", 5, "sha256")

    assert memory.take("upload", 5, "sha256") is None


def test_a_forgotten_hash_is_gone_and_forgetting_twice_is_no_error() -> None:
    memory = HashMemory()
    memory.keep("upload", 5, "sha256", hashlib.sha256(b"12345"))
    memory.forget("upload")
    memory.forget("upload")

    assert memory.take("upload", 5, "sha256") is None


def test_only_the_latest_are_remembered() -> None:
    memory = HashMemory(limit=3)
    value = hashlib.sha256()
    for upload in ("a", "b", "c"):
        memory.keep(upload, 0, "sha256", value)
    memory.keep("a", 0, "sha256", value)  # used again, so that now b is the oldest
    memory.keep("d", 0, "sha256", value)

    remembered = {name for name in "abcd" if memory.take(name, 0, "sha256") is not None}
    assert remembered == {"a", "c", "d"}
