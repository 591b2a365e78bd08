"""A team's robots and their tokens."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import credentials, teams
from accounts.models import Robot
from accounts.web.forms import RobotForm, TokenForm
from accounts.web.page import SignedInRequest, page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from accounts.web.teams import team_context
from accounts.web.tokens import show_secret


def _robot(request: SignedInRequest, team: str, robot_id: int) -> Robot:
    """Raises Robot.DoesNotExist, Team.DoesNotExist, PermissionDenied."""
    return teams.robots(principal=principal_of(request), team=team).get(pk=robot_id)


@page("GET", "POST")
def robot_list(request: SignedInRequest, name: str) -> HttpResponse:
    """The robots, and a form for another."""
    principal = principal_of(request)
    found = teams.robots(principal=principal, team=name)
    form = RobotForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.showing_errors():
            robot = teams.create_robot(
                principal=principal,
                team=name,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
            )
            messages.success(request, _("The robot is made. Now give it a token."))
            return redirect("robot", name, robot.pk)
    context = team_context(request, name)
    context |= {"page": page_of(request, found), "form": form}
    return render(request, "accounts/robots.html", context)


@page("GET", "POST")
def robot(request: SignedInRequest, name: str, robot_id: int) -> HttpResponse:
    """One robot: its tokens, and a form for a new one, whose secret is shown once."""
    found = _robot(request, name, robot_id)
    form = TokenForm(request.POST or None, initial={"scopes": f"{name}/*:pull,push"})
    if request.method == "POST" and form.is_valid():
        with form.showing_errors():
            token, secret = credentials.create_token(
                principal=principal_of(request),
                owner=found,
                name=form.cleaned_data["name"],
                scopes=form.parsed_scopes,
                expires_at=form.expires_at,
            )
            return show_secret(request, token, secret)
    context = team_context(request, name)
    tokens = found.tokens.select_related("robot").order_by("-pk")
    context |= {"robot": found, "page": page_of(request, tokens), "form": form}
    return render(request, "accounts/robot.html", context)


@page("POST")
def robot_switch(request: SignedInRequest, name: str, robot_id: int) -> HttpResponse:
    """Disable a robot with all its tokens, or enable it."""
    found = _robot(request, name, robot_id)
    is_active = request.POST.get("active") == "yes"
    teams.set_robot_active(principal=principal_of(request), robot=found, is_active=is_active)
    messages.success(
        request, _("The robot is enabled.") if is_active else _("The robot is disabled.")
    )
    return redirect("robot", name, robot_id)


@page("POST")
def robot_delete(request: SignedInRequest, name: str, robot_id: int) -> HttpResponse:
    """Remove a robot with its tokens."""
    found = _robot(request, name, robot_id)
    teams.delete_robot(principal=principal_of(request), robot=found)
    messages.success(request, _("%(robot)s is deleted.") % {"robot": found.name})
    return redirect("robots", name)
