"""A blob's file is looked at, and if it is small read, and for a second not again."""

from __future__ import annotations

import pytest

from repositories import presence
from repositories.access import Principal
from repositories.storage.base import BlobMissing
from repositories.storage.filesystem import FilesystemStorage
from tests.repositories.content import push_blob

pytestmark = pytest.mark.django_db

CONTENT = b"layer"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, in seconds."""
    now = [1000.0]
    monkeypatch.setattr(presence, "monotonic", lambda: now[0])
    return now


def test_a_loss_is_noticed_a_second_later(
    administrator: Principal, blob_storage: FilesystemStorage, clock: list[float]
) -> None:
    digest = push_blob(administrator, CONTENT)
    size = len(CONTENT)
    assert presence.is_whole(digest=digest, size=size)
    blob_storage.blob_path(digest).unlink()
    clock[0] += presence.LOOK_SECONDS - 0.01
    assert presence.is_whole(digest=digest, size=size)
    clock[0] += 0.01
    assert not presence.is_whole(digest=digest, size=size)


def test_what_is_back_is_noticed_at_once(
    administrator: Principal, blob_storage: FilesystemStorage, clock: list[float]
) -> None:
    digest = push_blob(administrator, CONTENT)
    path = blob_storage.blob_path(digest)
    path.write_bytes(CONTENT[:-1])
    assert not presence.is_whole(digest=digest, size=len(CONTENT))
    path.write_bytes(CONTENT)
    assert presence.is_whole(digest=digest, size=len(CONTENT))


def test_it_remembers_so_many_and_no_more(
    administrator: Principal, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "_MOST", 2)
    digests = [push_blob(administrator, bytes([value])) for value in range(5)]
    assert all(presence.is_whole(digest=digest, size=1) for digest in digests)
    assert len(presence._good_until) <= 2


def test_the_bytes_of_a_small_blob_are_read_once_a_second(
    administrator: Principal, blob_storage: FilesystemStorage, clock: list[float]
) -> None:
    digest, size = push_blob(administrator, CONTENT), len(CONTENT)
    assert presence.content(digest=digest, size=size) == CONTENT
    blob_storage.blob_path(digest).unlink()
    clock[0] += presence.LOOK_SECONDS - 0.01
    assert presence.content(digest=digest, size=size) == CONTENT
    assert presence.is_whole(digest=digest, size=size)
    clock[0] += 0.01
    with pytest.raises(BlobMissing):
        presence.content(digest=digest, size=size)


def test_bytes_that_are_wrong_are_not_kept(
    administrator: Principal, blob_storage: FilesystemStorage, clock: list[float]
) -> None:
    digest, size = push_blob(administrator, CONTENT), len(CONTENT)
    path = blob_storage.blob_path(digest)
    path.write_bytes(b"LAYER")
    assert presence.content(digest=digest, size=size) == b"LAYER"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(BlobMissing):
        presence.content(digest=digest, size=size)
    path.write_bytes(CONTENT)
    assert presence.content(digest=digest, size=size) == CONTENT


def test_it_keeps_so_many_bytes_and_no_more(
    administrator: Principal, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "_MOST_BYTES", 25)
    contents = [bytes([value]) * 10 for value in range(5)]
    digests = [push_blob(administrator, content) for content in contents]
    for _ in range(2):
        for digest, content in zip(digests, contents, strict=True):
            assert presence.content(digest=digest, size=10) == content
            assert sum(map(len, presence._contents.values())) == presence._bytes <= 25
    presence.forget_everything()
    assert presence._bytes == 0
