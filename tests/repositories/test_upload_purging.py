"""Stale uploads are purged after their age; an active one never (R20)."""

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from repositories import blobs, stale_uploads, uploads
from repositories.access import Principal
from repositories.models import Upload
from repositories.oci.digests import Digest
from repositories.storage import filesystem
from repositories.storage.base import StoredUpload
from repositories.storage.filesystem import FilesystemStorage
from repositories.uploads import Chunk
from tests.repositories.content import APP

pytestmark = pytest.mark.django_db

AGE = timedelta(days=7)
LONG_AGO = timedelta(days=8)


def make(
    disk: FilesystemStorage, principal: Principal, *, started: timedelta, grown: timedelta | None
) -> str:
    """A session that was started so long ago and last grew so long ago, if ever."""
    session = uploads.start(principal=principal, repository=APP)
    Upload.objects.filter(id=session.id).update(started_at=timezone.now() - started)
    if grown is not None:
        uploads.append(repository=APP, upload=session.id, chunk=Chunk([b"content"]))
    touch(disk, session.id, started if grown is None else grown)
    return session.id


def touch(disk: FilesystemStorage, upload: str, ago: timedelta) -> None:
    moment = (timezone.now() - ago).timestamp()
    os.utime(disk.upload_path(upload), (moment, moment))


def left(disk: FilesystemStorage) -> tuple[set[str], set[str]]:
    """The sessions and the files there are."""
    rows = {str(id) for id in Upload.objects.values_list("id", flat=True)}
    return rows, {upload.id for upload in disk.uploads()}


@pytest.mark.parametrize("grown", [LONG_AGO, None])
def test_a_session_that_has_not_grown_for_its_age_is_purged(
    grown: timedelta | None, writer: Principal, disk: FilesystemStorage
) -> None:
    make(disk, writer, started=LONG_AGO, grown=grown)

    assert stale_uploads.purge(age=AGE) == 1
    assert left(disk) == (set(), set())


@pytest.mark.parametrize(
    ("started", "grown"),
    [
        (timedelta(0), None),
        (timedelta(0), timedelta(0)),
        (LONG_AGO, timedelta(days=6)),
        (timedelta(days=6), LONG_AGO),
    ],
)
def test_a_session_that_is_young_or_has_grown_lately_stays(
    started: timedelta, grown: timedelta | None, writer: Principal, disk: FilesystemStorage
) -> None:
    upload = make(disk, writer, started=started, grown=grown)

    assert stale_uploads.purge(age=AGE) == 0
    assert left(disk) == ({upload}, {upload})


def test_an_upload_that_is_being_written_to_stays_however_old(
    writer: Principal, disk: FilesystemStorage
) -> None:
    upload = make(disk, writer, started=LONG_AGO, grown=LONG_AGO)
    with disk.write_upload(upload) as file:
        file.write(b"more")
        assert stale_uploads.purge(age=AGE) == 0

    assert uploads.status(repository=APP, upload=upload).size == 11


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens after the purge has looked which uploads there are."""
    listed = FilesystemStorage.uploads

    def uploads_and_then(disk: FilesystemStorage) -> Iterator[StoredUpload]:
        found = list(listed(disk))
        happens()
        return iter(found)

    monkeypatch.setattr(FilesystemStorage, "uploads", uploads_and_then)


def test_a_chunk_that_comes_while_purging_is_kept(
    writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = make(disk, writer, started=LONG_AGO, grown=LONG_AGO)
    more = Chunk([b" and more"])
    meanwhile(monkeypatch, lambda: uploads.append(repository=APP, upload=upload, chunk=more))

    assert stale_uploads.purge(age=AGE) == 0
    assert uploads.status(repository=APP, upload=upload).size == len(b"content and more")


def test_an_upload_whose_writer_has_not_written_yet_stays(
    writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The purge does not wait for it for ever: it comes again."""
    monkeypatch.setattr(filesystem, "_LOCK_PATIENCE_SECONDS", 0.01)
    upload = make(disk, writer, started=LONG_AGO, grown=LONG_AGO)
    with disk.write_upload(upload) as file:
        assert stale_uploads.purge(age=AGE) == 0
        file.write(b" and more")

    assert uploads.status(repository=APP, upload=upload).size == len(b"content and more")


def test_a_session_that_begins_anew_while_purging_stays(
    writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = make(disk, writer, started=LONG_AGO, grown=None)
    disk.upload_path(upload).unlink()
    meanwhile(monkeypatch, lambda: uploads.status(repository=APP, upload=upload))

    assert stale_uploads.purge(age=AGE) == 0
    assert left(disk) == ({upload}, {upload})


def test_a_session_that_has_lost_its_bytes_is_purged(
    writer: Principal, disk: FilesystemStorage
) -> None:
    upload = make(disk, writer, started=LONG_AGO, grown=None)
    disk.upload_path(upload).unlink()

    assert stale_uploads.purge(age=AGE) == 1
    assert left(disk) == (set(), set())


def test_an_upload_that_is_finished_while_purging_is_not_counted(
    writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = make(disk, writer, started=LONG_AGO, grown=LONG_AGO)
    digest = Digest.of(b"content")
    end = partial(uploads.finish, repository=APP, upload=upload, digest=digest, chunk=Chunk([]))
    meanwhile(monkeypatch, end)

    assert stale_uploads.purge(age=AGE) == 0
    assert blobs.find(repository=APP, digest=digest).size == len(b"content")


def test_stray_bytes_of_no_session_are_purged(disk: FilesystemStorage) -> None:
    """What a killed monolithic push leaves: it never had a session."""
    old, young = str(uuid.uuid4()), str(uuid.uuid4())
    for upload in (old, young):
        disk.create_upload(upload)
        with disk.write_upload(upload) as file:
            file.write(b"stray")
    touch(disk, old, LONG_AGO)

    assert stale_uploads.purge(age=AGE) == 1
    assert left(disk) == (set(), {young})


def test_a_dry_run_counts_and_removes_nothing(writer: Principal, disk: FilesystemStorage) -> None:
    upload = make(disk, writer, started=LONG_AGO, grown=LONG_AGO)

    assert stale_uploads.purge(age=AGE, dry_run=True) == 1
    assert left(disk) == ({upload}, {upload})


def test_nothing_to_purge_is_no_error() -> None:
    assert stale_uploads.purge(age=AGE) == 0
