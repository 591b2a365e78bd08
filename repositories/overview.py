"""The repositories that a principal may see, with what has been going on in them."""

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from accounts.models import Team
from repositories import names
from repositories.access import Principal, reach_of
from repositories.models import Repository


def listing(*, principal: Principal, text: str = "", team: str = "") -> QuerySet[Repository]:
    """The repositories that `principal` may pull from, in the order of their names.

    `text` is what the name contains (see `names.containing`), `team` a whole name. Each row has its
    `team`, `pushed_at`, `pull_count`, `pulled_at`, and `bytes` and `unique_bytes` as they were last
    measured: None where they never were (`usage.live_sizes` knows).
    """
    visible = reach_of(principal).by_ids_if_few()
    found = visible.select_related("team")
    if team:
        # Its id first: each order has an index that begins with it.
        found = found.filter(team__in=list(Team.objects.filter(name=team).values_list("pk")))
    return _with_sizes(found.filter(names.containing(text.lower())))


def of_team(*, team: Team) -> QuerySet[Repository]:
    """The same rows for one team, all of whose repositories its members may pull from.

    The caller has made sure, by `accounts.permissions.visible_team`, that the principal is one of
    them or an administrator.
    """
    found = Repository.objects.select_related("team")
    return _with_sizes(found.filter(team=team.pk))


def _with_sizes(found: QuerySet[Repository]) -> QuerySet[Repository]:
    sizes = {"bytes": F("usage__bytes"), "unique_bytes": F("usage__unique_bytes")}
    return found.annotate(**sizes).order_by("name")


def by_last_push(found: QuerySet[Repository]) -> QuerySet[Repository]:
    """The same, those first that were pushed to last, which `latest` has.

    A repository without a manifest stands where it was made: its first push is under way.
    """
    return found.annotate(latest=Coalesce("pushed_at", "created_at")).order_by("-latest", "-pk")
