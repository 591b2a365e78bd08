"""Sessions that lost their bytes: to a crash between rename and commit, or to a failed sync."""

import errno
import os
from typing import Any

import pytest
from django.db import OperationalError

from repositories import blobs, uploads
from repositories.access import Principal
from repositories.models import Blob, Upload
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown, BlobUploadUnknown, DigestInvalid
from repositories.storage.filesystem import FilesystemStorage
from repositories.uploads import Chunk, Session
from tests.repositories.content import APP

pytestmark = pytest.mark.django_db

CONTENT = b"content"
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def session(writer: Principal) -> Session:
    """A session that holds CONTENT."""
    session = uploads.start(principal=writer, repository=APP)
    return uploads.append(repository=APP, upload=session.id, chunk=Chunk([CONTENT]))


def finish(session: Session, *pieces: bytes) -> None:
    uploads.finish(repository=APP, upload=session.id, digest=DIGEST, chunk=Chunk(pieces))


def starts_anew(session: Session) -> None:
    """The client is told that it holds nothing, sends all again, and is done."""
    assert uploads.status(repository=APP, upload=session.id).size == 0
    chunk = Chunk([CONTENT], start=0)
    assert uploads.append(repository=APP, upload=session.id, chunk=chunk).size == len(CONTENT)
    finish(session)
    assert blobs.find(repository=APP, digest=DIGEST).size == len(CONTENT)


def test_a_session_whose_file_is_lost_starts_anew(
    session: Session, disk: FilesystemStorage
) -> None:
    disk.upload_path(session.id).unlink()

    starts_anew(session)


def test_a_session_whose_publishing_was_not_committed_starts_anew(
    session: Session, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is where blobs are by then, and no row says that it is one."""

    publish = blobs.publish

    def fail(**values: Any) -> None:
        publish(**values)
        raise OperationalError("the database went away before the commit")

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "publish", fail)
        with pytest.raises(OperationalError):
            finish(session)

    assert disk.blob_path(DIGEST).exists()
    assert not Blob.objects.exists()
    with pytest.raises(BlobUnknown):
        blobs.find(repository=APP, digest=DIGEST)
    starts_anew(session)


def test_a_failed_sync_is_not_made_good_by_the_next(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux marks the pages clean: the next sync would claim success for bytes that are lost."""

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            uploads.append(repository=APP, upload=session.id, chunk=Chunk([b"more"]))

    starts_anew(session)


def test_a_session_that_lost_its_bytes_is_not_finished_without_them(
    session: Session, disk: FilesystemStorage
) -> None:
    disk.upload_path(session.id).unlink()
    with pytest.raises(DigestInvalid):
        finish(session)

    assert not Blob.objects.exists()
    assert not Upload.objects.exists()


def test_a_session_that_was_closed_meanwhile_gets_no_file(
    session: Session, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was published between the look at its row and the look at its file."""
    upload_size = FilesystemStorage.upload_size

    def published(self: FilesystemStorage, upload: str) -> int:
        monkeypatch.setattr(FilesystemStorage, "upload_size", upload_size)
        finish(session)
        return upload_size(self, upload)

    monkeypatch.setattr(FilesystemStorage, "upload_size", published)
    with pytest.raises(BlobUploadUnknown):
        uploads.append(repository=APP, upload=session.id, chunk=Chunk([b"late"]))

    assert list(disk.uploads()) == []
    assert blobs.find(repository=APP, digest=DIGEST)
