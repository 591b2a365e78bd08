"""What limits writes, found by one look: who pulls never looks, and pays nothing.

Whoever writes calls `hold` first in its transaction: a lock that all writers share. Whoever changes
a limit calls `change`, which waits for those that are under way and keeps the next ones waiting. So
nothing is committed under limits that were not in force any more, on any host.
"""

from typing import Any, NamedTuple

from django.db.models import Exists, QuerySet

from repositories import database
from repositories.models import RegistryMode, Repository
from repositories.oci.names import team_of
from repositories.postgresql.turns import Rows, Statement

_LIMITS = """
SELECT mode.is_read_only, limits.is_archived, limits.immutable_tags, common.immutable_tags,
    team.id, common.quota, common.used, repository.id, limits.quota, limits.used
FROM (SELECT 1 AS one) AS single
LEFT JOIN repositories_registrymode AS mode ON mode.id = single.one
LEFT JOIN repositories_repository AS repository ON repository.name = %s
LEFT JOIN repositories_repositorylimits AS limits ON limits.repository_id = repository.id
LEFT JOIN accounts_team AS team ON team.name = %s
LEFT JOIN repositories_teamlimits AS common ON common.team_id = team.id
"""


class Quota(NamedTuple):
    """How many bytes a team or a repository may have; `used` is at least what it has."""

    is_team: bool
    id: int  # the team's or the repository's
    name: str
    most: int
    used: int


class Limits(NamedTuple):
    """What holds for writes to one repository, which need not exist yet."""

    repository: str
    repository_id: int | None  # where there is such a repository
    team_id: int | None  # where there is its team
    is_read_only: bool  # the whole registry, by its switch
    is_archived: bool
    patterns: tuple[str, ...]  # of tags that are immutable
    quotas: tuple[Quota, ...]  # the team's before the repository's: they are locked in that order


def hold(repository: str) -> Limits:
    """The limits, which stay as they are until the transaction ends. Its first statement.

    With an empty name: those of the registry alone.
    """
    return hold_and_fetch(repository)[0]


def hold_and_fetch(repository: str, *statements: Statement) -> tuple[Limits, list[Rows]]:
    """The same, and the rows of statements that are run under the limits, whatever these are."""
    (row,), *found = database.fetch_holding(_query(repository), *statements)
    return _limits(repository, *row), found


def change() -> None:
    """Wait for all who hold limits, and keep others waiting. The first thing in a transaction."""
    database.lock_limits()


def look_and_fetch(repository: str, *statements: Statement) -> tuple[Limits, list[Rows]]:
    """The limits as they are now, which may change at once, and the rows of other look-ups."""
    (row,), *found = database.fetch_each(_query(repository), *statements)
    return _limits(repository, *row), found


def look(repository: str) -> Limits:
    """The limits as they are now; they may change at once."""
    return look_and_fetch(repository)[0]


def _query(repository: str) -> Statement:
    return _LIMITS, [repository, team_of(repository)]


def _limits(
    repository: str,
    is_read_only: bool | None,
    is_archived: bool | None,
    own_tags: str | None,
    common_tags: str | None,
    *rest: Any,
) -> Limits:
    team = team_of(repository)
    team_id, team_most, team_used, id, most, used = rest
    quotas = []
    if team_most is not None:
        quotas.append(Quota(is_team=True, id=team_id, name=team, most=team_most, used=team_used))
    if most is not None:
        quotas.append(Quota(is_team=False, id=id, name=repository, most=most, used=used))
    patterns = _together(common_tags, own_tags)
    return Limits(
        repository, id, team_id, bool(is_read_only), bool(is_archived), patterns, tuple(quotas)
    )


def _together(*texts: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pattern for text in texts for pattern in (text or "").split()))


class Shown(NamedTuple):
    """What pages tell of the limits of a repository."""

    is_read_only: bool
    is_archived: bool
    patterns: tuple[str, ...]


def with_limits(rows: QuerySet[Repository]) -> QuerySet[Repository]:
    """The same rows, with what `shown` tells of them, in the same query."""
    is_on = Exists(RegistryMode.objects.filter(is_read_only=True))
    return rows.select_related("limits", "team__limits").annotate(is_registry_read_only=is_on)


def shown(row: Repository) -> Shown:
    """What is to be told of a repository; a query, unless the row is one of `with_limits`."""
    if not hasattr(row, "is_registry_read_only"):
        row = with_limits(Repository.objects.all()).get(pk=row.pk)
    own, common = getattr(row, "limits", None), getattr(row.team, "limits", None)
    patterns = _together(*(limits.immutable_tags for limits in (common, own) if limits))
    is_on = bool(row.is_registry_read_only)  # type: ignore[attr-defined]
    return Shown(is_on, bool(own and own.is_archived), patterns)
