"""What was deleted and can be undone, in a repository and in a team; and tags put back."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.web.page import SignedInRequest, page, public_page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from accounts.web.teams import team_context
from repositories import rollback, undo
from repositories.models import Deletion
from repositories.oci.names import MAX_TAG_BYTES
from repositories.undo import CannotUndo, Undone
from repositories.web import header
from repositories.web.deletion import refuse

# Of what one delete took, so much is shown.
MAX_SHOWN = 100


class RollbackForm(forms.Form):
    digest = forms.CharField(max_length=MAX_TAG_BYTES + 8)


@public_page("GET")
def of_repository(request: HttpRequest, name: str) -> HttpResponseBase:
    """What was deleted here, until when that can be undone, and by whom it was."""
    found = header.found(request, name)
    if not found.may_undo:
        return refuse(found)
    context = {"tab": "tags", "page": page_of(request, undo.undoable(found.repository))}
    return render(request, "repositories/deleted.html", header.context_of(request, found) | context)


@public_page("GET", "POST")
def deletion(request: HttpRequest, name: str, deletion: int) -> HttpResponseBase:
    """What one delete took; and undoing it."""
    found = header.found(request, name)
    if not found.may_undo:
        return refuse(found)

    def act(*, rest: bool) -> Undone:
        return undo.undo(principal=found.principal, repository=name, deletion=deletion, rest=rest)

    back = reverse("repository-deleted", args=[name])
    refused, response = _undo(request, act) if request.method == "POST" else (None, None)
    rows = undo.undoable(found.repository)
    context = header.context_of(request, found) | {"tab": "tags"}
    template = "repositories/deletion.html"
    return response or _shown(request, template, rows, deletion, context, back, refused)


def _undo(
    request: HttpRequest, act: Callable[..., Undone]
) -> tuple[CannotUndo | None, HttpResponse | None]:
    """Why it could not be undone; or else the answer that it could."""
    try:
        done = act(rest="rest" in request.POST)
    except Deletion.DoesNotExist:
        return CannotUndo(texts=[_("That has been undone already, or its time is over.")]), None
    except CannotUndo as error:
        return error, None
    messages.success(request, _told(done))
    return None, redirect("repository", done.repository)


def _shown(
    request: HttpRequest,
    template: str,
    rows: QuerySet[Deletion],
    id: int,
    context: dict[str, Any],
    back: str,
    refused: CannotUndo | None,
) -> HttpResponse:
    """The page of one delete, and why it could not be undone. Raises Deletion.DoesNotExist."""
    row = rows.filter(pk=id).first()
    if row is None and refused:
        for text in refused.messages:
            messages.error(request, text)
        return redirect(back)
    if row is None:
        raise Deletion.DoesNotExist
    context |= _contents(row) | {"refused": refused, "back": back}
    return render(request, template, context)


def _contents(row: Deletion) -> dict[str, Any]:
    return {
        "deletion": row,
        "deleted_tags": row.tags.order_by("name")[:MAX_SHOWN],
        "deleted_manifests": row.manifests.defer("payload", "referrer").order_by("pk")[:MAX_SHOWN],
    }


def _told(done: Undone) -> str:
    tags = ngettext("%(count)d tag is back", "%(count)d tags are back", len(done.tags))
    manifests = ngettext(
        "%(count)d manifest is back", "%(count)d manifests are back", done.manifests
    )
    text = _("%(name)s: %(tags)s, %(manifests)s.")
    return text % {
        "name": done.repository,
        "tags": tags % {"count": len(done.tags)},
        "manifests": manifests % {"count": done.manifests},
    }


@page("GET")
def of_team(request: SignedInRequest, name: str) -> HttpResponse:
    """The repositories of the team that were deleted, and can come back."""
    context = team_context(request, name)
    rows = undo.of_team(principal=principal_of(request), team=name)
    context["page"] = page_of(request, rows)
    return render(request, "repositories/team_deleted.html", context)


@page("GET", "POST")
def deleted_repository(request: SignedInRequest, name: str, deletion: str) -> HttpResponse:
    """What went with a repository; and bringing it back."""
    principal, id = principal_of(request), int(deletion)
    context = team_context(request, name)
    rows = undo.of_team(principal=principal, team=name)

    def act(*, rest: bool) -> Undone:
        return undo.undo_repository(principal=principal, team=name, deletion=id, rest=rest)

    back = reverse("team-deleted", args=[name])
    refused, response = _undo(request, act) if request.method == "POST" else (None, None)
    template = "repositories/team_deletion.html"
    return response or _shown(request, template, rows, id, context, back, refused)


@public_page("POST")
def roll_back(request: HttpRequest, name: str, reference: str) -> HttpResponse:
    """Let a tag name again what it named before."""
    found = header.found(request, name)
    form = RollbackForm(request.POST)
    digest = form.cleaned_data["digest"] if form.is_valid() else ""
    try:
        rollback.roll_back(principal=found.principal, repository=name, tag=reference, digest=digest)
    except ValidationError as error:
        for text in error.messages:
            messages.error(request, text)
        return redirect("repository", name)  # there may be no such tag now
    text = _("%(tag)s names %(digest)s again.")
    messages.success(request, text % {"tag": reference, "digest": digest})
    return redirect("image-history", name, reference)
