"""The contract of `storage/base.py` for damaged blobs: known by their fingerprint, set apart, and
never removed."""

from datetime import UTC, datetime, timedelta

import pytest

from repositories.oci.digests import Digest
from repositories.storage.base import BlobMissing, Storage
from tests.storage.conftest import Driver
from tests.storage.test_contract import ALGORITHMS, publish, read
from tests.storage.test_contract_trash import discarded, stored


def set_apart(storage: Storage) -> list[tuple[Digest, int]]:
    return [(blob.digest, blob.size) for blob in storage.quarantined()]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_quarantined_blob_is_missing_and_neither_stored_nor_in_the_trash(
    driver: Driver, algorithm: str
) -> None:
    digest = publish(driver.open(), b"content", algorithm=algorithm)
    assert driver.open().quarantine(digest) == 7
    storage = driver.open()
    for ask in (storage.open_blob, storage.blob_size, storage.fingerprint, storage.quarantine):
        with pytest.raises(BlobMissing):
            ask(digest)
    assert not storage.restore(digest)
    assert (stored(storage), discarded(storage)) == ([], [])
    assert set_apart(storage) == [(digest, 7)]
    moments = [blob.modified for blob in storage.quarantined()]
    assert abs(datetime.now(UTC) - moments[0]) < timedelta(minutes=5)


def test_what_is_published_again_takes_nothing_out_of_quarantine(driver: Driver) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    for _ in range(3):
        storage.quarantine(digest)
        publish(storage, b"content")
    assert read(storage, digest) == b"content"
    assert set_apart(storage) == [(digest, 7)] * 3


def test_purging_the_trash_leaves_the_quarantine_alone(driver: Driver) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    storage.quarantine(digest)
    publish(storage, b"content")
    storage.discard(digest)
    storage.purge_trash(before=datetime.now(UTC) + timedelta(seconds=1))
    assert (discarded(storage), set_apart(storage)) == ([], [(digest, 7)])


def test_whoever_reads_a_blob_goes_on_reading_it_while_it_is_quarantined(driver: Driver) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    with storage.open_blob(digest) as file:
        assert file.read(3) == b"con"
        storage.quarantine(digest)
        assert file.read() == b"tent"


def test_a_fingerprint_stays_until_the_blob_is_published_anew(driver: Driver) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    before = storage.fingerprint(digest)
    assert read(storage, digest) == b"content"
    storage.confirm(digest)
    assert driver.open().fingerprint(digest) == before

    publish(storage, b"content")
    assert driver.open().fingerprint(digest) != before


def test_a_fingerprint_tells_of_bytes_that_were_changed_behind_the_back(driver: Driver) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    before = storage.fingerprint(digest)
    driver.damage(storage.internal_path(digest), b"other content")
    assert storage.fingerprint(digest) != before


def test_empty_storage_has_nothing_set_apart(driver: Driver) -> None:
    assert set_apart(driver.open()) == []
