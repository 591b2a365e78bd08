"""What a team may have, and which of its tags are immutable."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.models import Membership
from accounts.permissions import require_admin, require_role, visible_team
from accounts.web.limit_forms import ImmutableTagsForm, QuotaForm
from accounts.web.page import SignedInRequest, page
from accounts.web.principal import principal_of
from accounts.web.teams import settings_context
from repositories import limit_settings

Role = Membership.Role


@page("POST")
def team_quota(request: SignedInRequest, name: str) -> HttpResponse:
    """Set the team's quota. Administrators."""
    principal = principal_of(request)
    visible_team(principal, name)
    require_admin(principal)
    form = QuotaForm(request.POST)
    if form.is_valid():
        with form.showing_errors():
            limit_settings.set_team_quota(principal=principal, team=name, quota=form.quota)
            messages.success(request, _("Saved."))
            return redirect("team-settings", name)
    context = settings_context(request, name) | {"quota_form": form}
    return render(request, "accounts/team_settings.html", context)


@page("POST")
def team_immutable_tags(request: SignedInRequest, name: str) -> HttpResponse:
    """Set the patterns that hold in all repositories of the team. Owners."""
    principal = principal_of(request)
    require_role(principal, name, Role.OWNER)
    form = ImmutableTagsForm(request.POST)
    if form.is_valid():
        with form.showing_errors():
            patterns = form.cleaned_data["immutable_tags"]
            limit_settings.set_team_immutable_tags(
                principal=principal, team=name, patterns=patterns
            )
            messages.success(request, _("Saved."))
            return redirect("team-settings", name)
    context = settings_context(request, name) | {"immutable_tags_form": form}
    return render(request, "accounts/team_settings.html", context)
