"""What clients are told when the registry, its disk or its database fails."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.utils import Error as DatabaseError

from repositories import manifests, tags, uploads
from repositories.access import Principal
from repositories.models import Upload
from repositories.oci.digests import Digest
from repositories.storage.filesystem import FilesystemStorage
from tests.api.doors import HOST, Caller
from tests.oci.documents import index
from tests.repositories.content import APP, push_blob, push_document

CANARY = "canary: password=hunter2 at /etc/secret"
MANIFEST = f"/v2/{APP}/manifests/v1"
UPLOADS = f"/v2/{APP}/blobs/uploads/"
CONTENT = b"0123456789"
DIGEST = Digest.of(CONTENT)


class Failing:
    """Stands in for a function: fails so many times, then does what it did."""

    def __init__(self, error: BaseException, times: int, then: object = None) -> None:
        self.error, self.times, self.then, self.calls = error, times, then, 0

    def __call__(self, *args: object, **kwargs: object) -> object:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        assert callable(self.then)
        return self.then(*args, **kwargs)


def cut() -> None:
    """End the database's side of our connection, as its restart does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ours = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        # Until it is gone: a server that stops has hung up before a client comes back.
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", ours)
    other.close()


@pytest.mark.django_db(transaction=True)
class TestDatabase:
    @pytest.mark.parametrize("error", [OperationalError(CANARY), InterfaceError(CANARY)])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
    def test_a_database_that_cannot_be_reached_is_503(
        self,
        method: str,
        error: DatabaseError,
        call: Caller,
        administrator: Principal,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """R7."""
        failing = Failing(error, times=99)
        monkeypatch.setattr(manifests, "read", failing)
        monkeypatch.setattr(tags, "delete", failing)
        answer = call(method, MANIFEST, by=administrator)

        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        if method != "HEAD":
            assert answer.code == "UNAVAILABLE"
            assert "canary" not in answer.message
        # A read is tried once more, a change is not: it may have been made.
        assert failing.calls == (1 if method == "DELETE" else 2)

    def test_a_read_that_met_a_restart_is_answered_all_the_same(
        self, call: Caller, administrator: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """R8."""
        push_document(administrator, index(), tags=["v1"])
        failing = Failing(OperationalError("closed"), times=1, then=manifests.read)
        monkeypatch.setattr(manifests, "read", failing)

        assert call("GET", MANIFEST, by=administrator).status == 200

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_connection_that_was_cut_is_made_anew(
        self, method: str, call: Caller, administrator: Principal
    ) -> None:
        push_document(administrator, index(), tags=["v1"])
        if connection.vendor == "postgresql":  # SQLite's connection is an open file
            cut()
        answer = call(method, MANIFEST if method == "GET" else UPLOADS, by=administrator)

        assert answer.status == (200 if method == "GET" else 202)


@contextmanager
def full_disk() -> Iterator[None]:
    """All but the last three bytes of a write find room."""
    write = os.write

    def failing(descriptor: int, data: bytes) -> int:
        if len(data) <= 3:
            raise OSError(errno.ENOSPC, "No space left on device", "/secret/path")
        return write(descriptor, data[: len(data) - 3])

    with mock.patch.object(os, "write", failing):
        yield


class TestDisk:
    def test_a_full_disk_is_507_and_keeps_what_was_there(
        self, call: Caller, writer: Principal
    ) -> None:
        """R5."""
        opened = call("POST", UPLOADS, by=writer)
        path = opened.headers["Location"].removeprefix(f"http://{HOST}")
        with full_disk():
            answer = call("PATCH", path, CONTENT, by=writer)

        assert (answer.status, answer.code) == (507, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        assert "secret" not in answer.message
        assert call("GET", path, by=writer).headers["Range"] == "0-0"
        assert call("PUT", f"{path}?digest={DIGEST}", CONTENT, by=writer).status == 201

    def test_a_full_disk_leaves_nothing_of_a_blob_in_one_request(
        self, call: Caller, writer: Principal, blob_storage: FilesystemStorage
    ) -> None:
        with full_disk():
            answer = call("POST", f"{UPLOADS}?digest={DIGEST}", CONTENT, by=writer)

        assert answer.status == 507
        assert list(blob_storage.uploads()) == []

    def test_on_a_full_disk_reads_go_on(self, call: Caller, writer: Principal) -> None:
        push_blob(writer, CONTENT)
        with full_disk():
            answer = call("GET", f"/v2/{APP}/blobs/{DIGEST}", by=writer)

        assert answer.body == CONTENT

    @pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE])
    def test_a_disk_that_fails_otherwise_is_503(
        self, number: int, call: Caller, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        push_blob(writer, b"blob")
        failing = Failing(OSError(number, CANARY), times=99)
        monkeypatch.setattr(FilesystemStorage, "open_blob", failing)
        answer = call("GET", f"/v2/{APP}/blobs/{Digest.of(b'blob')}", by=writer)

        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        assert "canary" not in answer.message

    def test_a_failed_sync_acknowledges_nothing(
        self, call: Caller, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """R4."""
        digest = Digest.of(b"blob")
        monkeypatch.setattr(os, "fsync", Failing(OSError(errno.EIO, "I/O error"), times=99))
        assert call("POST", f"{UPLOADS}?digest={digest}", b"blob", by=writer).status == 503
        assert call("HEAD", f"/v2/{APP}/blobs/{digest}", by=writer).status == 404

        monkeypatch.setattr(os, "fsync", lambda _: None)
        assert call("POST", f"{UPLOADS}?digest={digest}", b"blob", by=writer).status == 201


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_mistake_of_ours_is_500_in_json_and_tells_only_the_log(
    method: str,
    call: Caller,
    administrator: Principal,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(manifests, "read", Failing(ZeroDivisionError(CANARY), times=99))
    with caplog.at_level(logging.ERROR):
        answer = call(method, MANIFEST, by=administrator)

    assert answer.status == 500
    if method == "GET":
        assert answer.code == "UNKNOWN"
        assert "canary" not in answer.message
        assert b"Traceback" not in answer.body
    assert f"{method} {MANIFEST} failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_after_a_mistake_the_next_request_is_served(
    call: Caller, administrator: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "start", Failing(ZeroDivisionError(), 1, then=uploads.start))

    assert call("POST", UPLOADS, by=administrator).status == 500
    assert call("POST", UPLOADS, by=administrator).status == 202
    assert Upload.objects.count() == 1
