"""Deleting tags, with their images or without, and repositories: first, what that would free."""

from collections.abc import Sequence
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

from accounts.web.forms import Form
from accounts.web.page import SignedInRequest, page, public_page
from accounts.web.principal import principal_of
from repositories import administration, deletion, tag_facts, tags
from repositories.access import EVERYTHING
from repositories.models import Tag
from repositories.oci.errors import ManifestUnknown, TagInvalid
from repositories.oci.names import validate_tag
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
        if found.principal.is_anonymous:
            back = reverse("repository", args=[name])
            return redirect_to_login(back)
        raise PermissionDenied(
            _("Only maintainers may delete tags, and nobody where deleting is switched off.")
        )
    names = selected(request)
    if not names:
        messages.error(request, _("Select the tags that you want to delete first."))
        return redirect("repository", name)
    if request.method == "POST":
        delete = _delete_images if "images" in request.POST else _delete_tags
        delete(request, found, names)
        return redirect("repository", name)
    rows = Tag.objects.filter(repository=found.repository, name__in=names).order_by("name")
    context = {
        "tab": "tags",
        "tags": tag_facts.facts(repository=found.repository, tags=list(rows)),
        "preview": deletion.preview(principal=found.principal, repository=name, names=names),
        "untagged_days": settings.GARBAGE_UNTAGGED,
    }
    return render(
        request, "repositories/tags_delete.html", header.context_of(request, found) | context
    )


def _delete_tags(request: HttpRequest, found: header.Found, names: Sequence[str]) -> None:
    name, count = found.repository.name, 0
    for tag in names:
        try:
            tags.delete(principal=found.principal, repository=name, name=tag)
        except ManifestUnknown:
            continue  # somebody else was quicker
        count += 1
    messages.success(request, _tags_are_deleted(count))


def _tags_are_deleted(count: int) -> str:
    text = ngettext("%(count)d tag is deleted.", "%(count)d tags are deleted.", count)
    return text % {"count": count}


def _delete_images(request: HttpRequest, found: header.Found, names: Sequence[str]) -> None:
    done = deletion.delete(principal=found.principal, repository=found.repository.name, names=names)
    text = ngettext(
        "%(count)d manifest is deleted.", "%(count)d manifests are deleted.", len(done.manifests)
    )
    parts = (_tags_are_deleted(len(done.tags)), text % {"count": len(done.manifests)})
    messages.success(request, " ".join(parts))


class DeleteForm(Form):
    """The name is typed, so that nobody deletes a repository by one wrong click."""

    name = forms.CharField(
        label=gettext_lazy("Name of the repository"),
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
        deletion.delete_repository(principal=principal, repository=name)
        messages.success(request, _("%(name)s is deleted.") % {"name": name})
        return redirect("home")
    found = header.Found(repository, principal, EVERYTHING)
    context = header.context_of(request, found) | {
        "tab": "settings",
        "form": form,
        "preview": deletion.preview_repository(principal=principal, repository=name),
    }
    return render(request, "repositories/delete.html", context)
