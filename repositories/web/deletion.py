"""Deleting tags, with their images or without, and repositories: first, what that would free."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Membership
from accounts.web.forms import Form
from accounts.web.page import SignedInRequest, page, public_page
from accounts.web.principal import principal_of
from accounts.web.refusals import explain_refusal
from repositories import administration, deleted, deletion, previews, protection
from repositories.access import EVERYTHING, team_role
from repositories.oci.errors import TagInvalid
from repositories.oci.names import team_of, validate_tag
from repositories.web import header

# As many as are on a page can be selected there.
MAX_SELECTED = 100


def selected(request: HttpRequest) -> list[str]:
    """The tags that were selected, as far as they can be tags."""
    query = request.POST if request.method == "POST" else request.GET
    names = []
    for text in dict.fromkeys(query.getlist("tag")[:MAX_SELECTED]):
        try:
            names.append(validate_tag(text))
        except TagInvalid:
            continue
    return names


@public_page("GET", "POST")
def tags_delete(request: HttpRequest, name: str) -> HttpResponseBase:
    """What is about to be deleted, and what it frees; and, when that is confirmed, doing it."""
    found = header.found(request, name)
    if not found.may_delete:
        return refuse(found)
    names = selected(request)
    if not names:
        messages.error(request, _("Select the tags that you want to delete first."))
        return redirect("repository", name)
    if request.method == "POST":
        if "images" in request.POST:
            _delete_images(request, found, names=names)
        else:
            _delete_tags(request, found, names)
        return redirect("repository", name)
    context = header.context_of(request, found)
    tags = previews.named(repository=found.repository, names=names)
    context |= {
        "tab": "tags",
        "tags": tags,
        "preview": previews.preview(repository_id=found.repository.pk, names=names),
        "untagged_days": settings.GARBAGE_UNTAGGED,
        "undo_until": deleted.until(),
        "why_immutable": _why_immutable(context, [tag for tag, _digest in tags]),
    }
    return render(request, "repositories/tags_delete.html", context)


def refuse(found: header.Found) -> HttpResponseBase:
    """The answer to who may not delete: to the sign-in page, or a reason."""
    if found.principal.is_anonymous:
        return redirect_to_login(reverse("repository", args=[found.repository.name]))
    raise PermissionDenied(
        _("Only maintainers may delete here, and nobody where deleting is switched off.")
    )


def tell(request: HttpRequest, text: str, *, undo: str = "") -> None:
    """Say on the next page what was done, with a button that undoes it at that address."""
    messages.success(request, text, extra_tags=undo)


def _address(found: header.Found, record: int | None) -> str:
    name = found.repository.name
    return reverse("repository-deletion", args=[name, record]) if record else ""


def _delete_tags(request: HttpRequest, found: header.Found, names: Sequence[str]) -> None:
    done = deletion.delete_tags(
        principal=found.principal, repository=found.repository.name, names=names
    )
    tell(request, _tags_are_deleted(len(done.names)), undo=_address(found, done.deletion))


def _tags_are_deleted(count: int) -> str:
    text = ngettext("%(count)d tag is deleted.", "%(count)d tags are deleted.", count)
    return text % {"count": count}


def _delete_images(
    request: HttpRequest,
    found: header.Found,
    *,
    names: Sequence[str] = (),
    digests: Sequence[str] = (),
) -> None:
    done = deletion.delete(
        principal=found.principal, repository=found.repository.name, names=names, digests=digests
    )
    text = ngettext(
        "%(count)d manifest is deleted.", "%(count)d manifests are deleted.", len(done.manifests)
    )
    parts = (_tags_are_deleted(len(done.tags)), text % {"count": len(done.manifests)})
    tell(request, " ".join(parts), undo=_address(found, done.deletion))


@public_page("GET", "POST")
def image_delete(request: HttpRequest, name: str, digest: str) -> HttpResponseBase:
    """What goes with one manifest, named by its digest; and, when confirmed, deleting it."""
    found = header.found(request, name)
    if not found.may_delete:
        return refuse(found)
    if request.method == "POST":
        _delete_images(request, found, digests=[digest])
        return redirect("repository", name)
    context = {
        "tab": "tags",
        "digest": digest,
        "preview": previews.preview(repository_id=found.repository.pk, names=[], digests=[digest]),
        "undo_until": deleted.until(),
    }
    return render(
        request, "repositories/image_delete.html", header.context_of(request, found) | context
    )


def _why_immutable(context: Mapping[str, Any], names: Sequence[str]) -> str:
    """Why tags that are there cannot be deleted; empty when they can."""
    refusal = protection.why(context["repository"].name, context["patterns"], names)
    return explain_refusal(refusal) if refusal else ""


class DeleteForm(Form):
    """The name is typed, so that nobody deletes a repository by one wrong click."""

    name = forms.CharField(
        label=gettext_lazy("Type its whole name to delete it"),
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, repository: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._repository = repository

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        if name != self._repository:
            raise ValidationError(_("Type %(name)s to delete it.") % {"name": self._repository})
        return name


@page("GET", "POST")
def repository_delete(request: SignedInRequest, name: str) -> HttpResponse:
    """What goes with the repository; and, when that is confirmed, deleting it."""
    principal = principal_of(request)
    repository = administration.managed_repository(principal, name)
    form = DeleteForm(request.POST or None, repository=name)
    if request.method == "POST" and form.is_valid():
        done = deletion.delete_repository(principal=principal, repository=name)
        team = team_of(name)
        role = team_role(principal=principal, team=team) or 0
        can_undo = done.deletion and (role >= Membership.Role.MAINTAINER or principal.is_site_admin)
        address = reverse("team-deletion", args=[team, done.deletion]) if can_undo else ""
        tell(request, _("%(name)s is deleted.") % {"name": name}, undo=address)
        return redirect("home")
    found = header.Found(repository, principal, EVERYTHING)
    preview = previews.whole(repository=repository)
    context = header.context_of(request, found)
    context |= {
        "tab": "settings",
        "form": form,
        "preview": preview,
        "undo_until": deleted.until(),
        "why_immutable": _why_immutable(context, preview.tags),
    }
    return render(request, "repositories/delete.html", context)
