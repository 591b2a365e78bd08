"""Users, for administrators."""

import secrets
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import people, second_factor
from accounts.models import AccessToken, User
from accounts.web.forms import SearchForm, UserForm
from accounts.web.page import SignedInRequest, page, telling_why_not
from accounts.web.paging import page_of
from accounts.web.principal import principal_of


def search_of(request: SignedInRequest) -> tuple[SearchForm, str]:
    """The search form of a list, and what to search for."""
    form = SearchForm(request.GET)
    return form, form.cleaned_data["q"] if form.is_valid() else ""


@page("GET")
def user_list(request: SignedInRequest) -> HttpResponse:
    """Every user, by name."""
    form, search = search_of(request)
    found = people.users(principal=principal_of(request), search=search)
    context = {"page": page_of(request, found), "search": form}
    return render(request, "accounts/manage/users.html", context)


@page("GET", "POST")
def user_create(request: SignedInRequest) -> HttpResponse:
    """A new user, with a random password that is in this answer and nowhere else."""
    people.users(principal=principal_of(request))  # for administrators only, the form as well
    form = UserForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        password = secrets.token_urlsafe(12) if form.cleaned_data["has_password"] else None
        with form.showing_errors():
            user = people.create_user(
                principal=principal_of(request),
                name=form.cleaned_data["username"],
                password=password,
                email=form.cleaned_data["email"],
                is_admin=form.cleaned_data["is_admin"],
            )
            if password is None:
                return redirect("manage-user", user.username)
            return _show_password(request, user, password)
    return render(request, "accounts/manage/user_create.html", {"form": form})


def _user(request: SignedInRequest, name: str) -> User:
    """Raises User.DoesNotExist, PermissionDenied."""
    return people.users(principal=principal_of(request)).get(username=name)


@page("GET")
def user(request: SignedInRequest, name: str) -> HttpResponse:
    """One user: teams, tokens, and what can be done about them."""
    found = _user(request, name)
    context = {
        "person": found,
        "is_oneself": found.pk == request.user.pk,
        "memberships": found.memberships.select_related("team").order_by("team__name")[:100],
        "tokens": found.tokens.filter(kind=AccessToken.Kind.PERSONAL).count(),
        "logins": found.tokens.filter(kind=AccessToken.Kind.SESSION).count(),
        "browsers": found.browser_sessions.count(),
        "has_second_factor": second_factor.is_required(found),
    }
    return render(request, "accounts/manage/user.html", context)


@page("POST")
def user_switch(request: SignedInRequest, name: str) -> HttpResponse:
    """Disable or enable a user, make or unmake an administrator: one of the two at a time."""
    found = _user(request, name)
    changes: dict[str, Any] = {
        field: request.POST[sent] == "yes"
        for sent, field in (("active", "is_active"), ("admin", "is_admin"))
        if sent in request.POST
    }
    with telling_why_not(request):
        people.update_user(principal=principal_of(request), user=found, **changes)
        messages.success(request, _("Saved."))
    return redirect("manage-user", name)


@page("POST")
def user_reset_password(request: SignedInRequest, name: str) -> HttpResponse:
    """A new random password, in this answer and nowhere else."""
    found = _user(request, name)
    if found.pk == request.user.pk:
        raise PermissionDenied(_("Change your own password in your settings."))
    password = people.reset_password(principal=principal_of(request), user=found)
    return _show_password(request, found, password)


def _show_password(request: SignedInRequest, user: User, password: str) -> HttpResponse:
    context = {"person": user, "password": password}
    return render(request, "accounts/manage/password_shown.html", context)


@page("POST")
def user_remove_second_factor(request: SignedInRequest, name: str) -> HttpResponse:
    """For somebody who has lost their authenticator app and the recovery codes."""
    people.remove_second_factor(principal=principal_of(request), user=_user(request, name))
    messages.success(request, _("%(user)s has no second factor any more.") % {"user": name})
    return redirect("manage-user", name)


@page("POST")
def user_end_sessions(request: SignedInRequest, name: str) -> HttpResponse:
    """Sign a user out everywhere."""
    found = _user(request, name)
    people.end_sessions(principal=principal_of(request), user=found)
    messages.success(request, _("%(user)s is signed out everywhere.") % {"user": name})
    return redirect("manage-user", name)
