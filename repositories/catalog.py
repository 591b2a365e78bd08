"""The catalog: the repositories that hold something and that a principal may see."""

from django.db.models import Exists, OuterRef

from repositories.access import Principal, visible_to
from repositories.models import Manifest


def listing(*, principal: Principal, limit: int, last: str = "") -> list[str]:
    """Up to `limit` names after `last`, which need not exist, in byte order.

    A repository without a manifest is not listed: nothing can be pulled from it.
    """
    repositories = visible_to(principal).filter(
        Exists(Manifest.objects.filter(repository=OuterRef("pk"))), name__gt=last
    )
    return list(repositories.order_by("name").values_list("name", flat=True)[:limit])
