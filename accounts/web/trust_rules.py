"""A team's trust rules: CI jobs that push with their own OIDC token."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import trust_rules
from accounts.web.forms import TrustRuleForm
from accounts.web.page import SignedInRequest, page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from accounts.web.server import server_of
from accounts.web.teams import team_context


@page("GET", "POST")
def trust_rule_list(request: SignedInRequest, name: str) -> HttpResponse:
    """The rules, and a form for another."""
    principal = principal_of(request)
    found = trust_rules.trust_rules(principal=principal, team=name)
    server = server_of(request)
    initial = {"audience": server.url, "scopes": f"{name}/*:pull,push"}
    form = TrustRuleForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        with form.showing_errors():
            rule = trust_rules.create_trust_rule(
                principal=principal, team=name, **form.cleaned_data
            )
            messages.success(request, _("%(rule)s is in force.") % {"rule": rule.name})
            return redirect("trust-rules", name)
    context = team_context(request, name)
    context |= {"page": page_of(request, found), "form": form, "server": server}
    return render(request, "accounts/trust_rules.html", context)


@page("POST")
def trust_rule_switch(request: SignedInRequest, name: str, rule_id: int) -> HttpResponse:
    """Switch a rule off or on."""
    trust_rules.set_trust_rule_active(
        principal=principal_of(request),
        team=name,
        rule_id=rule_id,
        active=request.POST.get("active") == "yes",
    )
    return redirect("trust-rules", name)


@page("POST")
def trust_rule_delete(request: SignedInRequest, name: str, rule_id: int) -> HttpResponse:
    """Trust those jobs no longer."""
    trust_rules.delete_trust_rule(principal=principal_of(request), team=name, rule_id=rule_id)
    messages.success(request, _("The rule is deleted."))
    return redirect("trust-rules", name)
