"""A repository's tags in the orders that pages show, and its manifests that no tag leads to."""

from enum import StrEnum
from typing import Any

from django.db.models import Count, Exists, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from repositories.models import Manifest, ManifestChild, Repository, Tag

# In a repository with more manifests, counting the untagged ones would keep a page waiting.
COUNTED = 1_000


class Order(StrEnum):
    """How tags are sorted; each by an index of its own, for keyset pages.

    Sizes are not among them: they are counted for the tags of one page, and stand in no index.
    """

    PUSHED = "pushed"  # the newest first
    NAME = "name"
    PULLED = "pulled"  # the last pulled first
    UNUSED = "unused"  # the other way: for those who want to tidy up


def listing(*, repository: Repository, order: Order, text: str = "") -> QuerySet[Tag]:
    """The tags whose name contains `text`, whatever its case.

    A tag that was never pulled stands where it was made (`used_at`).
    """
    rows = Tag.objects.filter(repository=repository).select_related(None)
    if text:
        rows = rows.filter(name__icontains=text)
    if order is Order.NAME:
        return rows.order_by("name")
    if order is Order.PUSHED:
        return rows.order_by("-pushed_at", "-pk")
    rows = rows.annotate(used_at=Coalesce("pulled_at", "created_at"))
    return (
        rows.order_by("used_at", "pk")
        if order is Order.UNUSED
        else rows.order_by("-used_at", "-pk")
    )


def untagged(*, repository: Repository) -> QuerySet[Manifest]:
    """The manifests that stand alone, by digest.

    No tag names them, no index of the repository lists them, and they refer to no other.
    """
    return _alone(repository.manifests.filter(subject="")).order_by("digest")


def with_untagged(repositories: QuerySet[Repository]) -> QuerySet[Any]:
    """The repositories with `untagged_count`, and `looked_at`: of how many manifests, at most.

    `looked_at` is COUNTED + 1 where there are more.
    """
    some = Manifest.objects.filter(repository=OuterRef(OuterRef("pk"))).values("pk")[: COUNTED + 1]
    rows = Manifest.objects.filter(pk__in=some)
    return repositories.annotate(
        untagged_count=_count(_alone(rows.filter(subject=""))), looked_at=_count(rows)
    )


def _alone(rows: QuerySet[Manifest]) -> QuerySet[Manifest]:
    parents = ManifestChild.objects.filter(
        digest=OuterRef("digest"), parent__repository=OuterRef("repository")
    )
    tags = Tag.objects.filter(manifest=OuterRef("pk"))
    return rows.filter(~Exists(tags), ~Exists(parents))


def _count(rows: QuerySet[Manifest]) -> Coalesce:
    of_one = rows.order_by().values("repository")
    numbers = of_one.annotate(number=Count("pk", output_field=IntegerField()))
    return Coalesce(Subquery(numbers.values("number")), 0)
