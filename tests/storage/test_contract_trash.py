"""The contract of `storage/base.py` for blobs that are listed, discarded, taken back and purged."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from repositories.oci.digests import Digest
from repositories.storage.base import BlobMissing, Storage
from tests.storage.conftest import Driver
from tests.storage.test_contract import ALGORITHMS, publish, read


def discarded(storage: Storage) -> list[Digest]:
    return [blob.digest for blob in storage.trash()]


def stored(storage: Storage) -> list[Digest]:
    return [blob.digest for shard in range(256) for blob in storage.stored(shard)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_discarded_blob_is_missing_until_it_is_restored(driver: Driver, algorithm: str) -> None:
    digest = publish(driver.open(), b"content", algorithm=algorithm)
    assert driver.open().discard(digest) == 7
    storage = driver.open()
    with pytest.raises(BlobMissing):
        storage.open_blob(digest)
    with pytest.raises(BlobMissing):
        storage.discard(digest)
    assert (stored(storage), discarded(storage)) == ([], [digest])

    assert driver.open().restore(digest)
    assert not driver.open().restore(digest)
    assert read(storage, digest) == b"content"
    assert (stored(storage), discarded(storage)) == ([digest], [])


def test_whoever_reads_a_blob_goes_on_reading_it_while_it_is_discarded_and_purged(
    driver: Driver,
) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    with storage.open_blob(digest) as file:
        assert file.read(3) == b"con"
        storage.discard(digest)
        storage.purge_trash(before=datetime.now(UTC) + timedelta(seconds=1))
        assert file.read() == b"tent"


def test_a_discarded_blob_can_be_published_again_and_discarded_again(driver: Driver) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    storage.discard(digest)
    publish(storage, b"content")
    assert read(storage, digest) == b"content"
    storage.discard(digest)
    assert discarded(storage) == [digest]


def test_the_trash_is_purged_by_when_blobs_were_discarded(driver: Driver) -> None:
    """Not by when they were written."""
    storage = driver.open()
    digest = publish(storage, b"content")
    between = datetime.now(UTC)
    time.sleep(0.05)
    storage.discard(digest)

    assert storage.purge_trash(before=between) == []
    purged = storage.purge_trash(before=datetime.now(UTC) + timedelta(seconds=1))
    assert [(blob.digest, blob.size) for blob in purged] == [(digest, 7)]
    assert discarded(storage) == []
    assert not storage.restore(digest)


def test_blobs_are_listed_by_the_first_byte_of_their_digest(driver: Driver) -> None:
    storage = driver.open()
    digests = {
        publish(storage, b"%d" % number, algorithm=algorithm): len(str(number))
        for number in range(20)
        for algorithm in ALGORITHMS
    }
    listed = {}
    for shard in range(256):
        for blob in driver.open().stored(shard):
            assert int(blob.digest.hex[:2], 16) == shard
            assert abs(datetime.now(UTC) - blob.modified) < timedelta(minutes=5)
            listed[blob.digest] = blob.size
    assert listed == digests


def test_empty_storage_has_no_blobs_and_no_trash(driver: Driver) -> None:
    storage = driver.open()
    assert (stored(storage), discarded(storage)) == ([], [])
    assert storage.purge_trash(before=datetime.now(UTC)) == []
    assert not storage.is_shared()


def test_a_blob_that_was_taken_back_is_not_purged(driver: Driver) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    storage.discard(digest)
    storage.restore(digest)
    storage.purge_trash(before=datetime.now(UTC) + timedelta(seconds=1))
    assert read(storage, digest) == b"content"
