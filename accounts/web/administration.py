"""All teams, all tokens, the signing keys and read-only mode, for administrators."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import credentials, names, signing_keys, teams
from accounts.permissions import require_admin
from accounts.web.page import SignedInRequest, page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from accounts.web.users import search_of
from repositories import limit_settings
from repositories.read_only import setting


@page("GET")
def team_list(request: SignedInRequest) -> HttpResponse:
    """Every team, by name."""
    form, search = search_of(request)
    found = teams.all_teams(principal=principal_of(request), search=search)
    context = {
        "page": page_of(request, teams.with_member_counts(found)),
        "search": form,
        "most": teams.MOST_COUNTED,
    }
    return render(request, "accounts/manage/teams.html", context)


@page("GET")
def token_list(request: SignedInRequest) -> HttpResponse:
    """Every token, the newest first; searched by owner, name, or the end of its secret."""
    principal = principal_of(request)
    require_admin(principal)
    form, search = search_of(request)
    found = credentials.visible_tokens(principal)
    if search:
        found = found.filter(names.tokens_with(search))
    context = {"page": page_of(request, found), "search": form}
    return render(request, "accounts/manage/tokens.html", context)


@page("GET", "POST")
def key_list(request: SignedInRequest) -> HttpResponse:
    """The keys of the token service, and a button that makes another."""
    principal = principal_of(request)
    found = signing_keys.signing_keys(principal=principal)
    if request.method == "POST":
        signing_keys.rotate(principal=principal, now="now" in request.POST)
        messages.success(request, _("A new key signs from now on."))
        return redirect("manage-keys")
    return render(request, "accounts/manage/keys.html", {"page": page_of(request, found)})


@page("GET", "POST")
def read_only(request: SignedInRequest) -> HttpResponse:
    """Whether the registry is read-only, and the switch for that."""
    principal = principal_of(request)
    require_admin(principal)
    state = request.POST.get("state")
    if state in ("on", "off"):
        limit_settings.set_read_only(principal=principal, on=state == "on")
        is_on, is_off = _("The registry is read-only now."), _("Pushes are taken again.")
        messages.success(request, is_on if state == "on" else is_off)
        return redirect("manage-read-only")
    context = {
        "mode": limit_settings.mode(),
        "by_setting": settings.READ_ONLY,
        "setting": setting(),
    }
    return render(request, "accounts/manage/read_only.html", context)
