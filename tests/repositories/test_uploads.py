"""Upload sessions: begun, resumed, finished, given up; whose they are; what a failure leaves."""

import uuid
from collections.abc import Callable, Iterator, Sequence

import pytest
from django.db import OperationalError, connection

from repositories import blobs, database, uploads
from repositories.access import Principal
from repositories.models import Blob, Repository, Upload
from repositories.oci.digests import Digest
from repositories.oci.errors import (
    BlobUploadBusy,
    BlobUploadUnknown,
    DigestInvalid,
    OCIError,
    RangeInvalid,
    SizeInvalid,
    TooManyRequests,
)
from repositories.storage import filesystem
from repositories.storage.filesystem import FilesystemStorage
from repositories.uploads import Chunk, Session
from tests.repositories.content import APP, push_blob

pytestmark = pytest.mark.django_db

CONTENT = b"first-second"
DIGEST = Digest.of(CONTENT)
OTHER = "payments/other"


@pytest.fixture
def session(writer: Principal) -> Session:
    """A session that holds nothing yet."""
    return uploads.start(principal=writer, repository=APP)


def append(session: Session, *pieces: bytes, start: int | None = None) -> Session:
    return uploads.append(
        repository=session.repository, upload=session.id, chunk=Chunk(pieces, start)
    )


def finish(session: Session, digest: Digest = DIGEST, *pieces: bytes) -> None:
    uploads.finish(
        repository=session.repository, upload=session.id, digest=digest, chunk=Chunk(pieces)
    )


def size(session: Session) -> int:
    return uploads.status(repository=session.repository, upload=session.id).size


def breaking_off(*pieces: bytes) -> Iterator[bytes]:
    yield from pieces
    raise SizeInvalid("the client went away")


def test_a_new_session_is_empty_and_makes_its_repository(session: Session) -> None:
    assert size(session) == 0
    assert str(uuid.UUID(session.id)) == session.id
    assert Repository.objects.get().name == APP


def test_a_session_that_cannot_be_saved_leaves_no_file(
    writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R5: the database is full."""
    later = database.later

    def full(statement: str, values: Sequence[object]) -> None:
        if "repositories_upload" in statement:
            raise OperationalError("database or disk is full")
        later(statement, values)

    monkeypatch.setattr(database, "later", full)
    with pytest.raises(OperationalError):
        uploads.start(principal=writer, repository=APP)

    assert list(disk.uploads()) == []
    assert not Repository.objects.exists()


@pytest.mark.parametrize("algorithm", ["", "md5", "SHA256"])
def test_a_session_for_an_algorithm_that_nobody_knows_is_refused(
    algorithm: str, writer: Principal
) -> None:
    with pytest.raises(DigestInvalid):
        uploads.start(principal=writer, repository=APP, algorithm=algorithm)
    assert not Upload.objects.exists()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_pushed_in_pieces_is_published(writer: Principal, algorithm: str) -> None:
    session = uploads.start(principal=writer, repository=APP, algorithm=algorithm)
    assert append(session, b"fir", b"st").size == 5
    assert append(session, b"-").size == 6
    digest = Digest.of(CONTENT, algorithm)
    finish(session, digest, b"sec", b"ond")

    assert blobs.find(repository=APP, digest=digest).size == len(CONTENT)


def test_the_digest_decides_over_the_algorithm_that_was_announced(session: Session) -> None:
    append(session, CONTENT)
    finish(session, Digest.of(CONTENT, "sha512"))

    assert blobs.find(repository=APP, digest=Digest.of(CONTENT, "sha512"))


def test_an_empty_blob_can_be_pushed(session: Session) -> None:
    finish(session, Digest.of(b""))

    assert blobs.find(repository=APP, digest=Digest.of(b"")).size == 0


def test_a_finished_session_is_gone(session: Session, disk: FilesystemStorage) -> None:
    append(session, CONTENT)
    finish(session)

    assert not Upload.objects.exists()
    assert list(disk.uploads()) == []
    with pytest.raises(BlobUploadUnknown):
        size(session)
    with pytest.raises(BlobUploadUnknown):
        append(session, b"more")
    with pytest.raises(BlobUploadUnknown):
        finish(session)


def test_a_session_for_bytes_that_are_here_already_leaves_nothing(
    session: Session, writer: Principal, disk: FilesystemStorage
) -> None:
    push_blob(writer, CONTENT, repository=OTHER)
    finish(session, DIGEST, CONTENT)

    assert blobs.find(repository=APP, digest=DIGEST)
    assert Blob.objects.count() == 1
    assert list(disk.uploads()) == []


@pytest.mark.parametrize("start", [0, 4, 6, 2**62])
def test_a_chunk_out_of_order_is_refused_and_says_where_to_go_on(
    start: int, session: Session
) -> None:
    append(session, b"first")
    with pytest.raises(RangeInvalid) as caught:
        append(session, b"again", start=start)

    assert caught.value.headers == {"Range": "0-4", "Docker-Upload-UUID": session.id}
    assert caught.value.detail == {"offset": 5}
    assert append(session, b"-second", start=5).size == len(CONTENT)


def test_a_chunk_out_of_order_is_refused_also_with_the_digest(session: Session) -> None:
    append(session, CONTENT)
    chunk = Chunk([b"x"], 3)
    with pytest.raises(RangeInvalid):
        uploads.finish(repository=APP, upload=session.id, digest=DIGEST, chunk=chunk)

    finish(session)


def test_of_a_chunk_that_breaks_off_what_came_stays(session: Session) -> None:
    with pytest.raises(SizeInvalid):
        uploads.append(repository=APP, upload=session.id, chunk=Chunk(breaking_off(b"fir", b"st")))
    assert size(session) == 5

    append(session, b"-second", start=5)
    finish(session)


@pytest.mark.parametrize(
    ("pieces", "kept"), [([b"fir"], 3), ([b"first", b"-"], 5), ([b"first-"], 0)]
)
def test_a_chunk_of_another_length_than_its_range_is_refused(
    pieces: list[bytes], kept: int, session: Session
) -> None:
    """A chunked body announces no length, so that only its end shows it."""
    with pytest.raises(SizeInvalid):
        uploads.append(repository=APP, upload=session.id, chunk=Chunk(pieces, 0, 4))
    assert size(session) == kept

    append(session, CONTENT[kept:], start=kept)
    finish(session)


def test_a_last_chunk_that_breaks_off_publishes_nothing(session: Session) -> None:
    with pytest.raises(SizeInvalid):
        uploads.finish(
            repository=APP, upload=session.id, digest=DIGEST, chunk=Chunk(breaking_off(CONTENT))
        )

    assert not Blob.objects.exists()
    assert size(session) == len(CONTENT)
    finish(session)


def test_bytes_that_hash_to_something_else_are_dropped_with_their_session(
    session: Session, disk: FilesystemStorage
) -> None:
    append(session, b"rubbish")
    with pytest.raises(DigestInvalid) as caught:
        finish(session)

    assert caught.value.detail == {"expected": str(DIGEST), "actual": str(Digest.of(b"rubbish"))}
    assert not Upload.objects.exists()
    assert not Blob.objects.exists()
    assert list(disk.uploads()) == []
    assert not disk.blob_path(DIGEST).exists()


def test_a_cancelled_session_is_gone(session: Session, disk: FilesystemStorage) -> None:
    append(session, b"first")
    uploads.cancel(repository=APP, upload=session.id)

    assert list(disk.uploads()) == []
    with pytest.raises(BlobUploadUnknown):
        size(session)
    with pytest.raises(BlobUploadUnknown):
        uploads.cancel(repository=APP, upload=session.id)


def attempts(repository: str, upload: str) -> set[type[OCIError] | None]:
    """What comes of everything that can be done with an upload id."""
    session = Session(upload, repository)
    calls: list[Callable[[], object]] = [
        lambda: size(session),
        lambda: append(session, b"theirs"),
        lambda: finish(session),
        lambda: uploads.cancel(repository=repository, upload=upload),
    ]
    return {outcome(call) for call in calls}


def outcome(call: Callable[[], object]) -> type[OCIError] | None:
    try:
        call()
    except OCIError as error:
        return type(error)
    return None


def test_a_session_is_bound_to_the_repository_it_was_opened_in(
    session: Session, writer: Principal
) -> None:
    """S14."""
    push_blob(writer, b"x", repository=OTHER)
    append(session, CONTENT)

    for repository in (OTHER, "payments/absent", "payments"):
        assert attempts(repository, session.id) == {BlobUploadUnknown}
    finish(session)


def test_only_canonical_uuid_text_names_a_session(
    session: Session, disk: FilesystemStorage
) -> None:
    append(session, CONTENT)
    id = session.id
    spellings = [
        id.upper(),
        f"{{{id}}}",
        f"urn:uuid:{id}",
        id.replace("-", ""),
        f"{id}\n",
        f" {id}",
    ]
    spellings += ["", ".", "..", "../uploads/" + id, "x" * 10_000, "\u0661" * 32]

    for spelling in spellings:
        assert attempts(APP, spelling) == {BlobUploadUnknown}
    assert [upload.id for upload in disk.uploads()] == [id]


def test_one_session_has_one_writer_at_a_time(
    session: Session, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R15."""
    monkeypatch.setattr(filesystem, "_LOCK_PATIENCE_SECONDS", 0.02)
    with disk.write_upload(session.id) as writer:
        writer.write(b"first")
        with pytest.raises(BlobUploadBusy):
            append(session, b"other")
        with pytest.raises(BlobUploadBusy):
            finish(session)
    assert size(session) == 5


def test_of_two_requests_that_finish_a_session_one_does(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(session, CONTENT)
    verify = uploads._verify

    def overtaken(*args: object) -> None:
        verify(*args)  # type: ignore[arg-type]
        Upload.objects.all().delete()  # the other request commits just now

    monkeypatch.setattr(uploads, "_verify", overtaken)
    with pytest.raises(BlobUploadUnknown):
        finish(session)
    assert not Blob.objects.exists()


def test_the_open_sessions_of_a_repository_are_limited(
    session: Session,
    writer: Principal,
    administrator: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert uploads.MAX_OPEN_PER_REPOSITORY == 1000
    monkeypatch.setattr(uploads, "MAX_OPEN_PER_REPOSITORY", 2)
    uploads.start(principal=writer, repository=APP)
    with pytest.raises(TooManyRequests) as caught:
        uploads.start(principal=administrator, repository=APP)
    assert int(caught.value.headers["Retry-After"]) > 0

    uploads.start(principal=writer, repository=OTHER)
    uploads.cancel(repository=APP, upload=session.id)
    uploads.start(principal=writer, repository=APP)


def test_the_open_sessions_of_a_user_are_limited(
    session: Session,
    writer: Principal,
    administrator: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert uploads.MAX_OPEN_PER_USER == 100
    monkeypatch.setattr(uploads, "MAX_OPEN_PER_USER", 2)
    uploads.start(principal=writer, repository=OTHER)
    with pytest.raises(TooManyRequests):
        uploads.start(principal=writer, repository="payments/third")

    uploads.start(principal=administrator, repository=OTHER)
    finish(session, Digest.of(b""))
    uploads.start(principal=writer, repository="payments/third")


def test_a_blob_in_one_request_leaves_no_session(
    writer: Principal, disk: FilesystemStorage
) -> None:
    push_blob(writer, CONTENT)

    assert blobs.find(repository=APP, digest=DIGEST).size == len(CONTENT)
    assert not Upload.objects.exists()
    assert list(disk.uploads()) == []


@pytest.mark.parametrize("content", [[b"rubbish"], breaking_off(CONTENT)], ids=["wrong", "short"])
def test_a_blob_in_one_request_that_fails_leaves_nothing(
    content: list[bytes], writer: Principal, disk: FilesystemStorage
) -> None:
    with pytest.raises((DigestInvalid, SizeInvalid)):
        uploads.push_whole(principal=writer, repository=APP, digest=DIGEST, content=content)

    assert not Blob.objects.exists()
    assert list(disk.uploads()) == []
    assert not disk.blob_path(DIGEST).exists()


@pytest.mark.django_db(transaction=True)
def test_while_bytes_stream_there_is_no_transaction_and_no_connection(writer: Principal) -> None:
    """I6: a slow client must not hold what others need."""
    seen: list[bool] = []

    def streaming() -> Iterator[bytes]:
        seen.append(connection.in_atomic_block)
        if connection.vendor == "postgresql":  # SQLite's connection is an open file
            seen.append(connection.connection is not None)
        yield CONTENT

    session = uploads.start(principal=writer, repository=APP)
    uploads.append(repository=APP, upload=session.id, chunk=Chunk(streaming()))
    uploads.finish(
        repository=APP, upload=session.id, digest=Digest.of(CONTENT * 2), chunk=Chunk(streaming())
    )
    uploads.push_whole(principal=writer, repository=APP, digest=DIGEST, content=streaming())

    assert len(seen) >= 3
    assert not any(seen)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("length", "is_kept"), [(1024 * 1024, True), (1024 * 1024 + 1, False), (None, False)]
)
def test_only_a_chunk_that_is_here_at_once_is_waited_for_with_the_connection(
    length: int | None, is_kept: bool, writer: Principal
) -> None:
    """Connecting again costs more than a small chunk does."""
    seen: list[bool] = []

    def streaming() -> Iterator[bytes]:
        seen.append(connection.connection is not None)
        yield CONTENT

    session = uploads.start(principal=writer, repository=APP)
    chunk = Chunk(streaming(), length=length)
    uploads.append(repository=APP, upload=session.id, chunk=chunk)

    assert seen == [is_kept or connection.vendor != "postgresql"]
