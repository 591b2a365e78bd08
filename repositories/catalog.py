"""The catalog: the repositories that hold something and that a principal may see."""

from django.db.models import Exists, OuterRef

from repositories.access import Principal, reach_of
from repositories.models import Manifest


def listing(*, principal: Principal, limit: int, last: str = "") -> list[str]:
    """Up to `limit` names after `last`, which need not exist, in byte order.

    A repository without a manifest is not listed: nothing can be pulled from it.
    """
    has_any = Exists(Manifest.objects.filter(repository=OuterRef("pk")))
    # By ids: among very many others the few would be searched for in the order of names.
    found = reach_of(principal).by_ids_if_few().filter(has_any, name__gt=last)
    return list(found.order_by("name").values_list("name", flat=True)[:limit])
