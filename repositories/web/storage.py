"""What takes the space: by team, by repository, in one repository, and over time."""

from collections.abc import Sequence
from typing import NamedTuple

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.web.page import public_page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from repositories import limit_settings, space, summary, usage
from repositories.access import Principal
from repositories.models import Repository, RepositoryUsage, StorageSample, TeamUsage
from repositories.web import header
from repositories.web.chart import chart_of
from repositories.web.texts import text_of

_MOST_TEAMS = 20
SPANS = (30, 90, 365)


class Bar(NamedTuple):
    """A team's or a repository's bytes: what goes with it, and what others have as well."""

    name: str
    bytes: int
    unique: int
    shared: int


@public_page("GET")
def storage(request: HttpRequest) -> HttpResponse:
    """Of the whole registry for administrators, else of what one may see; of one team, if asked."""
    principal = principal_of(request)
    team, days = text_of(request, "team"), days_of(request)
    found = usage.by_team(principal=principal).select_related("team__limits")
    teams = list((found.filter(team__name=team) if team else found)[:_MOST_TEAMS])
    page = page_of(request, usage.by_repository(principal=principal, team=team))
    bars = [_bar(row.repository.name, row) for row in page.rows]
    team_bars = [_bar(row.team.name, row) for row in teams]
    charted, samples = _growth(principal, team, team_bars, days)
    context = {
        "team": team,
        "team_bars": team_bars,
        "most_of_teams": max((bar.bytes for bar in team_bars), default=0),
        "page": page,
        "bars": bars,
        "most": max((bar.bytes for bar in bars), default=0),
        "last": samples[-1] if samples else None,
        "chart": chart_of(samples),
        "charted_team": charted,
        "days": days,
        "spans": SPANS,
        "measured_at": summary.measured_at(),
        "limits": getattr(teams[0].team, "limits", None) if team and teams else None,
        "near": [] if team else limit_settings.nearly_full(principal=principal),
    }
    return render(request, "storage.html", context)


@public_page("GET")
def of_repository(request: HttpRequest, name: str) -> HttpResponse:
    """The largest blobs of one repository, and what needs them."""
    rows = Repository.objects.select_related("usage", "limits")
    found = header.found(request, name, repositories=rows)
    blobs = space.largest(found.repository)
    size = getattr(found.repository, "usage", None)
    context = header.context_of(request, found) | {
        "tab": "storage",
        "blobs": blobs,
        "most": max((blob.size for blob in blobs), default=0),
        "bar": _bar(name, size) if size else None,
        "limits": getattr(found.repository, "limits", None),
        "measured_at": summary.measured_at(),
    }
    return render(request, "repositories/storage.html", context)


def days_of(request: HttpRequest) -> int:
    """How many days a chart of the growth is to show."""
    return next((days for days in SPANS if str(days) == request.GET.get("days")), 90)


def _bar(name: str, row: RepositoryUsage | TeamUsage) -> Bar:
    return Bar(name, row.bytes, row.unique_bytes, row.bytes - row.unique_bytes)


def _growth(
    principal: Principal, team: str, teams: Sequence[Bar], days: int
) -> tuple[str, Sequence[StorageSample]]:
    """Whose growth to show, and the samples: of the team that was asked for, of the whole registry
    (named ""), or else of the largest team that one is in."""
    if not team:
        try:
            return "", usage.growth(principal=principal, days=days)
        except PermissionDenied:
            team = teams[0].name if teams else ""
    try:
        return team, usage.growth(principal=principal, team=team, days=days) if team else []
    except (ObjectDoesNotExist, PermissionDenied):
        return team, []
