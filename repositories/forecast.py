"""What the collector would remove now, without removing it."""

from collections import Counter
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from repositories import garbage, leases, needs, previews, trash
from repositories.database import pieces
from repositories.models import Blob, BlobLink, Manifest
from repositories.reviews import Kind
from repositories.storage import storage
from repositories.trash import Progress, Tally, nothing

Row = TypeVar("Row", Manifest, BlobLink)


def forecast(*, grace: timedelta, progress: Progress = nothing) -> Tally:
    """What a run with `insist` would say, if nobody changed anything meanwhile.

    What nobody has nominated yet is no part of it.
    """
    tally, now = Tally(), timezone.now()
    manifests = _manifests(grace, tally)
    links = _links(grace, manifests, tally)
    sizes = _blobs(grace, links, tally)
    tally.manifests, tally.links, tally.blobs = len(manifests), len(links), len(sizes)
    for shard in range(trash.SHARDS):
        for blob in trash.strays(shard, before=now - grace):
            if storage().is_shared():
                tally.kept[trash.SHARED] += 1
            else:
                tally.strays += 1
                tally.trashed_bytes += blob.size
        progress()
    tally.trashed_bytes += sum(sizes.values())
    _purge(tally, grace, now)
    return tally


def _purge(tally: Tally, grace: timedelta, now: datetime) -> None:
    discarded = [blob.size for blob in storage().trash() if blob.modified < now - grace]
    count, size = len(discarded), sum(discarded)
    if not grace:  # what is moved to the trash now leaves it now
        count, size = count + tally.blobs + tally.strays, size + tally.trashed_bytes
    if leases.is_held():
        tally.kept += Counter({trash.BACKED_UP: count})
    else:
        tally.purged, tally.purged_bytes = count, size


def _manifests(grace: timedelta, tally: Tally) -> set[int]:
    """Those that nothing needs, with what only they keep."""
    going: set[int] = set()
    due = garbage.due_targets(Kind.MANIFEST, grace)
    found = (_open(Manifest.objects.filter(pk__in=ids), tally) for ids in pieces(due))
    rows = (row for each in found for row in each.values_list("pk", "repository_id"))
    for id, repository in rows:
        reason = garbage.why_needed(repository, id)
        if reason:
            tally.kept[reason] += 1
            continue
        for kept in (row.id for row in previews.below(repository, [id])):
            if kept not in going and not garbage.why_needed(repository, kept):
                going.add(kept)
    return going


def _open(rows: QuerySet[Row], tally: Tally) -> QuerySet[Row]:
    """Those outside of archived repositories, in which nothing goes."""
    if archived := rows.filter(repository__limits__is_archived=True).count():
        tally.kept[garbage.ARCHIVED] += archived
    return rows.exclude(repository__limits__is_archived=True)


def _links(grace: timedelta, manifests: set[int], tally: Tally) -> set[int]:
    # What manifests leave behind waits once more, while they can be brought back by an undo.
    waits = bool(grace and settings.GARBAGE_GRACE)
    going = set() if waits else needs.links_only_of(manifests)
    for ids in pieces(garbage.due_targets(Kind.LINK, grace)):
        rows = _open(BlobLink.objects.filter(pk__in=ids), tally)
        unused = set(rows.filter(uses=None).values_list("pk", flat=True))
        used = set(rows.exclude(uses=None).values_list("pk", flat=True)) - going
        if used:
            tally.kept[garbage.USED] += len(used)
        going |= unused
    return going


def _blobs(grace: timedelta, links: set[int], tally: Tally) -> dict[int, int]:
    sizes = needs.blobs_only_of(links)
    for ids in pieces(garbage.due_targets(Kind.BLOB, grace)):
        rows = Blob.objects.filter(pk__in=ids)
        sizes |= dict(rows.filter(links=None).values_list("pk", "size"))
        linked = set(rows.exclude(links=None).values_list("pk", flat=True)) - sizes.keys()
        if linked:
            tally.kept[garbage.LINKED] += len(linked)
    return sizes
