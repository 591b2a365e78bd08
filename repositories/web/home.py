"""The first page: the repositories that one may see, or how to push the first one."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.web.page import has_ended, is_part, to_sign_in
from accounts.web.paging import Page, page_of
from accounts.web.principal import principal_of
from accounts.web.server import server_of
from repositories import overview, summary, usage
from repositories.access import ANONYMOUS
from repositories.models import Repository
from repositories.web.texts import text_of

_MOST_TEAMS = 12


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """What is here for whoever asks. Where nobody reads anonymously, strangers may sign in."""
    context: dict[str, Any] = {"host": server_of(request).host, "is_open": settings.OPEN_ACCESS}
    is_readable = ANONYMOUS.is_unlimited or settings.ANONYMOUS_ACCESS != "none"
    may_browse = request.user.is_authenticated or is_readable
    # A list in a page whose session has ended: none of the list, and no page within the page.
    if has_ended(request) or (is_part(request) and not may_browse):
        return to_sign_in(request)
    if may_browse:
        context |= _browse(request)
    return render(request, "home.html", context)


def _browse(request: HttpRequest) -> dict[str, Any]:
    principal = principal_of(request)
    text, team = text_of(request, "text"), text_of(request, "team")
    sort = sort_of(request)
    page = page_of_repositories(
        request, overview.listing(principal=principal, text=text, team=team), sort
    )
    is_empty = not page.rows and page.is_first and not text and not team
    shown: dict[str, Any] = {"page": page, "is_empty": is_empty}
    if is_empty:
        return shown
    if not request.htmx:  # type: ignore[attr-defined]  # a list that is sorted anew needs no more
        shown["summary"] = summary.of(principal=principal)
        shown["teams"] = usage.by_team(principal=principal)[:_MOST_TEAMS]
    return shown | {"text": text, "team": team, "sort": sort, "orders": orders(request)}


def sort_of(request: HttpRequest) -> str:
    """In which order a list of repositories is to be: `name`, or by the last `push`."""
    return "name" if request.GET.get("sort") == "name" else "push"


def page_of_repositories(
    request: HttpRequest, found: QuerySet[Repository], sort: str
) -> Page[Repository]:
    """A page of what `repositories/overview.py` found, each row with its size."""
    page = page_of(request, found if sort == "name" else overview.by_last_push(found))
    _measure(page.rows)
    return page


def _measure(rows: Sequence[Any]) -> None:
    """Fill in the sizes of those that came after the last measure."""
    sizes = usage.live_sizes([row.pk for row in rows if row.bytes is None])
    for row in rows:
        row.bytes = sizes.get(row.pk, row.bytes)


def orders(request: HttpRequest) -> dict[str, str]:
    """The query string of each order of a list, with the filters as they are."""
    query = request.GET.copy()
    query.pop("after", None)
    found = {}
    for sort in ("name", "push"):
        query["sort"] = sort
        found[sort] = query.urlencode()
    return found
