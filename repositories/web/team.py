"""A team's first page: its repositories, and what they take of the storage."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from accounts.models import Membership, Team
from accounts.web.page import SignedInRequest, page
from accounts.web.principal import principal_of
from accounts.web.server import server_of
from accounts.web.teams import team_context
from repositories import overview, summary, usage
from repositories.access import Principal
from repositories.web import home, storage
from repositories.web.chart import chart_of


def may_undo(context: dict[str, Any], principal: Principal) -> bool:
    """Whether the team's deleted repositories are theirs to bring back."""
    return principal.is_site_admin or (context["role"] or 0) >= Membership.Role.MAINTAINER


@page("GET")
def team(request: SignedInRequest, name: str) -> HttpResponse:
    """What the team has, for its members and administrators."""
    context = team_context(request, name, teams=Team.objects.select_related("usage", "limits"))
    found: Team = context["team"]
    sort, days = home.sort_of(request), storage.days_of(request)
    page = home.page_of_repositories(request, overview.of_team(team=found), sort)
    context |= {
        "page": page,
        "is_empty": not page.rows and page.is_first,
        "sort": sort,
        "orders": home.orders(request),
        "host": server_of(request).host,
        "usage": getattr(found, "usage", None),
        "may_undo": may_undo(context, principal_of(request)),
        "limits": getattr(found, "limits", None),
        "measured_at": summary.measured_at(),
    }
    if page.is_first:
        samples = usage.samples_of(team=found, days=days)
        context |= {
            "last": samples[-1] if samples else None,
            "chart": chart_of(samples),
            "days": days,
            "spans": storage.SPANS,
        }
    return render(request, "repositories/team.html", context)
