"""A repository's settings: who sees it, and who has a role in it beside the team's."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Membership, User
from accounts.web.forms import Form, MemberForm
from accounts.web.page import SignedInRequest, page, telling_why_not
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from repositories import administration
from repositories.models import Repository

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
    return _show(request, repository, form, GrantForm())


def _show(
    request: SignedInRequest, repository: Repository, form: VisibilityForm, grant_form: GrantForm
) -> HttpResponse:
    grants = repository.grants.select_related("user").order_by("user__username")
    context = {
        "repository": repository,
        "form": form,
        "grant_form": grant_form,
        "page": page_of(request, grants),
    }
    return render(request, "repositories/settings.html", context)


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
    shown = VisibilityForm(initial={"visibility": repository.visibility})
    return _show(request, repository, shown, form)


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
