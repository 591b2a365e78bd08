"""Stale uploads are purged after their age; an active one never (R20)."""

import os
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from repositories import uploads
from repositories.access import Principal
from repositories.models import Upload
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

    assert uploads.purge_stale(age=AGE) == 1
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

    assert uploads.purge_stale(age=AGE) == 0
    assert left(disk) == ({upload}, {upload})


def test_an_upload_that_is_being_written_to_stays_however_old(
    writer: Principal, disk: FilesystemStorage
) -> None:
    upload = make(disk, writer, started=LONG_AGO, grown=LONG_AGO)
    with disk.write_upload(upload) as file:
        file.write(b"more")
        assert uploads.purge_stale(age=AGE) == 0

    assert uploads.status(repository=APP, upload=upload).size == 11


def test_stray_bytes_of_no_session_are_purged(disk: FilesystemStorage) -> None:
    """What a killed monolithic push leaves: it never had a session."""
    old, young = str(uuid.uuid4()), str(uuid.uuid4())
    for upload in (old, young):
        disk.create_upload(upload)
        with disk.write_upload(upload) as file:
            file.write(b"stray")
    touch(disk, old, LONG_AGO)

    assert uploads.purge_stale(age=AGE) == 1
    assert left(disk) == (set(), {young})


def test_a_dry_run_counts_and_removes_nothing(writer: Principal, disk: FilesystemStorage) -> None:
    upload = make(disk, writer, started=LONG_AGO, grown=LONG_AGO)

    assert uploads.purge_stale(age=AGE, dry_run=True) == 1
    assert left(disk) == ({upload}, {upload})


def test_nothing_to_purge_is_no_error() -> None:
    assert uploads.purge_stale(age=AGE) == 0
