"""The catalog: the repositories that hold something and that a principal may see."""

from django.db.models import Exists, OuterRef

from repositories.access import Principal, reach_of
from repositories.database import fetch
from repositories.memory import REGISTRY, Names, remembered
from repositories.models import Manifest
from repositories.oci.names import MAX_NAME_BYTES

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
        # What could be no name is not worth remembering, of which somebody could send any number.
        look_up = _remembered_page if len(last) <= MAX_NAME_BYTES else _page
        return look_up(repository=REGISTRY, page=(limit, last)).listed()
    has_any = Exists(Manifest.objects.filter(repository=OuterRef("pk")))
    # By ids: among very many others the few would be searched for in the order of names.
    found = reach.by_ids_if_few().filter(has_any, name__gt=last)
    return list(found.order_by("name").values_list("name", flat=True)[:limit])


def _page(*, repository: str, page: tuple[int, str]) -> Names:
    limit, last = page
    return Names.of(name for (name,) in fetch(f"{_ALL} {limit:d}", [last]))


_remembered_page = remembered(by="page")(_page)
