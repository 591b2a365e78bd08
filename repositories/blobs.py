"""Blobs of a repository: found, linked, mounted, unlinked."""

from typing import NamedTuple

from django.db import transaction
from django.db.models import ProtectedError

from repositories import damage, quotas, read_only, reviews
from repositories.access import (
    Action,
    Principal,
    allowed,
    name_unknown,
    require_source,
)
from repositories.audit import record
from repositories.database import again_on_conflict, fetch, locking, now, writing
from repositories.first_push import make_later
from repositories.limits import Limits
from repositories.memory import forget_on_commit, remembered
from repositories.models import BlobLink
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobInUse, BlobUnknown
from repositories.postgresql.turns import Rows, Statement
from repositories.quotas import Fill
from repositories.reviews import Kind
from repositories.storage import storage
from repositories.storage.base import BlobMissing, UploadWriter

# One indexed look-up for the hottest question there is: may this repository serve this blob? By the
# ids of both: joined by their names, PostgreSQL may go through all repositories that link a blob
# everybody builds upon.
_FIND = """
SELECT link.size, link.id, EXISTS (
    SELECT 1 FROM repositories_manifestblob AS part WHERE part.link_id = link.id
)
FROM repositories_bloblink AS link
WHERE link.repository_id = (
    SELECT repository.id FROM repositories_repository AS repository WHERE repository.name = %s
) AND link.blob_id = (
    SELECT blob.id FROM repositories_blob AS blob
    WHERE blob.digest = %s AND blob.damaged_at IS NULL
)
"""
# Where a blob may be mounted from. A named source is looked up in the same way.
_NAMED_SOURCE = """
SELECT link.blob_id, link.size, CAST(%s AS text)
FROM repositories_bloblink AS link
WHERE link.blob_id = (
    SELECT blob.id FROM repositories_blob AS blob
    WHERE blob.digest = %s AND blob.damaged_at IS NULL
) AND link.repository_id = (
    SELECT repository.id FROM repositories_repository AS repository WHERE repository.name = %s
)
"""
# With no source named, a few candidates are enough: each costs a look at its permissions.
_ANY_SOURCE = """
SELECT link.blob_id, link.size, repository.name
FROM repositories_blob AS blob
JOIN repositories_bloblink AS link ON link.blob_id = blob.id
JOIN repositories_repository AS repository ON repository.id = link.repository_id
WHERE blob.digest = %s AND blob.damaged_at IS NULL LIMIT 20
"""
_NEW_BLOB = """
INSERT INTO repositories_blob (digest, size, created_at) VALUES (%s, %s, %s)
ON CONFLICT (digest) DO NOTHING RETURNING id
"""
_OLD_BLOB = "SELECT id, damaged_at FROM repositories_blob WHERE digest = %s"
# Why a blob was not found: the repository, and whether it links one that is damaged.
_WHY = """
SELECT EXISTS (
    SELECT 1 FROM repositories_blob AS blob
    JOIN repositories_bloblink AS link ON link.blob_id = blob.id
    WHERE blob.digest = %s AND link.repository_id = repository.id
) FROM repositories_repository AS repository WHERE repository.name = %s
"""
_LINK = """
INSERT INTO repositories_bloblink (repository_id, blob_id, size, created_at)
VALUES ((SELECT id FROM repositories_repository WHERE name = %s), %s, %s, %s)
ON CONFLICT (repository_id, blob_id) DO UPDATE SET created_at = excluded.created_at RETURNING id
"""


class FoundBlob(NamedTuple):
    """A blob that a repository may serve; `size` in bytes. Some image there may be made of it."""

    digest: Digest
    size: int
    link_id: int
    is_used: bool


class Published(NamedTuple):
    """Whether the upload's bytes became the blob, or storage had them already; and the fullest
    quota, if it is nearly full."""

    is_used: bool
    fill: Fill | None


@remembered(by="digest")
def find(*, repository: str, digest: Digest) -> FoundBlob:
    """The blob, if `repository` links it. Raises BlobUnknown, NameUnknown."""
    rows = fetch(_FIND, [repository, str(digest)])
    if not rows:
        raise _unknown(repository, digest)
    size, link_id, is_used = rows[0]
    return FoundBlob(digest, size, link_id, bool(is_used))


def renew(*, principal: Principal, repository: str, blob: FoundBlob) -> None:
    """Keep the blob for somebody who asks whether it is here before they push an image with it.

    That is who may push. What an image is made of already needs no more. Raises BlobUnknown,
    NameUnknown when it has just been collected.
    """
    if blob.is_used or Action.PUSH not in allowed(principal=principal, name=repository):
        return
    if not reviews.renew(Kind.LINK, blob.link_id):
        raise _unknown(repository, blob.digest)


def _unknown(repository: str, digest: Digest) -> Exception:
    rows = fetch(_WHY, [str(digest), repository])
    if not rows:
        return name_unknown(repository)
    if rows[0][0]:
        return lost(digest)
    return BlobUnknown(
        "blob unknown to this repository: push it, or mount it from one that has it",
        detail={"digest": str(digest)},
    )


def lost(digest: Digest) -> BlobUnknown:
    """What clients are told of a blob that is linked, and damaged or missing."""
    return BlobUnknown(
        "the bytes of this blob are lost: push it again to heal every image that uses it",
        detail={"digest": str(digest)},
    )


def claiming(digest: Digest, size: int) -> list[Statement]:
    """The statements that `publish` goes on from: they lock the digest, and make the blob's row
    where there is none.

    A collector that is about to remove the same blob is either done, and the file is put back, or
    waits and finds the row.
    """
    row = [str(digest), size, now()]
    return [*locking(digest), (_NEW_BLOB, row), (_OLD_BLOB, [str(digest)])]


def publish(
    *, held: Limits, digest: Digest, writer: UploadWriter, claimed: list[Rows]
) -> Published:
    """Make the upload, which is synced and hashes to `digest`, a blob of the repository.

    Runs inside the caller's transaction, which holds the limits and has run `claiming`. A blob that
    is damaged or lost is healed for every repository that links it (see `damage`). Raises
    QuotaExceeded, before the upload is touched, and OSError.
    """
    made, ((blob_id, damaged_at),) = claimed[-2:]
    fill = link(held=held, blob_id=blob_id, size=writer.size)
    is_new = damaged_at is not None or not _is_stored(digest, writer.size)
    if is_new:
        writer.publish(digest)
    else:
        storage().confirm(digest)
    if is_new and not made:
        damage.heal(blob_id=blob_id, digest=digest, size=writer.size)
    return Published(is_new, fill)


def _is_stored(digest: Digest, size: int) -> bool:
    """Whether storage has the blob, if need be taken back from the trash."""
    try:
        return storage().blob_size(digest) == size
    except BlobMissing:
        return storage().restore(digest) and storage().blob_size(digest) == size


def link(*, held: Limits, blob_id: int, size: int) -> Fill | None:
    """Let the repository serve the blob of `size` bytes, and count it; the fullest quota, if it is
    nearly full. Inside the transaction that holds the limits. Raises QuotaExceeded.

    A link that is there is written again: so a collector that is about to remove it is either done,
    and it is made anew, or waits and finds it renewed.
    """
    fill = quotas.charge(held, blob_id=blob_id, size=size)
    # Clients push blobs first. What no image turns out to be made of is looked at later.
    reviews.nominate_made(Kind.LINK, _LINK, [held.repository, blob_id, size, now()])
    return fill


@again_on_conflict
def mount(*, principal: Principal, repository: str, source: str, digest: Digest) -> bool:
    """Link a blob of `source` into `repository` (end-11); whether that could be done.

    With no `source`, any repository that the principal may read will do. A mount that cannot be
    done says nothing of why: the source may be private. The caller has made sure that the
    principal may push to `repository`. Raises InsufficientScope when a token that was asked for
    with `source` as well might do it, ReadOnly, QuotaExceeded.
    """
    require_source(principal=principal, name=source)
    # No lock: the new link's foreign key does not let the blob go (see `again_on_conflict`).
    with writing():
        held, (sources,) = read_only.hold_and_fetch(repository, _sources(source, digest))
        for blob_id, size, name in sources:
            if principal.is_unlimited or Action.PULL in allowed(principal=principal, name=name):
                make_later(principal=principal, held=held)
                link(held=held, blob_id=blob_id, size=size)
                return True
    return False


def _sources(name: str, digest: Digest) -> Statement:
    """What finds the blob's id, its size in bytes, and a repository that links it: the one of that
    name, or any where it is empty."""
    if not name:
        return _ANY_SOURCE, [str(digest)]
    return _NAMED_SOURCE, [name, str(digest), name]


@again_on_conflict
def unlink(*, principal: Principal, repository: str, digest: Digest) -> None:
    """Take the blob out of the repository (end-10).

    Raises BlobUnknown, NameUnknown, ReadOnly, and BlobInUse while a manifest there is made of it.
    """
    with transaction.atomic():
        read_only.hold(repository)
        found = BlobLink.objects.filter(repository__name=repository, blob__digest=str(digest))
        link_row = found.first()
        if link_row is None:
            raise _unknown(repository, digest)
        try:
            link_row.delete()
        except ProtectedError as error:
            user = next(iter(error.protected_objects))
            manifest = user.manifest.digest  # type: ignore[attr-defined]
            raise BlobInUse(
                f"the manifest {manifest} is made of this blob: delete that first",
                detail={"digest": str(digest), "manifest": manifest},
            ) from error
        reviews.nominate(Kind.BLOB, [link_row.blob_id])
        forget_on_commit(repository)
        record(principal, "blob.delete", f"{repository}@{digest}")
