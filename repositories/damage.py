"""Damaged blobs: looked at again and marked, their files set apart, healed by the next push.

A blob that is marked is not served, is mounted from nowhere, and no manifest is taken that names
it. So clients push it again, and whoever links it has it back: see `blobs.publish`.

Whoever found a blob damaged has read it without any lock, and what they have read may be gone by
now: pushed anew, or collected. So `confirm` locks the digest, as pushes and the collector do, and
looks whether storage and the row are still what they were. A push that comes first has healed it;
one that comes after finds the mark.

The file is moved before the mark is committed. Whoever dies between the two leaves a row without
its file, which clients are told by `HEAD`, and which the next look finds.
"""

import logging
from enum import Enum
from functools import partial

from django.db import transaction

from repositories import read_only
from repositories.access import Principal
from repositories.audit import record
from repositories.database import execute, fetch, for_update, lock_digest, now
from repositories.memory import forget_on_commit
from repositories.models import ScrubFinding
from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.base import BlobMissing

_ROW = "SELECT id, damaged_at FROM repositories_blob WHERE digest = %s {lock}"
_MARK = "UPDATE repositories_blob SET damaged_at = %s WHERE id = %s"
_HEAL = "UPDATE repositories_blob SET damaged_at = NULL, size = %s WHERE id = %s"
_HEAL_LINKS = "UPDATE repositories_bloblink SET size = %s WHERE blob_id = %s AND size <> %s"
_LINKING = """
SELECT repository.name FROM repositories_bloblink AS link
JOIN repositories_repository AS repository ON repository.id = link.repository_id
WHERE link.blob_id = %s
"""
_HEALED = """
UPDATE repositories_scrubfinding SET healed_at = %s
WHERE target = %s AND healed_at IS NULL
"""

logger = logging.getLogger(__name__)


class Outcome(Enum):
    """What a second look at a blob that seemed to be damaged has shown."""

    GONE = "there is no row any more"
    OTHER = "storage holds something else by now"
    CONFIRMED = "it is damaged, and is served all the same"
    MARKED = "it is damaged, and not served until it is pushed again"


def fingerprint(digest: Digest) -> str:
    """What tells the bytes that are stored from others; empty when there are none."""
    try:
        return storage().fingerprint(digest)
    except BlobMissing:
        return ""


def confirm(
    *,
    principal: Principal,
    digest: Digest,
    seen: str,
    kind: ScrubFinding.Kind,
    is_repairing: bool,
) -> Outcome:
    """Look again at a blob that was found damaged when storage held what the fingerprint `seen`
    says; mark it and set its file apart, if `is_repairing` and the registry is not read-only.

    Holds the digest's lock until the transaction ends, the caller's if there is one. Raises
    OSError.
    """
    with transaction.atomic():
        is_repairing = is_repairing and not read_only.is_on_held()
        lock_digest(digest)
        rows = fetch(_ROW.format(lock=for_update()), [str(digest)])
        if not rows:
            return Outcome.GONE
        if fingerprint(digest) != seen:
            return Outcome.OTHER
        id, damaged_at = rows[0]
        if is_repairing and (seen or damaged_at is None):
            _mark(principal, id, digest, kind, has_file=bool(seen))
            return Outcome.MARKED
        return Outcome.CONFIRMED if damaged_at is None else Outcome.MARKED


def _mark(
    principal: Principal, id: int, digest: Digest, kind: ScrubFinding.Kind, *, has_file: bool
) -> None:
    names = _linking(id)
    if has_file:
        storage().quarantine(digest)
    execute(_MARK, [now(), id])
    forget_on_commit(*names)
    action = "blob.quarantine" if has_file else "blob.lost"
    record(principal, action, str(digest), found=kind.value, repositories=len(names))
    text = "the blob %s is %s: %s; %d repositories link it, and have it again when it is pushed"
    done = "its file is in quarantine" if has_file else "it is not served any more"
    transaction.on_commit(partial(logger.error, text, digest, kind.value, done, len(names)))


def heal(*, blob_id: int, digest: Digest, size: int) -> None:
    """Take the mark off a blob whose right bytes are stored. Inside a transaction, digest locked.

    Also where it was not marked, but had lost its bytes.
    """
    names = _linking(blob_id)
    execute(_HEAL, [size, blob_id])
    execute(_HEAL_LINKS, [size, blob_id, size])
    execute(_HEALED, [now(), str(digest)])
    forget_on_commit(*names)
    text = "the blob %s is healed: %d repositories serve it again"
    transaction.on_commit(partial(logger.warning, text, digest, len(names)))


def heal_if_same(*, digest: Digest, seen: str, size: int) -> bool:
    """Take the mark off a blob whose file was put back: its bytes were right when storage held
    what the fingerprint `seen` says; whether that still holds."""
    with transaction.atomic():
        lock_digest(digest)
        rows = fetch(_ROW.format(lock=for_update()), [str(digest)])
        if not rows or not seen or fingerprint(digest) != seen:
            return False
        if rows[0][1] is not None:
            storage().confirm(digest)
            heal(blob_id=rows[0][0], digest=digest, size=size)
        return True


def _linking(blob_id: int) -> list[str]:
    return [name for (name,) in fetch(_LINKING, [blob_id])]
