"""A repository's settings: what it says of itself, who sees it, its limits, who has a role."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Membership, User
from accounts.permissions import require_role
from accounts.web.forms import Form, MemberForm
from accounts.web.limit_forms import ImmutableTagsForm, QuotaForm
from accounts.web.page import SignedInRequest, page, telling_why_not
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from repositories import administration, limit_settings
from repositories.access import EVERYTHING, team_role
from repositories.models import Repository
from repositories.models.repository import MAX_DESCRIPTION_BYTES
from repositories.oci.names import team_of
from repositories.web import header, markdown

Role = Membership.Role
Visibility = Repository.Visibility


class VisibilityForm(Form):
    visibility = forms.ChoiceField(
        label=gettext_lazy("Who may pull"),
        widget=forms.RadioSelect,
        choices=[
            (Visibility.PRIVATE.value, gettext_lazy("Private: the team, and who is named below")),
            (Visibility.INTERNAL.value, gettext_lazy("Internal: everyone who has signed in")),
            (
                Visibility.PUBLIC.value,
                gettext_lazy("Public: everyone, where this server allows pulling anonymously"),
            ),
        ],
    )


class DescriptionForm(Form):
    description = forms.CharField(
        label=gettext_lazy("What this repository is for"),
        required=False,
        # In characters; the domain counts bytes.
        max_length=MAX_DESCRIPTION_BYTES,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text=gettext_lazy("Markdown. Pictures are shown as links."),
    )


class GrantForm(MemberForm):
    """As with a team's members; there is no such thing as an owner of one repository."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role = self.fields["role"]
        role.choices = role.choices[:-1]  # type: ignore[attr-defined]


@page("GET", "POST")
def repository_settings(request: SignedInRequest, name: str) -> HttpResponse:
    """The visibility, and the roles in this repository."""
    principal = principal_of(request)
    repository = administration.managed_repository(principal, name)
    form = VisibilityForm(request.POST or None, initial={"visibility": repository.visibility})
    if request.method == "POST" and form.is_valid():
        with form.showing_errors():
            administration.set_visibility(
                principal=principal, name=name, visibility=form.cleaned_data["visibility"]
            )
            messages.success(request, _("Saved."))
            return redirect("repository-settings", name)
    return _show(request, repository, form=form)


def _show(request: SignedInRequest, repository: Repository, **shown: Any) -> HttpResponse:
    """The page, with the forms that are given instead of fresh ones."""
    principal = principal_of(request)
    grants = repository.grants.select_related("user").order_by("user__username")
    limits = limit_settings.of_repository(repository)
    role = team_role(principal=principal, team=team_of(repository.name))
    context = {
        "limits": limits,
        "quota_form": QuotaForm.of(limits),
        "immutable_tags_form": ImmutableTagsForm.of(limits),
        "is_owner": role == Role.OWNER or principal.is_site_admin,
        "form": VisibilityForm(initial={"visibility": repository.visibility}),
        "grant_form": GrantForm(),
        "description_form": DescriptionForm(initial={"description": repository.description}),
        "page": page_of(request, grants),
        "tab": "settings",
    }
    # Whoever may see this page may do everything here.
    found = header.Found(repository, principal, EVERYTHING)
    above = header.context_of(request, found)
    others = [pattern for pattern in above["patterns"] if pattern not in limits.patterns]
    context |= above | {"team_patterns": others} | shown
    return render(request, "repositories/settings.html", context)


@page("POST")
def description(request: SignedInRequest, name: str) -> HttpResponse:
    """Say what the repository is for; or, without saving it yet, show how that would look."""
    principal = principal_of(request)
    repository = administration.managed_repository(principal, name)
    form = DescriptionForm(request.POST)
    if form.is_valid() and "preview" in request.POST:
        preview = markdown.render(form.cleaned_data["description"])
        return _show(request, repository, description_form=form, preview=preview)
    if form.is_valid():
        with form.showing_errors():
            administration.set_description(
                principal=principal, name=name, description=form.cleaned_data["description"]
            )
            messages.success(request, _("Saved."))
            return redirect("repository", name)
    return _show(request, repository, description_form=form)


@page("POST")
def grant(request: SignedInRequest, name: str) -> HttpResponse:
    """Give a user a role in the repository, or change it."""
    principal = principal_of(request)
    repository = administration.managed_repository(principal, name)
    form = GrantForm(request.POST)
    if form.is_valid():
        user = User.objects.filter(username=form.cleaned_data["username"]).first()
        if user is not None:
            role = form.cleaned_data["role"]
            administration.grant(principal=principal, name=name, user=user, role=role)
            messages.success(request, _("Saved."))
            return redirect("repository-settings", name)
        form.add_error("username", _("There is no user of that name."))
    return _show(request, repository, grant_form=form)


@page("POST")
def grant_withdraw(request: SignedInRequest, name: str, member: str) -> HttpResponse:
    """Take a role in the repository back."""
    principal = principal_of(request)
    repository = administration.managed_repository(principal, name)
    user = repository.grants.select_related("user").get(user__username=member).user
    with telling_why_not(request):
        administration.withdraw_grant(principal=principal, name=name, user=user)
        messages.success(request, _("The role is taken back."))
    return redirect("repository-settings", name)


@page("POST")
def quota(request: SignedInRequest, name: str) -> HttpResponse:
    """Set the repository's quota. Owners of its team."""
    principal = principal_of(request)
    repository = administration.managed_repository(principal, name)
    require_role(principal, team_of(name), Role.OWNER)
    form = QuotaForm(request.POST)
    if form.is_valid():
        with form.showing_errors():
            limit_settings.set_repository_quota(principal=principal, name=name, quota=form.quota)
            messages.success(request, _("Saved."))
            return redirect("repository-settings", name)
    return _show(request, repository, quota_form=form)


@page("POST")
def immutable_tags(request: SignedInRequest, name: str) -> HttpResponse:
    """Say which tags are immutable."""
    principal = principal_of(request)
    repository = administration.managed_repository(principal, name)
    form = ImmutableTagsForm(request.POST)
    if form.is_valid():
        with form.showing_errors():
            limit_settings.set_immutable_tags(
                principal=principal, name=name, patterns=form.cleaned_data["immutable_tags"]
            )
            messages.success(request, _("Saved."))
            return redirect("repository-settings", name)
    return _show(request, repository, immutable_tags_form=form)


@page("POST")
def archive(request: SignedInRequest, name: str) -> HttpResponse:
    """Make the repository read-only, or end that."""
    archived = request.POST.get("archived") == "yes"
    limit_settings.set_archived(principal=principal_of(request), name=name, archived=archived)
    text = _("The repository is archived.") if archived else _("Pushes are taken again.")
    messages.success(request, text)
    return redirect("repository-settings", name)
