"""The collector: removes what nothing needs, while everybody goes on pushing and pulling.

Whatever takes a need away nominates rows (`reviews`). When nobody has nominated or renewed one for
as long as the grace is, the collector alone decides, row by row, each in a transaction of its own:

- a manifest goes, where the settings say so, that no tag leads to: not itself, not an index that
  lists it, not its subject, and nothing tagged that refers to it;
- a link of a repository to a blob goes that no image there is made of;
- a blob goes that no repository links: its row, and then its file, to the trash.

It locks the digest, as pushes of it do, then the row, then the review, and looks again at all that
could need the row. Foreign keys, which are checked at commit, stand behind that: a manifest that
comes to need a link at the same moment either is seen, or finds the link gone and is refused.

A blob's row is deleted and committed before its file is touched: see `trash`.
"""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from repositories import deleted, needs, read_only, reviews
from repositories.access import Principal
from repositories.audit import record
from repositories.database import (
    execute,
    fetch,
    for_update,
    give_way,
    lock_digest,
    pieces,
    placeholders,
)
from repositories.memory import forget_on_commit
from repositories.models import Blob, BlobLink, Manifest, Review
from repositories.oci.digests import Digest
from repositories.oci.errors import ReadOnly
from repositories.reviews import Kind
from repositories.trash import Progress, Tally, nothing, set_aside

# For the audit log and the history.
COLLECTOR = Principal(name="garbage collection", credential="job")

# Why rows stay.
USED = "blobs that images are made of"
LINKED = "blobs that repositories link"
ARCHIVED = "rows of archived repositories"

_PIECE = 500
_LONGEST_PAUSE = timedelta(days=1)
# Until a repository that is archived is looked at again.
_PAUSE_OF_ARCHIVED = timedelta(hours=1)
# Who would be kept by more manifests than this is kept without looking at the others.
_MOST_KEEPERS = 10_000

_REVIEW = """
SELECT nominated_at FROM repositories_review
WHERE id = %s AND nominated_at <= %s {lock}
"""
_LINK = """
SELECT blob.digest, repository.name, blob.id
FROM repositories_bloblink AS link
JOIN repositories_blob AS blob ON blob.id = link.blob_id
JOIN repositories_repository AS repository ON repository.id = link.repository_id
WHERE link.id = %s
"""
_MANIFEST = """
SELECT manifest.digest, repository.name, repository.id
FROM repositories_manifest AS manifest
JOIN repositories_repository AS repository ON repository.id = manifest.repository_id
WHERE manifest.id = %s
"""
_BLOB = "SELECT digest, size FROM repositories_blob WHERE id = %s"
# Led to by a tag, or in use without one.
_ROOTS = """
SELECT 1 FROM repositories_manifest AS manifest
WHERE manifest.id IN {ids} AND (
    manifest.pushed_at > %s OR manifest.pulled_at > %s
    OR EXISTS (SELECT 1 FROM repositories_tag AS tag WHERE tag.manifest_id = manifest.id)
) LIMIT 1
"""
_TAGGED_REFERRERS = """
SELECT 1 FROM repositories_manifest AS manifest
JOIN repositories_manifest AS referrer ON referrer.subject = manifest.digest
    AND referrer.repository_id = manifest.repository_id AND NOT (referrer.subject = '')
JOIN repositories_tag AS tag ON tag.manifest_id = referrer.id
WHERE manifest.id IN {ids} LIMIT 1
"""
logger = logging.getLogger(__name__)


class _Due(NamedTuple):
    """A review whose grace is over."""

    id: int
    target: int
    nominated_at: datetime


def collect(
    *,
    grace: timedelta,
    seconds: float | None = None,
    insist: bool = False,
    progress: Progress = nothing,
) -> Tally:
    """Decide on everything whose grace is over, for so many seconds at most.

    Of these each kind of row has its share: many of one do not keep the others waiting. What failed
    before is tried when its pause is over, or now to `insist`. Where the registry is read-only, or
    becomes it meanwhile, nothing more is done; what archived repositories have stays.
    """
    tally, began = Tally(), time.monotonic()
    for number, (kind, decide) in enumerate(_DECISIONS.items(), start=1):
        share = None if seconds is None else seconds * number / len(_DECISIONS)
        for due in _due(kind, _limit(kind, grace), insist=insist):
            if share is not None and time.monotonic() - began > share:
                break
            start = time.monotonic()
            try:
                _try(kind, due, decide, tally)
            except ReadOnly:
                return tally
            give_way(since=start)
            progress()
    return tally


def _limit(kind: Kind, grace: timedelta) -> datetime:
    """Who was nominated then, or before, is due."""
    untagged = timedelta(days=settings.GARBAGE_UNTAGGED)
    return timezone.now() - (max(grace, untagged) if kind is Kind.MANIFEST else grace)


def due_targets(kind: Kind, grace: timedelta) -> list[int]:
    """The ids of the rows that `collect` would look at now, if it insisted."""
    due = Review.objects.filter(kind=kind, nominated_at__lte=_limit(kind, grace))
    return list(due.order_by("target").values_list("target", flat=True))


def _due(kind: Kind, limit: datetime, *, insist: bool) -> Iterator[_Due]:
    """The reviews that are due, also those that come while we are at it: those first that have
    waited longest, in the order of an index, which ends where the others begin."""
    rows = Review.objects.filter(kind=kind, nominated_at__lte=limit).order_by("nominated_at", "pk")
    if not insist:
        rows = rows.exclude(retry_at__gt=timezone.now())
    rest = rows
    while piece := list(rest.values_list("pk", "target", "nominated_at")[:_PIECE]):
        yield from (_Due(*row) for row in piece)
        last, _, at = piece[-1]
        rest = rows.filter(nominated_at__gte=at).exclude(nominated_at=at, pk__lte=last)


def _try(kind: Kind, due: _Due, decide: "_Decision", tally: Tally) -> None:
    try:
        decide(due, tally)
    except ReadOnly as error:
        if error.is_of_registry:
            raise
        tally.kept[ARCHIVED] += 1
        again = timezone.now() + _PAUSE_OF_ARCHIVED
        Review.objects.filter(pk=due.id).update(retry_at=again)
    except (DatabaseError, OSError) as error:
        logger.warning("the %s %d could not be collected: %s", kind.value, due.target, error)
        tally.kept["failed, and tried again later"] += 1
        failures = Review.objects.filter(pk=due.id).values_list("failures", flat=True).first() or 0
        pause = min(timedelta(minutes=2 ** min(failures, 12)), _LONGEST_PAUSE)
        Review.objects.filter(pk=due.id).update(
            failures=failures + 1, retry_at=timezone.now() + pause
        )


def _is_due(due: _Due) -> bool:
    """Whether the review is still there and nobody renews it, and lock it. Inside a transaction."""
    lock = f"{for_update()} SKIP LOCKED" if for_update() else ""
    at = connection.ops.adapt_datetimefield_value(due.nominated_at)
    return bool(fetch(_REVIEW.format(lock=lock), [due.id, at]))


def _lock(rows: QuerySet[Any], id: int) -> bool:
    """Lock a row; whether it is there."""
    return bool(rows.select_for_update().filter(pk=id).values_list("pk"))


def _end(due: _Due) -> None:
    execute("DELETE FROM repositories_review WHERE id = %s", [due.id])


def _decide_on_manifest(due: _Due, tally: Tally) -> None:
    found = fetch(_MANIFEST, [due.target])
    with transaction.atomic():
        read_only.hold(found[0][1] if found else "")
        # The row alone: whoever pushes to the repository needs that one.
        is_there = _lock(Manifest.objects.all(), due.target)
        rows = fetch(_MANIFEST, [due.target])
        if not _is_due(due):
            return
        _end(due)
        if not is_there or not rows:
            return
        digest, name, repository_id = rows[0]
        if reason := why_needed(repository_id, due.target):
            tally.kept[reason] += 1
            return
        _remove_manifest(due, repository_id)
        record(COLLECTOR, "manifest.delete", f"{name}@{digest}")
        forget_on_commit(name)
    tally.manifests += 1


def _remove_manifest(due: _Due, repository_id: int) -> None:
    """Delete the manifest; what only it kept has waited as long as it has. Inside a transaction.

    But for its links, of which the grace begins anew where the delete can be undone meanwhile.
    """
    record = deleted.of_this_run(
        principal=COLLECTOR, repository_id=repository_id, kind=deleted.Kind.UNTAGGED
    )
    deleted.keep_manifests(record, [due.target])
    links = fetch(
        "SELECT link_id FROM repositories_manifestblob WHERE manifest_id = %s", [due.target]
    )
    since = due.nominated_at if record is None else None
    reviews.nominate(Kind.LINK, [link for (link,) in links], since=since)
    kept = needs.kept_by(repository_id, [due.target])
    reviews.nominate(Kind.MANIFEST, kept, since=due.nominated_at)
    Manifest.objects.only("pk").get(pk=due.target).delete()


def why_needed(repository_id: int, manifest: int) -> str:
    """Why a manifest stays; empty when nothing needs it."""
    if not reviews.removes_untagged():
        return "manifests are kept without tags"
    days = timedelta(days=settings.GARBAGE_UNTAGGED)
    used = connection.ops.adapt_datetimefield_value(timezone.now() - days)
    seen, new = {manifest}, {manifest}
    while new:
        ids = sorted(new)
        if len(seen) > _MOST_KEEPERS:
            return "kept by very many manifests"
        for piece in pieces(ids):
            marks = placeholders(len(piece))
            if fetch(_ROOTS.format(ids=marks), [*piece, used, used]) or fetch(
                _TAGGED_REFERRERS.format(ids=marks), piece
            ):
                return "manifests that are tagged, or needed by one that is, or in use"
        keepers = needs.keepers(repository_id, new)
        new = {keeper for found in keepers.values() for keeper in found} - seen
        seen |= new
    return ""


def _decide_on_link(due: _Due, tally: Tally) -> None:
    found = fetch(_LINK, [due.target])
    with transaction.atomic():
        read_only.hold(found[0][1] if found else "")
        if found:
            lock_digest(Digest.parse(found[0][0]))
        is_there = _lock(BlobLink.objects.all(), due.target)
        if not _is_due(due):
            return
        _end(due)
        if not is_there:
            return
        if fetch(
            "SELECT 1 FROM repositories_manifestblob WHERE link_id = %s LIMIT 1", [due.target]
        ):
            tally.kept[USED] += 1
            return
        _, name, blob = found[0]
        execute("DELETE FROM repositories_bloblink WHERE id = %s", [due.target])
        reviews.nominate(Kind.BLOB, [blob], since=due.nominated_at)
        forget_on_commit(name)
    tally.links += 1


def _decide_on_blob(due: _Due, tally: Tally) -> None:
    found = fetch(_BLOB, [due.target])
    with transaction.atomic():
        read_only.hold("")
        if found:
            lock_digest(Digest.parse(found[0][0]))
        is_there = _lock(Blob.objects.all(), due.target)
        if not _is_due(due):
            return
        _end(due)
        if not is_there:
            return
        if fetch("SELECT 1 FROM repositories_bloblink WHERE blob_id = %s LIMIT 1", [due.target]):
            tally.kept[LINKED] += 1
            return
        execute("DELETE FROM repositories_blob WHERE id = %s", [due.target])
    tally.blobs += 1
    tally.trashed_bytes += set_aside(Digest.parse(found[0][0])) or 0


_Decision = Callable[[_Due, Tally], None]
_DECISIONS: dict[Kind, _Decision] = {
    Kind.MANIFEST: _decide_on_manifest,
    Kind.LINK: _decide_on_link,
    Kind.BLOB: _decide_on_blob,
}
