"""The passes of the scrub: where the one under way is, who is at it, and what it has found.

One process at a time works on a pass. Its claim stands for some time after its last sign of life;
a person's command takes it from the background job at once, which notices when it next saves.
"""

import os
import platform
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Max, Q, Sum
from django.utils import timezone

from repositories.models import Blob, Manifest, ScrubFinding, ScrubPass

CLAIM = timedelta(minutes=2)
# A process that is in the middle of a large blob comes back to it: another would begin it anew.
HALF_READ = timedelta(minutes=10)
# Before a new registry is scrubbed for the first time: what was just pushed has just been hashed.
FIRST_AFTER = timedelta(days=1)
_JOB, _COMMAND = "job", "command"
_SAVED = (
    *("looked_at", "stage", "position", "blobs", "bytes", "manifests"),
    *("foreign_files", "unlinked", "withheld"),
)


class Busy(Exception):
    """Somebody else is at the pass."""


class TakenOver(Exception):
    """Somebody else is at the pass, which was ours: nothing more may be written to it."""


def holder(*, is_command: bool) -> str:
    """A name for a process that works on a pass."""
    kind = _COMMAND if is_command else _JOB
    return f"{kind} {platform.node()[:30]} {os.getpid()} {secrets.token_hex(4)}"


def _latest() -> ScrubPass | None:
    """The pass that is under way, or else the last one."""
    return ScrubPass.objects.order_by("-number").first()


def is_due(*, every: timedelta) -> bool:
    """Whether there is something to do: a pass is under way, or the last one began so long ago."""
    last = _latest()
    if last:
        return last.finished_at is None or last.started_at < timezone.now() - every
    oldest = Blob.objects.order_by("pk").values_list("created_at", flat=True).first()
    return oldest is not None and oldest < timezone.now() - FIRST_AFTER


def begin() -> ScrubPass:
    """The pass that is under way, or a new one."""
    last = _latest()
    if last and not last.finished_at:
        return last
    number = last.number + 1 if last else 1
    blobs = Blob.objects.aggregate(last=Max("pk"), bytes=Sum("size"))
    manifests = Manifest.objects.aggregate(last=Max("pk"))
    ScrubPass.objects.bulk_create(
        [
            ScrubPass(
                number=number,
                last_blob=blobs["last"] or 0,
                last_manifest=manifests["last"] or 0,
                expected_blobs=Blob.objects.count(),
                expected_bytes=blobs["bytes"] or 0,
            )
        ],
        ignore_conflicts=True,
    )
    return ScrubPass.objects.get(number=number)


def claim(row: ScrubPass, name: str) -> None:
    """Be the one who works on the pass; with what it has come to by now. Raises Busy."""
    now = timezone.now()
    free = Q(claimed_until=None) | Q(claimed_until__lt=now) | Q(claimed_by=name)
    if name.startswith(_COMMAND):
        free |= Q(claimed_by__startswith=_JOB)
    rows = ScrubPass.objects.filter(free, pk=row.pk, finished_at=None)
    if not rows.update(claimed_by=name, claimed_until=now + CLAIM):
        raise Busy
    row.refresh_from_db()


def save(row: ScrubPass) -> None:
    """Write down how far the pass has come, and that somebody is still at it. Raises TakenOver."""
    row.looked_at = timezone.now()
    _update(row, claimed_until=row.looked_at + CLAIM)


def let_go(row: ScrubPass, *, is_half_read: bool = False) -> None:
    """Write down how far it has come, and let others go on. Raises TakenOver."""
    row.looked_at = timezone.now()
    _update(row, claimed_until=row.looked_at + HALF_READ if is_half_read else None)


def finish(row: ScrubPass) -> None:
    """The pass is done, and the ones before it are forgotten. Raises TakenOver."""
    row.looked_at = row.finished_at = timezone.now()
    _update(row, finished_at=row.finished_at, claimed_until=None, claimed_by="")
    ScrubPass.objects.filter(number__lt=row.number).delete()


def abandon(row: ScrubPass) -> None:
    """Forget the pass, which has been claimed, and what it has found."""
    ScrubPass.objects.filter(pk=row.pk, claimed_by=row.claimed_by).delete()


def _update(row: ScrubPass, **others: Any) -> None:
    values = {name: getattr(row, name) for name in _SAVED} | others
    if not ScrubPass.objects.filter(pk=row.pk, claimed_by=row.claimed_by).update(**values):
        raise TakenOver


def record(findings: Iterable[ScrubFinding]) -> None:
    """Write down what was found, once: whoever looks again replaces it."""
    ScrubFinding.objects.bulk_create(
        findings,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["scrub", "kind", "target"],
        update_fields=["detail", "hits", "size", "found_at", "marked_at", "healed_at"],
    )
