"""Upload sessions: opened, appended to, asked after, finished, cancelled.

Those that nobody goes on with are purged by `stale_uploads`.

The row says that a session exists and whose it is; storage says how far it has come. Bytes stream
outside of any transaction and without a database connection (invariant I6).
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from django.db import DatabaseError, transaction

from repositories import database, quotas, read_only
from repositories.access import Principal
from repositories.blobs import claiming, publish
from repositories.first_push import make_later
from repositories.limits import Limits
from repositories.models import Upload
from repositories.oci.digests import CANONICAL, Digest, validate_algorithm
from repositories.oci.errors import (
    BlobUploadBusy,
    BlobUploadUnknown,
    DigestInvalid,
    RangeInvalid,
    SizeInvalid,
    TooManyRequests,
)
from repositories.postgresql.turns import Rows, Statement
from repositories.quotas import Fill, Room
from repositories.storage import storage
from repositories.storage.base import UploadBusy, UploadGone, UploadWriter

MAX_OPEN_PER_REPOSITORY = 1000
MAX_OPEN_PER_USER = 100
_QUICK_BYTES = 1024 * 1024

# Each blob that is pushed asks all of these.
_OPEN = """
SELECT (SELECT COUNT(*) FROM (
    SELECT 1 FROM repositories_upload WHERE repository_id = (
        SELECT repository.id FROM repositories_repository AS repository WHERE repository.name = %s
    ) LIMIT %s
) AS here), (SELECT COUNT(*) FROM (
    SELECT 1 FROM repositories_upload WHERE started_by = %s LIMIT %s
) AS theirs)
"""
_START = """
INSERT INTO repositories_upload (id, repository_id, started_by, algorithm, started_at)
VALUES (%s, (SELECT id FROM repositories_repository WHERE name = %s), %s, %s, %s)
"""
_FIND = """
SELECT upload.algorithm FROM repositories_upload AS upload
JOIN repositories_repository AS repository ON repository.id = upload.repository_id
WHERE upload.id = %s AND repository.name = %s
"""
_CLOSE = "DELETE FROM repositories_upload WHERE id = %s RETURNING id"


@dataclass(frozen=True, slots=True)
class Session:
    """An upload session and how many bytes it holds."""

    id: str
    repository: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a request brings: its bytes, and where it says that they belong (ends inclusive)."""

    content: Iterable[bytes | memoryview]  # a piece lasts until the next but one is asked for
    start: int | None = None
    end: int | None = None
    length: int | None = None  # in bytes, where the request says it

    @property
    def is_quick(self) -> bool:
        """Whether it will be here so soon that the database connection may wait for it."""
        return self.length is not None and self.length <= _QUICK_BYTES


class _Row(NamedTuple):
    """A session's row."""

    id: str
    algorithm: str


@database.again_on_conflict
def start(*, principal: Principal, repository: str, algorithm: str = CANONICAL) -> Session:
    """Open a session (end-4a, end-4c), making the repository on its first push.

    The caller has made sure that the principal may push. Raises DigestInvalid for an algorithm that
    is not known, TooManyRequests when too many sessions are open, ReadOnly, QuotaExceeded.
    """
    validate_algorithm(algorithm)
    # Of nobody in particular there may be any number.
    theirs = 0 if principal.is_anonymous else MAX_OPEN_PER_USER
    values = [repository, MAX_OPEN_PER_REPOSITORY, principal.name, theirs]
    found, (((here, own),),) = read_only.check_and_fetch(repository, (_OPEN, values))
    quotas.require_open(found)
    _require_fewer("this repository", here, MAX_OPEN_PER_REPOSITORY)
    _require_fewer("you", own, theirs)
    upload = str(uuid.uuid4())
    storage().create_upload(upload)
    try:
        with database.writing():
            make_later(principal=principal, held=found)
            row = [_key(upload), repository, principal.name, algorithm, database.now()]
            database.later(_START, row)
    except DatabaseError:
        storage().delete_upload(upload)
        raise
    return Session(upload, repository)


def _key(upload: str) -> str:
    """The session's id as this database has it in a statement that is written out."""
    return uuid.UUID(upload).hex if database.is_sqlite() else upload


def _require_fewer(whose: str, count: int, most: int) -> None:
    """Return when one more session may be open; with 0, any number. Raises TooManyRequests."""
    if most and count >= most:
        raise TooManyRequests(
            f"{most} uploads of {whose} are open: finish or cancel some, or wait until stale "
            "ones are purged",
            headers={"Retry-After": "60"},
        )


def status(*, repository: str, upload: str) -> Session:
    """How far a session has come (end-13). Raises BlobUploadUnknown."""
    _find(repository, upload)
    try:
        return Session(upload, repository, storage().upload_size(upload))
    except UploadGone as error:
        raise _upload_unknown(upload) from error


def append(*, repository: str, upload: str, chunk: Chunk) -> Session:
    """Add a chunk to a session (end-5); what it holds then is durable.

    When the chunk breaks off, what came of it stays, and `status` tells the client where to go on.
    Raises BlobUploadUnknown, BlobUploadBusy, RangeInvalid, ReadOnly, QuotaExceeded as soon as no
    blob of the size could be kept, OSError, and whatever reading the chunk raises.
    """
    found, row = _check_and_find(repository, upload)
    room = Room(found)
    with _writing(row, chunk) as writer:
        _receive(writer, chunk, upload, room)
        return Session(upload, repository, writer.size)


def finish(*, repository: str, upload: str, digest: Digest, chunk: Chunk) -> Fill | None:
    """Close a session with its last bytes, if any, and publish it as `digest` (end-6).

    Returns the fullest quota, if it is nearly full. An upload that does not hash to `digest` is
    dropped: no further byte could mend it. One that is refused for a limit stays, and can be
    finished later. Raises DigestInvalid, and what `append` raises.
    """
    found, row = _check_and_find(repository, upload)
    room = Room(found, digest)
    with _writing(row, chunk) as writer:
        _receive(writer, chunk, upload, room)
        try:
            _verify(writer, digest)
        except DigestInvalid:
            database.execute(_CLOSE, [_key(upload)])
            raise
        return _publish(writer, repository, digest, row=row)


def push_whole(
    *,
    principal: Principal,
    repository: str,
    digest: Digest,
    content: Iterable[bytes | memoryview],
    length: int | None = None,
) -> Fill | None:
    """Take a blob in one request (end-4b); the fullest quota, if it is nearly full.

    Raises DigestInvalid, ReadOnly, QuotaExceeded, OSError, and what reading raises.
    """
    found = read_only.check(repository)
    room = Room(found, digest)
    room.require(length or 0)
    chunk = Chunk(content, length=length)
    if not chunk.is_quick:
        database.release()
    upload = str(uuid.uuid4())
    storage().create_upload(upload, durable=False)  # nobody could resume it
    try:
        with storage().write_upload(upload, digest.algorithm) as writer:
            _receive(writer, chunk, upload, room)
            _verify(writer, digest)
            return _publish(writer, repository, digest, principal=principal)
    finally:
        storage().delete_upload(upload)


def cancel(*, repository: str, upload: str) -> None:
    """Give a session up (end-14). Raises BlobUploadUnknown, ReadOnly."""
    row = _find(repository, upload)
    with transaction.atomic():
        read_only.hold(repository)
        database.execute(_CLOSE, [_key(row.id)])
    storage().delete_upload(upload)


def _find(repository: str, upload: str) -> _Row:
    """The session, if it was opened in `repository`. Raises BlobUploadUnknown."""
    return _found(upload, database.fetch(*_session(repository, upload)))


def _check_and_find(repository: str, upload: str) -> tuple[Limits, _Row]:
    """The same, and the limits that are checked first. Raises ReadOnly, BlobUploadUnknown."""
    limits, (rows,) = read_only.check_and_fetch(repository, _session(repository, upload))
    return limits, _found(upload, rows)


def _session(repository: str, upload: str) -> Statement:
    """What finds a session. Only canonical UUID text names one."""
    try:
        is_canonical = str(uuid.UUID(upload)) == upload
    except ValueError:
        is_canonical = False
    return _FIND, [_key(upload) if is_canonical else None, repository]


def _found(upload: str, rows: Rows) -> _Row:
    if not rows:
        raise _upload_unknown(upload)
    row = _Row(upload, *rows[0])
    try:
        storage().upload_size(upload)
    except UploadGone:
        _begin_anew(row)
    return row


def _begin_anew(row: _Row) -> None:
    """Give a session that has lost its bytes an empty file. Raises BlobUploadUnknown.

    Its server was killed after it had moved the file to where blobs are and before it could commit,
    or a sync failed. Where another request is just publishing it, that one holds the row: we wait,
    and find the session closed.
    """
    with transaction.atomic():
        if not list(Upload.objects.select_for_update().filter(id=row.id)):
            raise _upload_unknown(row.id)
        with suppress(FileExistsError):
            storage().create_upload(row.id)


def _upload_unknown(upload: str) -> BlobUploadUnknown:
    return BlobUploadUnknown(
        "this repository has no such upload: it was finished, cancelled or purged; start another",
        detail={"upload": upload[:64]},
    )


@contextmanager
def _writing(row: _Row, chunk: Chunk) -> Iterator[UploadWriter]:
    upload = row.id
    if not chunk.is_quick:
        database.release()
    try:
        with storage().write_upload(upload, row.algorithm) as writer:
            yield writer
    except UploadGone as error:
        raise _upload_unknown(upload) from error
    except UploadBusy as error:
        raise BlobUploadBusy(
            "another request is writing to this upload: wait for it, then ask for the status"
        ) from error


def _receive(writer: UploadWriter, chunk: Chunk, upload: str, room: Room) -> None:
    if chunk.start is not None and chunk.start != writer.size:
        raise RangeInvalid(
            f"the upload holds {writer.size} bytes, so the next chunk starts there, not at "
            f"{chunk.start}",
            detail={"offset": writer.size},
            headers={"Range": f"0-{max(writer.size - 1, 0)}", "Docker-Upload-UUID": upload},
        )
    room.require(writer.size + (chunk.length or 0))
    try:
        for piece in chunk.content:
            room.require(writer.size + len(piece))
            if chunk.end is not None and writer.size + len(piece) > chunk.end + 1:
                raise _wrong_length(chunk, "more")
            writer.write(piece)
    finally:
        writer.sync()
    if chunk.end is not None and writer.size != chunk.end + 1:
        raise _wrong_length(chunk, "fewer")


def _wrong_length(chunk: Chunk, how: str) -> SizeInvalid:
    return SizeInvalid(
        f"{how} bytes came than the Content-Range {chunk.start}-{chunk.end} has: ask for the "
        "upload's status and go on from there"
    )


def _verify(writer: UploadWriter, digest: Digest) -> None:
    actual = writer.digest(digest.algorithm)
    if actual != digest:
        size = writer.size
        writer.discard()
        raise DigestInvalid(
            f"the {size} bytes that arrived hash to {actual}: push the blob again",
            detail={"expected": str(digest), "actual": str(actual)},
        )


def _publish(
    writer: UploadWriter,
    repository: str,
    digest: Digest,
    *,
    row: _Row | None = None,
    principal: Principal | None = None,
) -> Fill | None:
    """Publish in one transaction. It removes the session's row, if it has one, as one of two racing
    requests can; a principal without a session may make the repository. Raises BlobUploadUnknown.
    """
    closing = [(_CLOSE, [_key(row.id)])] if row else []
    with database.writing():
        held, found = read_only.hold_and_fetch(repository, *closing, *claiming(digest, writer.size))
        if row and not found[0]:
            raise _upload_unknown(row.id)
        if principal:
            make_later(principal=principal, held=held)
        published = publish(held=held, digest=digest, writer=writer, claimed=found)
    if not published.is_used:
        writer.discard()
    return published.fill
