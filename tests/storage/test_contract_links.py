"""The contract of `storage/base.py` for backups: what keeps a blob, and what takes one in."""

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from repositories.oci.digests import Digest
from repositories.storage.base import BlobMissing
from tests.storage.conftest import Driver
from tests.storage.test_contract import ALGORITHMS, publish, read


@pytest.mark.parametrize("is_discarded", [False, True])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_blob_is_found_where_it_is_stored_and_in_the_trash(
    driver: Driver, tmp_path: Path, algorithm: str, is_discarded: bool
) -> None:
    storage = driver.open()
    digest = publish(storage, b"content", algorithm=algorithm)
    if is_discarded:
        storage.discard(digest)
    with storage.open_kept(digest) as file:
        assert file.read() == b"content"
    if storage.link_out(digest, tmp_path / "link"):
        assert (tmp_path / "link").read_bytes() == b"content"


def test_a_blob_that_is_nowhere_is_missing(driver: Driver, tmp_path: Path) -> None:
    storage, digest = driver.open(), Digest.of(b"never there")
    with pytest.raises(BlobMissing):
        storage.open_kept(digest)
    with pytest.raises(BlobMissing):
        storage.link_out(digest, tmp_path / "link")
    assert not (tmp_path / "link").exists()


def test_a_link_keeps_the_bytes_whatever_becomes_of_the_blob(
    driver: Driver, tmp_path: Path
) -> None:
    """Blobs are never written in place: published again, discarded, taken back, purged."""
    storage, link = driver.open(), tmp_path / "link"
    digest = publish(storage, b"content")
    if not storage.link_out(digest, link):
        pytest.skip("this driver has no files")
    publish(storage, b"content")
    storage.discard(digest)
    assert storage.restore(digest)
    storage.discard(digest)
    storage.purge_trash(before=datetime.now(UTC) + timedelta(seconds=1))
    assert link.read_bytes() == b"content"
    assert link.stat().st_nlink == 1
    publish(storage, b"content")
    link.write_bytes(b"changed")
    assert read(storage, digest) == b"content"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_file_is_taken_in_by_a_link(driver: Driver, tmp_path: Path, algorithm: str) -> None:
    source, digest = tmp_path / "source", Digest.of(b"content", algorithm)
    source.write_bytes(b"content")
    if not driver.open().link_in(digest, source):
        pytest.skip("this driver has no files")
    storage = driver.open()
    assert read(storage, digest) == b"content"
    assert source.stat().st_nlink == 2
    assert storage.discard(digest) == 7


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_what_cannot_be_linked_is_told_and_leaves_nothing(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    storage, source = driver.open(), tmp_path / "source"
    digest, other = publish(storage, b"content"), Digest.of(b"other")
    source.write_bytes(b"other")
    monkeypatch.setattr(os, "link", refuse)
    assert not storage.link_out(digest, tmp_path / "link")
    assert not storage.link_in(other, source)
    assert not (tmp_path / "link").exists()
    with pytest.raises(BlobMissing):
        storage.open_blob(other)


def test_a_disk_that_fails_is_no_reason_to_copy(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    storage = driver.open()
    digest = publish(storage, b"content")
    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OSError, match="Input/output"):
        storage.link_out(digest, tmp_path / "link")
