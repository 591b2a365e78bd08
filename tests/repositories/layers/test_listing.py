"""Listings in the making: one child a layer, two in all; killed ones told, damaged ones redone."""

import io
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from repositories.layers import cache, listing, process
from repositories.layers.cache import NotListed
from repositories.layers.process import State
from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.base import BlobMissing
from tests.repositories.layers.archives import archive, entry, gzipped, layer
from tests.repositories.layers.conftest import Store, listed, settle

SMALL = layer({"etc/passwd": b"root"})


class Stuck:
    """A blob that gives its first bytes and then nothing, until `release`."""

    def __init__(self) -> None:
        self._pipes: list[int] = []
        self._is_released = False

    def open(self, _digest: Digest) -> io.BufferedReader:
        ours, theirs = os.pipe()
        os.write(theirs, archive(entry("first"), entry("second", size=10**6))[:-1024])
        self._pipes.append(theirs)
        if self._is_released:
            self.release()
        return os.fdopen(ours, "rb")

    def release(self) -> None:
        self._is_released = True
        while self._pipes:
            os.close(self._pipes.pop())


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    found = Stuck()
    monkeypatch.setattr(storage(), "open_blob", found.open)
    yield found
    found.release()
    settle()


def _children() -> list[int]:
    """The process ids of the children that list."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            parent = int(path.with_name("stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"repositories.layers.worker" in words and parent == os.getpid():
            found.append(int(path.parent.name))
    return found


def test_nothing_is_begun_by_looking(store: Store) -> None:
    digest = store(SMALL)
    assert listing.progress(digest=digest).state is State.ABSENT
    with pytest.raises(NotListed), listing.opened(digest=digest):
        pass


def test_it_is_begun_once_and_kept(store: Store) -> None:
    digest = store(SMALL)
    assert listed(digest).is_done
    made = listing.place(digest).finished.stat().st_ino
    assert listing.start(digest=digest).is_done
    assert listing.place(digest).finished.stat().st_ino == made
    assert not listing.place(digest).working.exists()
    assert not listing.place(digest).temporary.exists()


def test_progress_is_seen_from_anywhere(store: Store, stuck: Stuck) -> None:
    digest = store(SMALL)
    listing.start(digest=digest)
    while not (found := listing.progress(digest=digest)).read:
        time.sleep(0.01)
    assert (found.state, found.total) == (State.WORKING, len(SMALL))
    assert listing.start(digest=digest).state is State.WORKING
    assert len(_children()) == 1


def test_two_at_once_and_a_third_waits(store: Store, stuck: Stuck) -> None:
    digests = [store(layer({name: b""})) for name in "abc"]
    states = [listing.start(digest=digest).state for digest in digests]
    assert states == [State.WORKING, State.WORKING, State.WAITING]
    assert len(_children()) == 2
    stuck.release()
    settle()
    assert listed(digests[2]).is_done


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_child_is_told_and_tried_again_later(
    number: signal.Signals, store: Store, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store(SMALL)
    listing.start(digest=digest)
    (child,) = _children()
    os.kill(child, number)
    settle()
    assert listing.start(digest=digest).state is State.FAILED
    assert _children() == []
    assert not listing.place(digest).temporary.exists()

    monkeypatch.undo()
    monkeypatch.setattr(process, "RETRY_SECONDS", 0)
    assert listed(digest).is_done


def test_the_lock_of_a_dead_process_is_free(store: Store) -> None:
    """The child, and the web worker that watched over it, were killed: nobody wrote down why."""
    digest = store(SMALL)
    working = listing.place(digest).working
    working.parent.mkdir(parents=True)
    working.write_bytes(b"W" + bytes(23))
    assert listing.progress(digest=digest).state is State.ABSENT
    assert listed(digest).is_done


@pytest.mark.parametrize(
    "damage",
    [b"", b"garbage" * 1000, b"SQLite format 3\0" + bytes(5000), None],
    ids=["empty", "garbage", "header", "truncated"],
)
def test_a_damaged_listing_is_made_anew(damage: bytes | None, store: Store) -> None:
    digest = store(layer({f"{n}/{n}": b"" for n in range(3000)}))
    listed(digest)
    path = listing.place(digest).finished
    path.write_bytes(path.read_bytes()[:9000] if damage is None else damage)
    with pytest.raises(NotListed), listing.opened(digest=digest) as found:
        list(found.rows())
    assert not path.exists()
    assert listed(digest).is_done
    with listing.opened(digest=digest) as found:
        assert len(list(found.rows())) == 6001


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_are_no_other_error(seed: int, store: Store) -> None:
    digest = store(layer({f"folder-{n % 7}/file-{n}": b"x" for n in range(300)}))
    listed(digest)
    path = listing.place(digest).finished
    content = bytearray(path.read_bytes())
    for step in range(20):
        content[(seed * 7919 + step * 104_729) % len(content)] ^= 0xFF
    path.write_bytes(content)
    try:
        with listing.opened(digest=digest) as found:
            found.find("file")
            found.folder("folder-3")
            list(found.rows())
    except NotListed:
        assert not path.exists()


def test_a_listing_of_another_version_is_made_anew(store: Store) -> None:
    digest = store(SMALL)
    listed(digest)
    path = listing.place(digest).finished
    content = bytearray(path.read_bytes())
    content[63] += 1  # the user version (sqlite.org/fileformat2.html, section 1.3)
    path.write_bytes(content)
    with pytest.raises(NotListed), listing.opened(digest=digest):
        pass
    assert listed(digest).is_done


def test_what_was_used_longest_ago_goes_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [store(layer({name: b""})) for name in "abcd"]
    for digest in digests[:3]:
        listed(digest)
    paths = [listing.place(digest).finished for digest in digests]
    for age, path in zip((30, 20, 10), paths, strict=False):
        os.utime(path, (time.time() - age, time.time() - age))
    with listing.opened(digest=digests[0]):
        pass  # used: now the youngest
    monkeypatch.setattr(cache, "MAX_BYTES", 3 * paths[0].stat().st_size)
    listed(digests[3])
    assert [path.exists() for path in paths] == [True, False, True, True]


def test_what_a_killed_server_left_behind_is_removed(store: Store) -> None:
    digest = store(SMALL)
    listed(digest)
    left = listing.place(digest).finished.with_name("0" * 64 + ".temporary")
    left.write_bytes(b"x")
    fresh = left.with_name("1" * 64 + ".temporary")
    fresh.write_bytes(b"x")
    os.utime(left, (0, 0))
    cache.sweep()
    assert (left.exists(), fresh.exists()) == (False, True)


def test_everything_may_be_deleted_at_any_time(store: Store) -> None:
    digest = store(SMALL)
    listed(digest)
    with listing.opened(digest=digest) as found:
        listing.place(digest).finished.unlink()
        assert found.entry("etc/passwd") is not None
    assert listed(digest).is_done


def test_a_lost_blob_is_told(store: Store) -> None:
    with pytest.raises(BlobMissing):
        listing.start(digest=Digest.of(b"lost"))


def test_storage_without_files_is_read_through_a_pipe(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = gzipped(layer({"a": os.urandom(3_000_000)}))
    digest = store(content)
    monkeypatch.setattr(storage(), "open_blob", lambda _: io.BytesIO(content))
    assert listed(digest).is_done
    assert listing.find(digest=digest, text="a").rows


def test_the_child_gets_no_secrets(store: Store, stuck: Stuck) -> None:
    os.environ["SECRET_KEY_FOR_TEST"] = "canary"
    try:
        listing.start(digest=store(SMALL))
        (child,) = _children()
        while b"repositories.layers.worker" not in Path(f"/proc/{child}/cmdline").read_bytes():
            time.sleep(0.01)
        assert b"canary" not in Path(f"/proc/{child}/environ").read_bytes()
    finally:
        del os.environ["SECRET_KEY_FOR_TEST"]
