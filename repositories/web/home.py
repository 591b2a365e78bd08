"""The first page: the repositories that one may see, or how to push the first one."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.web.paging import Page, page_of
from accounts.web.principal import principal_of
from accounts.web.server import server_of
from repositories import overview, summary, usage
from repositories.access import ANONYMOUS, Principal
from repositories.models import Repository
from repositories.web.texts import text_of

_MOST_TEAMS = 12


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """What is here for whoever asks. Where nobody reads anonymously, strangers may sign in."""
    context: dict[str, Any] = {"host": server_of(request).host, "is_open": settings.OPEN_ACCESS}
    is_readable = ANONYMOUS.is_unlimited or settings.ANONYMOUS_ACCESS != "none"
    if request.user.is_authenticated or is_readable:
        context |= _browse(request)
    return render(request, "home.html", context)


def _browse(request: HttpRequest) -> dict[str, Any]:
    principal = principal_of(request)
    text, team = text_of(request, "text"), text_of(request, "team")
    sort = "name" if request.GET.get("sort") == "name" else "push"
    page = _repositories(request, principal, text=text, team=team, sort=sort)
    is_empty = not page.rows and page.is_first and not text and not team
    shown: dict[str, Any] = {"page": page, "is_empty": is_empty}
    if is_empty:
        return shown
    if not request.htmx:  # type: ignore[attr-defined]  # a list that is sorted anew needs no more
        shown["summary"] = summary.of(principal=principal)
        shown["teams"] = usage.by_team(principal=principal)[:_MOST_TEAMS]
    return shown | {"text": text, "team": team, "sort": sort, "orders": _orders(request)}


def _repositories(
    request: HttpRequest, principal: Principal, *, text: str, team: str, sort: str
) -> Page[Repository]:
    found = overview.listing(principal=principal, text=text, team=team)
    page = page_of(request, found if sort == "name" else overview.by_last_push(found))
    _measure(page.rows)
    return page


def _measure(rows: Sequence[Any]) -> None:
    """Fill in the sizes of those that came after the last measure."""
    sizes = usage.live_sizes([row.pk for row in rows if row.bytes is None])
    for row in rows:
        row.bytes = sizes.get(row.pk, row.bytes)


def _orders(request: HttpRequest) -> dict[str, str]:
    """The query string of each order, with the filters as they are."""
    query = request.GET.copy()
    query.pop("after", None)
    orders = {}
    for sort in ("name", "push"):
        query["sort"] = sort
        orders[sort] = query.urlencode()
    return orders
