"""The repositories that a principal may see, with what has been going on in them."""

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from accounts.models import Team
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
        found = found.filter(_by_ids_if_few(_named(text.lower(), team)))
    return _with_sizes(found)


def of_team(*, team: Team) -> QuerySet[Repository]:
    """The same rows for one team, all of whose repositories its members may pull from.

    The caller has made sure, by `accounts.permissions.visible_team`, that the principal is one of
    them or an administrator.
    """
    found = Repository.objects.select_related("team")
    return _with_sizes(found.filter(_by_ids_if_few(Q(team=team))))


def _with_sizes(found: QuerySet[Repository]) -> QuerySet[Repository]:
    sizes = {"bytes": F("usage__bytes"), "unique_bytes": F("usage__unique_bytes")}
    return found.annotate(**sizes).order_by("name")


def _named(text: str, team: str) -> Q:
    """What the filters mean."""
    named = Q(name__contains=text) if text else Q()
    return named & Q(team__name=team) if team else named


def _by_ids_if_few(condition: Q) -> Q:
    """Few repositories are looked up first: whatever the order, their index is looked through for
    them once, and not every row there is."""
    found = Repository.objects.filter(condition).values_list("pk", flat=True)
    ids = list(found[: MOST_LOOKED_UP + 1])
    return Q(pk__in=ids) if len(ids) <= MOST_LOOKED_UP else condition


def by_last_push(found: QuerySet[Repository]) -> QuerySet[Repository]:
    """The same, those first that were pushed to last, which `latest` has.

    A repository without a manifest stands where it was made: its first push is under way.
    """
    return found.annotate(latest=Coalesce("pushed_at", "created_at")).order_by("-latest", "-pk")
