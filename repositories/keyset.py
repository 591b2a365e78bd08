"""Keyset paging by two columns: a number or a time that repeats, and the primary key that does not.

A page begins behind the last row of the one before, so the thousandth costs what the first one
does. `accounts/web/paging.py` and the management API share this.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import DateTimeField, Model, Q, QuerySet, UUIDField

_M = TypeVar("_M", bound=Model)

# The first column's value (a time in microseconds since 1970), a dot, and the primary key.
PATTERN = r"[0-9]{1,17}\.(?:[0-9]{1,18}|[0-9a-f]{32})"
_CURSOR = re.compile(PATTERN, re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def behind(rows: QuerySet[_M], cursor: str) -> QuerySet[_M] | None:
    """The rows behind the cursor; None for what is no cursor of these rows.

    They are ordered by two columns, the second of which is `pk` or `-pk`.
    """
    if not _CURSOR.fullmatch(cursor):
        return None
    first, second = map(str, rows.query.order_by)
    name = first.removeprefix("-")
    value, _, key = cursor.partition(".")
    bound = _bound(rows, name, int(value))
    try:
        pk = _key(rows, key)
    except ValueError:
        return None
    beyond = "gte" if second.startswith("-") else "lte"
    # A range and an exception, not an OR: so the index is entered where the page begins.
    ahead = Q(**{name: bound, f"pk__{beyond}": pk})
    within = "lte" if first.startswith("-") else "gte"
    return rows.filter(**{f"{name}__{within}": bound}).exclude(ahead)


def cursor_of(rows: QuerySet[_M], row: _M) -> str:
    """The cursor of the page behind `row`."""
    value: Any = getattr(row, str(rows.query.order_by[0]).removeprefix("-"))
    number = (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value
    key = row.pk.hex if isinstance(row.pk, UUID) else row.pk
    return f"{number}.{key}"


def _key(rows: QuerySet[_M], text: str) -> UUID | int:
    """Raises ValueError."""
    return UUID(text) if isinstance(rows.query.get_meta().pk, UUIDField) else int(text)


def _bound(rows: QuerySet[_M], name: str, number: int) -> datetime | int:
    annotation = rows.query.annotations.get(name)
    field: Any = annotation.output_field if annotation else rows.query.get_meta().get_field(name)
    return _EPOCH + number * _MICROSECOND if isinstance(field, DateTimeField) else number
