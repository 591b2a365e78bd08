"""The catalog: the repositories that hold something and that a principal may see."""

from django.db.models import Exists, OuterRef

from repositories.access import Principal, reach_of
from repositories.database import fetch
from repositories.models import Manifest

# For who may see everything. Whatever the values are, it goes by the index of names, and looks for
# one manifest of each: with the number in it, no plan gathers all names first.
_ALL = """
SELECT repository.name FROM repositories_repository AS repository
WHERE repository.name > %s AND (
    SELECT manifest.id FROM repositories_manifest AS manifest
    WHERE manifest.repository_id = repository.id LIMIT 1
) IS NOT NULL ORDER BY repository.name LIMIT
"""


def listing(*, principal: Principal, limit: int, last: str = "") -> list[str]:
    """Up to `limit` names after `last`, which need not exist, in byte order.

    A repository without a manifest is not listed: nothing can be pulled from it.
    """
    reach = reach_of(principal)
    if reach.is_everything:
        return [name for (name,) in fetch(f"{_ALL} {limit:d}", [last])]
    has_any = Exists(Manifest.objects.filter(repository=OuterRef("pk")))
    # By ids: among very many others the few would be searched for in the order of names.
    found = reach.by_ids_if_few().filter(has_any, name__gt=last)
    return list(found.order_by("name").values_list("name", flat=True)[:limit])
