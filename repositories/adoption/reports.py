"""What is told of taking a tree over: how far it is, what is in its way, and what came of it."""

import os
from dataclasses import dataclass, field

from django.db.models import Count, Q, Sum

from repositories.adoption.findings import Finding
from repositories.models import AdoptedRepository, Adoption
from repositories.storage import storage


class AdoptionError(Exception):
    """What stands in the way of taking a tree over, and what to do about it."""


class Progress:
    """How far the work is, for whoever watches; this one is for nobody."""

    def begin(self, what: str, total: int) -> None:
        """Another piece of work of so many steps."""

    def advance(self) -> None:
        """One more of them is done."""

    def read(self, count: int) -> None:
        """So many bytes of blobs were read, which may take a while."""


@dataclass(slots=True)
class Report:
    """What there is of a tree in Berth, or would be; blobs by their files, `bytes` of those."""

    root: str
    is_dry_run: bool = False
    was_finished: bool = False  # before: nothing was done
    repositories: int = 0
    manifests: int = 0
    tags: int = 0
    blobs: int = 0
    bytes: int = 0
    garbage: int = 0  # files that no record names
    left: int = 0  # links that are left where they are
    findings: list[Finding] = field(default_factory=list)


def report_of(row: Adoption, *, was_finished: bool = False) -> Report:
    """What is known of a tree that was taken over."""
    done = AdoptedRepository.objects.filter(adoption=row).order_by("name")
    sums = done.aggregate(
        count=Count("pk", filter=Q(is_empty=False)),
        manifests=Sum("manifests"),
        tags=Sum("tags"),
        left=Sum("left"),
    )
    found = done.exclude(findings=[]).values_list("findings", flat=True)
    return Report(
        root=row.root or os.fspath(storage().root),  # type: ignore[attr-defined]  # is a folder
        was_finished=was_finished,
        repositories=sums["count"],
        manifests=sums["manifests"] or 0,
        tags=sums["tags"] or 0,
        blobs=row.blobs,
        bytes=row.bytes,
        garbage=row.garbage,
        left=sums["left"] or 0,
        findings=[Finding.load(facts) for part in (row.findings, *found) for facts in part],
    )
