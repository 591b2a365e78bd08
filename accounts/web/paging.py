"""Long lists, a page at a time, by the key of the last row: as fast on page 1,000 as on page 1."""

import re
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from repositories import keyset

Row = TypeVar("Row", bound=Model)

PAGE_SIZE = 50
_AFTER = "after"


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows, and the query string of the next page if there is one."""

    rows: list[Row]
    next: str
    is_first: bool


def page_of(request: HttpRequest, rows: QuerySet[Row], *, size: int = PAGE_SIZE) -> Page[Row]:
    """The page that the request asks for.

    `rows` are ordered by one unique field, or by a number or time and the primary key.
    """
    after = request.GET.get(_AFTER, "")
    is_ranked = len(rows.query.order_by) > 1
    rest = keyset.behind(rows, after) if is_ranked else _behind(rows, after)
    found = list((rows if rest is None else rest)[: size + 1])
    following = ""
    if len(found) > size:
        query = request.GET.copy()
        last = found[size - 1]
        query[_AFTER] = keyset.cursor_of(rows, last) if is_ranked else _cursor_of(rows, last)
        following = query.urlencode()
    return Page(found[:size], following, rest is None)


def _behind(rows: QuerySet[Row], text: str) -> QuerySet[Row] | None:
    order = str(rows.query.order_by[0])
    field = order.removeprefix("-")
    after = _key(text, is_number=field == "pk")
    if after is None:
        return None
    return rows.filter(**{f"{field}__{'lt' if order.startswith('-') else 'gt'}": after})


def _cursor_of(rows: QuerySet[Row], last: Row) -> str:
    field = str(rows.query.order_by[0]).removeprefix("-")
    return str(attrgetter(field.replace("__", "."))(last))


def _key(text: str, *, is_number: bool) -> Any:
    """The key that a page begins after; None for the first page, and for what is no key."""
    if is_number:
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) else None
    return text if 0 < len(text) <= 255 and text.isprintable() else None
