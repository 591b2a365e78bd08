"""What the scrub has found, for administrators: by the command, the page and the API alike."""

import heapq
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet

from accounts.permissions import require_admin
from repositories.access import Principal
from repositories.models import ScrubFinding, ScrubPass
from repositories.storage import storage
from repositories.storage.base import StoredBlob

MOST_FILES = 50

_FIGURES = (
    *("number", "started_at", "looked_at", "finished_at", "stage", "blobs", "bytes"),
    *("expected_blobs", "expected_bytes", "manifests", "foreign_files", "unlinked", "withheld"),
)
_FACTS = ("kind", "is_damage", "target", "size", "detail", "found_at", "marked_at", "healed_at")


class Quarantine(NamedTuple):
    """The files that were set apart: the latest of them, how many there are, and their bytes."""

    latest: tuple[StoredBlob, ...]
    files: int
    bytes: int


def passes(*, principal: Principal) -> list[ScrubPass]:
    """The pass under way and the one before it, as far as there are; the newest first.

    Each with `damages`, of which `healed`, and `notices`: how many there are. Administrators only.
    Raises PermissionDenied.
    """
    require_admin(principal)
    damages = Q(findings__is_damage=True)
    rows = ScrubPass.objects.order_by("-number").annotate(
        damages=Count("findings", filter=damages),
        healed=Count("findings", filter=damages & Q(findings__healed_at__isnull=False)),
        notices=Count("findings", filter=~damages & Q(findings__isnull=False)),
    )
    return list(rows[:2])


def findings(
    *, principal: Principal, number: int | None = None, is_damage: bool | None = None
) -> QuerySet[ScrubFinding]:
    """What the pass of that number has found, or all passes that are remembered.

    Administrators only. Raises PermissionDenied.
    """
    require_admin(principal)
    rows = ScrubFinding.objects.order_by("pk")
    if number is not None:
        rows = rows.filter(scrub__number=number)
    return rows if is_damage is None else rows.filter(is_damage=is_damage)


def quarantine(*, principal: Principal) -> Quarantine:
    """Administrators only. Raises PermissionDenied."""
    require_admin(principal)
    tally = {"files": 0, "bytes": 0}

    def counted() -> Iterator[StoredBlob]:
        for blob in storage().quarantined():
            tally["files"] += 1
            tally["bytes"] += blob.size
            yield blob

    latest = heapq.nlargest(MOST_FILES, counted(), key=attrgetter("modified"))
    return Quarantine(tuple(latest), **tally)


def figures_of(row: ScrubPass) -> dict[str, Any]:
    """A pass as JSON has it."""
    return {name: getattr(row, name) for name in _FIGURES}


def facts_of(finding: ScrubFinding) -> dict[str, Any]:
    """A finding as JSON has it."""
    return {**{name: getattr(finding, name) for name in _FACTS}, **finding.hits}
