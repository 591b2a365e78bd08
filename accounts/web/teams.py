"""Teams: mine, the members of one, and what its owners may change."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import teams
from accounts.models import Membership, Team, User
from accounts.permissions import require_role, team_and_role
from accounts.web.forms import MemberForm, RoleForm, TeamForm
from accounts.web.limit_forms import ImmutableTagsForm, QuotaForm
from accounts.web.page import SignedInRequest, page, telling_why_not
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from repositories import limit_settings

Role = Membership.Role


@page("GET", "POST")
def team_list(request: SignedInRequest) -> HttpResponse:
    """The user's teams, and a form for a new one."""
    principal = principal_of(request)
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.showing_errors():
            team = teams.create_team(principal=principal, name=form.cleaned_data["name"])
            messages.success(request, _("The team is made, and you own it."))
            return redirect("team", team.name)
    page = page_of(request, teams.memberships(principal=principal))
    return render(request, "accounts/teams.html", {"page": page, "form": form})


def team_context(
    request: SignedInRequest, name: str, *, teams: QuerySet[Team] | None = None
) -> dict[str, Any]:
    """What every page of a team shows; the team as one of `teams`, with what they know of it.

    Raises Team.DoesNotExist.
    """
    principal = principal_of(request)
    team, role = team_and_role(principal, name, teams=teams)
    return {
        "team": team,
        "role": role,
        "is_owner": role == Role.OWNER or principal.is_site_admin,
    }


@page("GET", "POST")
def members(request: SignedInRequest, name: str) -> HttpResponse:
    """The members; owners change them and add others."""
    context = team_context(request, name)
    form = MemberForm(request.POST or None)
    if request.method == "POST":
        require_role(principal_of(request), name, Role.OWNER)
    if request.method == "POST" and form.is_valid():
        with form.showing_errors():
            user = User.objects.filter(username=form.cleaned_data["username"]).first()
            if user is None:
                form.add_error("username", _("There is no user of that name."))
            else:
                _set_role(request, name, user, form.cleaned_data["role"])
                return redirect("members", name)
    rows = teams.members(context["team"])
    context |= {"page": page_of(request, rows), "form": form, "roles": Role.choices}
    return render(request, "accounts/members.html", context)


def _set_role(request: SignedInRequest, team: str, user: User, role: Role) -> None:
    teams.set_member(principal=principal_of(request), team=team, user=user, role=role)
    text = _("%(user)s has the role “%(role)s” now.")
    messages.success(request, text % {"user": user.username, "role": role.label})


@page("POST")
def member_role(request: SignedInRequest, name: str, member: str) -> HttpResponse:
    """Change a member's role."""
    require_role(principal_of(request), name, Role.OWNER)
    membership = _member(name, member)
    form = RoleForm(request.POST)
    if form.is_valid():
        with telling_why_not(request):
            _set_role(request, name, membership.user, form.cleaned_data["role"])
    return redirect("members", name)


@page("POST")
def member_remove(request: SignedInRequest, name: str, member: str) -> HttpResponse:
    """Take a member out of the team."""
    require_role(principal_of(request), name, Role.OWNER)
    user = _member(name, member).user
    with telling_why_not(request):
        teams.remove_member(principal=principal_of(request), team=name, user=user)
        messages.success(request, _("%(user)s is no member any more.") % {"user": user.username})
    return redirect("members", name)


def _member(team: str, name: str) -> Membership:
    return Membership.objects.select_related("user").get(team__name=team, user__username=name)


@page("GET", "POST")
def team_settings(request: SignedInRequest, name: str) -> HttpResponse:
    """Its limits, and leaving the team, for every member; deleting it, for owners."""
    context = settings_context(request, name)
    principal = principal_of(request)
    if request.method == "POST":
        with telling_why_not(request):
            teams.delete_team(principal=principal, team=name)
            messages.success(request, _("The team %(team)s is deleted.") % {"team": name})
            return redirect("teams")
    return render(request, "accounts/team_settings.html", context)


def settings_context(request: SignedInRequest, name: str) -> dict[str, Any]:
    """What the page of a team's settings shows. Raises Team.DoesNotExist."""
    context = team_context(request, name)
    limits = limit_settings.of_team(context["team"])
    return context | {
        "is_member": context["team"].memberships.filter(user=request.user).exists(),
        "is_admin": principal_of(request).is_site_admin,
        "limits": limits,
        "quota_form": QuotaForm.of(limits),
        "immutable_tags_form": ImmutableTagsForm.of(limits),
    }


@page("POST")
def team_leave(request: SignedInRequest, name: str) -> HttpResponse:
    """Take oneself out of the team."""
    with telling_why_not(request):
        teams.remove_member(principal=principal_of(request), team=name, user=request.user)
        messages.success(request, _("You have left %(team)s.") % {"team": name})
        return redirect("teams")
    return redirect("team-settings", name)
