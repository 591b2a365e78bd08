"""What is in the registry, in a few figures, as far as a principal may know."""

from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Subquery, Sum

from repositories import usage
from repositories.access import Principal, reach_of
from repositories.models import StorageSample

# Repositories are counted up to here, which stays quick. Whoever sees everything is told of more as
# they were last measured.
MOST = 1_000


class Summary(NamedTuple):
    """`repositories` that may be pulled from, with `has_more` at least so many.

    `images` and `bytes` are those last measured of the whole registry if `is_everything`, else of
    the principal's teams; None where nothing was measured or there is no team.
    """

    repositories: int
    has_more: bool
    images: int | None
    bytes: int | None
    is_everything: bool


def of(*, principal: Principal) -> Summary:
    """The figures for `principal`; two queries for who sees everything, three for others."""
    try:
        whole = usage.totals(principal=principal)
    except PermissionDenied:
        return _of_teams(principal)
    count = _count(principal)
    images, size = (whole.manifests, whole.bytes) if whole else (None, None)
    if whole and count > MOST and whole.repositories > MOST:
        return Summary(whole.repositories, False, images, size, is_everything=True)
    return Summary(min(count, MOST), count > MOST, images, size, is_everything=True)


def _count(principal: Principal) -> int:
    """MOST + 1 where there are more."""
    reach = reach_of(principal)
    few = reach.few(most=MOST)
    if few is not None:
        return len(few)
    return reach.repositories[: MOST + 1].count() if reach.ways is None else MOST + 1


def _of_teams(principal: Principal) -> Summary:
    count = _count(principal)
    samples = StorageSample.objects.filter(
        team__in=usage.by_team(principal=principal).order_by().values("team"),
        day=Subquery(_of_all().values("day")[:1]),
    )
    sums = samples.aggregate(images=Sum("manifests"), size=Sum("bytes"))
    return Summary(min(count, MOST), count > MOST, sums["images"], sums["size"], False)


def measured_at() -> datetime | None:
    """When storage was last measured; None before the first time."""
    return _of_all().values_list("measured_at", flat=True).first()


def _of_all() -> QuerySet[StorageSample]:
    return StorageSample.objects.filter(team=None).order_by("-day")
