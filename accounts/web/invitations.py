"""Invitations to a team, by a link that is shown once."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import teams
from accounts.models import Invitation, Membership
from accounts.web.forms import RoleForm
from accounts.web.page import SignedInRequest, page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from accounts.web.server import server_of
from accounts.web.teams import team_context


@page("GET", "POST")
def invitation_list(request: SignedInRequest, name: str) -> HttpResponse:
    """The open invitations; a new one's link is in the answer and nowhere else."""
    principal = principal_of(request)
    found = teams.open_invitations(principal=principal, team=name)
    form = RoleForm(request.POST or None)
    link = ""
    if request.method == "POST" and form.is_valid():
        role = form.cleaned_data["role"]
        _invitation, secret = teams.invite(principal=principal, team=name, role=role)
        link = server_of(request).url + reverse("invitation", args=[secret])
        form = RoleForm()
    context = team_context(request, name)
    context |= {"page": page_of(request, found), "form": form, "link": link}
    return render(request, "accounts/invitations.html", context)


@page("POST")
def invitation_withdraw(request: SignedInRequest, name: str, invitation_id: int) -> HttpResponse:
    """Make a link useless."""
    principal = principal_of(request)
    found = teams.open_invitations(principal=principal, team=name).select_related("team")
    teams.withdraw(principal=principal, invitation=found.get(pk=invitation_id))
    messages.success(request, _("The invitation is withdrawn."))
    return redirect("invitations", name)


@page("GET", "POST")
def invitation(request: SignedInRequest, secret: str) -> HttpResponse:
    """What the link leads to: join the team, or not."""
    if request.method == "POST":
        membership = teams.accept(principal=principal_of(request), secret=secret)
        messages.success(request, _("Welcome to the team."))
        return redirect("team", membership.team.name)
    found: Invitation = teams.find_invitation(secret)
    context = {"invitation": found, "role": Membership.Role(found.role).label}
    return render(request, "accounts/invitation.html", context)
