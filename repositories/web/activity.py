"""What happens in the repositories that one may see, and which uploads are under way."""

from collections.abc import Collection, Sequence
from datetime import date
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.web.page import public_page
from accounts.web.principal import principal_of
from repositories import activity, incoming
from repositories.access import Action, Principal
from repositories.activity import Event
from repositories.models import Upload
from repositories.oci.errors import BlobUploadUnknown
from repositories.web import header

_MOST_UPLOADS = 20
_PAUSED = "paused"


class InFlight(NamedTuple):
    """An upload, the bytes that have come, and whether one may cancel it."""

    upload: Upload
    size: int
    may_cancel: bool


class Day(NamedTuple):
    """The events of one day (UTC), the newest first."""

    day: date
    events: Sequence[Event]


@public_page("GET")
def everywhere(request: HttpRequest) -> HttpResponse:
    """The activity of all repositories that one may see."""
    principal = principal_of(request)
    context = _events(request, principal)
    if context["is_first"]:
        rows = list(incoming.listing(principal=principal)[:_MOST_UPLOADS])
        own = incoming.cancellable(principal=principal, found=rows)
        context["uploads"] = _in_flight(rows, own)
    return render(request, _template(request, "activity.html"), context)


@public_page("GET")
def of_repository(request: HttpRequest, name: str) -> HttpResponse:
    """The activity of one."""
    found = header.found(request, name)
    context = _events(request, found.principal, name)
    if context["is_first"] and Action.PUSH in found.actions:
        rows = list(incoming.into(found.repository)[:_MOST_UPLOADS])
        may_all = Action.DELETE in found.actions
        own = {row.pk for row in rows if may_all or row.started_by == found.principal.name != ""}
        context["uploads"] = _in_flight(rows, own)
    context |= header.context_of(request, found) | {"tab": "activity"}
    return render(request, _template(request, "repositories/activity.html"), context)


def _template(request: HttpRequest, page: str) -> str:
    """The part that is asked for every few seconds, or the whole page."""
    is_part = request.htmx and not request.htmx.history_restore_request  # type: ignore[attr-defined]
    return "parts/activity.html" if is_part else page


def _events(request: HttpRequest, principal: Principal, repository: str = "") -> dict[str, Any]:
    after = request.GET.get("after", "")
    page = activity.feed(principal=principal, repository=repository, after=after)
    days = groupby(page.events, key=lambda event: event.at.date())
    is_paused = _PAUSED in request.GET
    return {
        "days": [Day(day, list(events)) for day, events in days],
        "next": page.next,
        "is_first": not after,
        "is_paused": is_paused,
        "is_live": not after and not is_paused,
        "address": request.path,
    }


def _in_flight(rows: Sequence[Upload], own: Collection[UUID]) -> list[InFlight]:
    return [InFlight(row, incoming.size(row), row.pk in own) for row in rows]


@public_page("GET", "POST")
def cancel_upload(request: HttpRequest, upload: UUID) -> HttpResponse:
    """Ask, then give the upload up."""
    principal = principal_of(request)
    row = incoming.listing(principal=principal).get(pk=upload)
    if request.method != "POST":
        own = incoming.cancellable(principal=principal, found=[row])
        context = {"upload": row, "size": incoming.size(row), "may_cancel": row.pk in own}
        return render(request, "upload_cancel.html", context)
    try:
        incoming.cancel(principal=principal, upload=upload)
        messages.success(request, _("The upload is cancelled."))
    except BlobUploadUnknown:
        messages.success(request, _("The upload had just ended."))
    return redirect("activity")
