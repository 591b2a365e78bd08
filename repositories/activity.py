"""What happened in the repositories that a principal may see, the newest first.

Two tables tell of it: `TagChange` and `Pull`. Of each a page is read in the order of an index, and
both are merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL

from repositories.access import Principal, reach_of
from repositories.models import Pull, Repository, TagChange

# Whoever sees few repositories has each of them looked into by its own index. For the others the
# newest events of all are looked through, this many for each page.
WINDOW = 5_000
# How a page's `next` looks.
CURSOR = r"[0-9]{1,17}\.[01]\.[0-9]{1,17}"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


# What a `pk__in` takes: ids, or a query that finds them.
_Ids = list[int] | RawSQL | QuerySet[Any, Any]


class Kind(StrEnum):
    """What happened. A tag moves when it comes to name another manifest."""

    PUSHED = "pushed"
    MOVED = "moved"
    DELETED = "deleted"
    PULLED = "pulled"


class _Position(NamedTuple):
    """An event's place in the feed: by time, at the same time tags before pulls, then by id."""

    at: datetime
    source: int
    pk: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What `str()` gave; None for anything else."""
        parts = text.split(".")
        is_sound = all(part.isascii() and part.isdecimal() and len(part) <= 17 for part in parts)
        if len(parts) != 3 or not is_sound or parts[1] not in ("0", "1"):
            return None
        return cls(_EPOCH + int(parts[0]) * _MICROSECOND, int(parts[1]), int(parts[2]))

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // _MICROSECOND}.{self.source}.{self.pk}"

    @property
    def rank(self) -> tuple[datetime, int, int]:
        return (self.at, -self.source, self.pk)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a tag, or to a manifest that was pulled by its digest."""

    position: _Position
    kind: Kind
    repository: str
    tag: str  # empty: pulled by digest
    digest: str  # empty: the tag was deleted
    previous: str  # the digest that the tag named before, if any
    by: str  # empty: nobody who had signed in
    count: int = 1  # of pulls

    @property
    def at(self) -> datetime:
        return self.position.at


@dataclass(frozen=True, slots=True)
class Page:
    """Events, the newest first, and where the next page begins: empty on the last.

    There may be fewer events than asked for on a page that is not the last, even none: of the
    newest in the whole registry the principal may see no more.
    """

    events: list[Event]
    next: str


class _Scope(NamedTuple):
    """Whose events: of the `few` repositories, else of those `visible`, else of all."""

    few: list[int] | None
    visible: QuerySet[Repository] | None


def feed(*, principal: Principal, repository: str = "", after: str = "", limit: int = 50) -> Page:
    """Pushes, moves and deletes of tags, and pulls; of one repository, if named.

    `after` is the `next` of the page before; what is none begins with the newest. Raises
    Repository.DoesNotExist.
    """
    scope, start = _scope(principal, repository), _Position.parse(after)
    found: list[Event] = []
    horizons: list[_Position] = []
    for source, read in enumerate((_tag_changes, _pulls)):
        events, horizon = read(source, scope, start, limit + 1)
        found += events
        horizons += [horizon] if horizon else []
    found.sort(key=lambda event: event.position.rank, reverse=True)
    # Behind the nearer horizon one of the tables was not looked at.
    horizon = max(horizons, key=lambda position: position.rank, default=None)
    if horizon is not None:
        found = [event for event in found if event.position.rank >= horizon.rank]
    if len(found) > limit:
        return Page(found[:limit], str(found[limit - 1].position))
    return Page(found, str(horizon) if horizon else "")


def _scope(principal: Principal, repository: str) -> _Scope:
    """Raises Repository.DoesNotExist."""
    reach = reach_of(principal)
    if repository:
        return _Scope([reach.repositories.get(name=repository).pk], None)
    if principal.is_unlimited:
        return _Scope(None, None)
    few = reach.few()
    return _Scope(few, reach.repositories if few is None else None)


def _tag_changes(
    source: int, scope: _Scope, start: _Position | None, limit: int
) -> tuple[list[Event], _Position | None]:
    ids, horizon = _newest(TagChange.objects.all(), "changed_at", source, scope, start, limit)
    before = TagChange.objects.filter(
        repository=OuterRef("repository"), name=OuterRef("name"), pk__lt=OuterRef("pk")
    ).order_by("-pk")
    rows = TagChange.objects.filter(pk__in=ids).select_related("repository")
    rows = rows.annotate(previous=Subquery(before.values("digest")[:1]))
    return [_tag_event(source, row, row.previous or "") for row in rows], horizon


def _tag_event(source: int, row: TagChange, previous: str) -> Event:
    kind = Kind.MOVED if previous else Kind.PUSHED
    return Event(
        position=_Position(row.changed_at, source, row.pk),
        kind=kind if row.digest else Kind.DELETED,
        repository=row.repository.name,
        tag=row.name,
        digest=row.digest,
        previous=previous,
        by=row.changed_by,
    )


def _pulls(
    source: int, scope: _Scope, start: _Position | None, limit: int
) -> tuple[list[Event], _Position | None]:
    ids, horizon = _newest(Pull.objects.all(), "at", source, scope, start, limit)
    rows = Pull.objects.filter(pk__in=ids).select_related("repository")
    return [_pull_event(source, row) for row in rows], horizon


def _pull_event(source: int, row: Pull) -> Event:
    return Event(
        position=_Position(row.at, source, row.pk),
        kind=Kind.PULLED,
        repository=row.repository.name,
        tag=row.tag,
        digest=row.digest,
        previous="",
        by=row.pulled_by,
        count=row.count,
    )


def _newest(
    rows: QuerySet[Any],
    time: str,
    source: int,
    scope: _Scope,
    start: _Position | None,
    limit: int,
) -> tuple[_Ids, _Position | None]:
    """The ids of up to `limit` rows behind `start`, and the last position that was looked at, if
    there are others behind it."""
    rows = rows.order_by(f"-{time}", "-pk")
    if scope.few is not None:
        # Any id stands for each: the query is written once.
        one = _behind(rows.filter(repository_id=0), time, source, start)
        return _of_few(one.values("pk", time)[:limit], scope.few, limit), None
    rows = _behind(rows, time, source, start)
    if scope.visible is None:
        return list(rows.values_list("pk", flat=True)[:limit]), None
    # Row by row: an `IN` would gather all that are visible first.
    seen = rows.filter(Exists(scope.visible.filter(pk=OuterRef("repository"))))
    last = rows.values_list(time, "pk")[WINDOW - 1 : WINDOW].first()
    if last is None:
        return seen.values("pk")[:limit], None
    at, pk = last
    seen = seen.filter(**{f"{time}__gte": at}).exclude(**{time: at, "pk__lt": pk})
    return seen.values("pk")[:limit], _Position(at, source, pk)


def _behind(rows: QuerySet[Any], time: str, source: int, start: _Position | None) -> QuerySet[Any]:
    if start is None:
        return rows
    # Of what happened at the same time, tags come first.
    same = {-1: 0, 0: start.pk, 1: 2**63 - 1}[source - start.source]
    return rows.filter(**{f"{time}__lte": start.at}).exclude(**{time: start.at, "pk__gte": same})


def _of_few(one: QuerySet[Any, Any], ids: Sequence[int], limit: int) -> _Ids:
    """The newest of some repositories: of each of them no more than `one` reads."""
    if not ids:
        return []
    sql, (_, *others) = one.query.sql_with_params()  # the repository is the first condition
    pieces = " UNION ALL ".join([f"SELECT * FROM ({sql}) AS piece"] * len(ids))  # noqa: S608
    values = [value for id in ids for value in (id, *others)]
    newest = f"SELECT pk FROM ({pieces} ORDER BY 2 DESC, 1 DESC LIMIT {limit:d}) AS newest"  # noqa: S608
    return RawSQL(newest, values)  # noqa: S611
