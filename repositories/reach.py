"""The repositories that somebody reaches, as conditions: all of them, or the few."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q, QuerySet

from repositories.models import Repository

FEW = 100


@dataclass(frozen=True, slots=True)
class Reach:
    """The repositories to which somebody may do something, by what the database says now."""

    ways: tuple[Q, ...] | None  # any of them will do; None: all repositories
    within: Q = field(default_factory=Q)  # an access token's scopes

    @property
    def is_everything(self) -> bool:
        """Whether no repository is left out."""
        return self.ways is None and not self.within

    @property
    def repositories(self) -> QuerySet[Repository]:
        """All of them, in no order."""
        ways = Q() if self.ways is None else reduce(or_, self.ways, Q(pk__in=()))
        return Repository.objects.filter(ways, self.within)

    def by_ids_if_few(self) -> QuerySet[Repository]:
        """All of them; by their ids, if they are few. One query."""
        ids = self.few()
        return self.repositories if ids is None else Repository.objects.filter(pk__in=ids)

    def few(self, also: Q | None = None, *, most: int | None = None) -> list[int] | None:
        """The ids of those that are `also` something, if they are at most `most`, or `FEW`; else
        None.

        A database that knows the few looks into each by its index; of many it finds the next one
        soon, whatever it looks through. Each way is gone by itself, which an index has: together
        they would have the database go through everybody else's.
        """
        if self.ways is None and also is None:
            return None
        most = FEW if most is None else most
        rows = Repository.objects.filter(self.within, also or Q()).order_by().values("pk")
        found: list[tuple[str, tuple[Any, ...]]] = []
        for way in (Q(),) if self.ways is None else self.ways:
            with suppress(EmptyResultSet):
                found.append(rows.filter(way)[: most + 1].query.sql_with_params())
        return _at_most(most, found)


def _at_most(most: int, ways: Sequence[tuple[str, tuple[Any, ...]]]) -> list[int] | None:
    """The ids that the queries find, each once; None where they are more."""
    ids: list[int] = []
    if ways:
        pieces = " UNION ".join(f"SELECT * FROM ({sql}) AS way" for sql, _ in ways)  # noqa: S608
        values = [value for _, given in ways for value in given]
        with connection.cursor() as cursor:  # not prepared: planned for who sees few, or many
            cursor.execute(f"{pieces} LIMIT {most + 1:d}", values)
            ids = [id for (id,) in cursor.fetchall()]
    return ids if len(ids) <= most else None
