"""Lists, a page at a time, by keyset: a page begins behind the last entry of the one before.

So rows that are added or removed meanwhile neither repeat nor skip others, and the thousandth page
costs what the first one does. The order is fixed.
"""

from functools import cache
from operator import attrgetter
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from api.v1.fields import Number, Strict, Text
from api.v2.links import absolute
from api.v2.request import Request as PlainRequest
from repositories import keyset

DEFAULT_SIZE = 50
MAX_SIZE = 200

_M = TypeVar("_M", bound=Model)


class Page(Strict):
    """`limit`; the subclasses know their cursor."""

    limit = Number(
        most=MAX_SIZE,
        default=DEFAULT_SIZE,
        help_text=f"How many entries to give: 1 to {MAX_SIZE}, {DEFAULT_SIZE} by default.",
    )


class PageByName(Page):
    """A page of a list that is sorted by a name."""

    cursor = Text(
        pattern="[a-z0-9._/-]{1,255}",
        required=False,
        help_text="Where the page begins: as `next` of the page before says.",
    )


class PageByAge(Page):
    """A page of a list that begins with the newest."""

    cursor = Number(
        most=2**63 - 1,
        required=False,
        help_text="Where the page begins: as `next` of the page before says.",
    )


class PageByRank(Page):
    """A page of a list that begins with the largest or latest, of which several can be alike."""

    cursor = Text(
        pattern=keyset.PATTERN,
        required=False,
        help_text="Where the page begins: as `next` of the page before says.",
    )


@extend_schema_field({"type": "string", "format": "uri-reference"})
class _Address(serializers.CharField):
    """Relative where the client's own address of this server is not known."""


@cache
def page_of(shape: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """The form of a page whose entries have the form `shape`."""
    fields = {
        "results": shape(many=True),
        "next": _Address(
            allow_null=True, help_text="The address of the next page; null on the last one."
        ),
    }
    return type(f"{shape.__name__}Page", (serializers.Serializer,), fields)


def cut(rows: QuerySet[_M], *, by: str, query: dict[str, Any]) -> tuple[list[_M], Any]:
    """The rows of one page, and the cursor of the next one; None on the last.

    `by` is a unique field that the rows are sorted by, `-` before it for the opposite direction.
    """
    name = by.removeprefix("-")
    cursor = query.get("cursor")
    if cursor is not None:
        rows = rows.filter(**{f"{name}__{'lt' if by.startswith('-') else 'gt'}": cursor})
    found = list(rows.order_by(by)[: query["limit"] + 1])
    page = found[: query["limit"]]
    has_more = len(found) > len(page)
    return page, attrgetter(name.replace("__", "."))(page[-1]) if has_more else None


def cut_ranked(rows: QuerySet[_M], *, query: dict[str, Any]) -> tuple[list[_M], Any]:
    """The same for rows that are ordered as `keyset` has it."""
    cursor = query.get("cursor")
    rest = keyset.behind(rows, cursor) if cursor is not None else None
    found = list((rows if rest is None else rest)[: query["limit"] + 1])
    page = found[: query["limit"]]
    return page, keyset.cursor_of(rows, page[-1]) if len(found) > len(page) else None


def address_of_next(request: Request, cursor: Any) -> str | None:
    """The same request's address with another cursor, as the client should call it."""
    if cursor is None:
        return None
    query = request.query_params.dict() | {"cursor": str(cursor)}
    return absolute(PlainRequest(request.META), f"{request.path_info}?{urlencode(query)}")
