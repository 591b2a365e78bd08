"""The repositories that a principal may see, with what has been going on in them."""

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from repositories.access import Principal, ids_if_few, visible_to
from repositories.models import Repository

# Of more that match, a page is found soon in any order.
MOST_LOOKED_UP = 1_000


def listing(*, principal: Principal, text: str = "", team: str = "") -> QuerySet[Repository]:
    """The repositories that `principal` may pull from, in the order of their names.

    `text` is what the name contains, `team` a whole name. Each row has its `team`, `pushed_at`,
    `pull_count`, `pulled_at`, and `bytes` and `unique_bytes` as they were last measured: None where
    they never were (`usage.live_sizes` knows).
    """
    visible = visible_to(principal)
    if not principal.is_unlimited:
        few = ids_if_few(visible)
        visible = Repository.objects.filter(pk__in=few) if isinstance(few, list) else visible
    found = visible.select_related("team")
    if text or team:
        found = found.filter(_named(text.lower(), team))
    sizes = {"bytes": F("usage__bytes"), "unique_bytes": F("usage__unique_bytes")}
    return found.annotate(**sizes).order_by("name")


def _named(text: str, team: str) -> Q:
    """What the filters mean. Few repositories are looked up first: whatever the order, their index
    is looked through for them once, and not every row there is."""
    named = Q(name__contains=text) if text else Q()
    if team:
        named &= Q(team__name=team)
    ids = list(Repository.objects.filter(named).values_list("pk", flat=True)[: MOST_LOOKED_UP + 1])
    return Q(pk__in=ids) if len(ids) <= MOST_LOOKED_UP else named


def by_last_push(found: QuerySet[Repository]) -> QuerySet[Repository]:
    """The same, those first that were pushed to last, which `latest` has.

    A repository without a manifest stands where it was made: its first push is under way.
    """
    return found.annotate(latest=Coalesce("pushed_at", "created_at")).order_by("-latest", "-pk")
