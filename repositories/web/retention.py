"""Retention rules, of a repository and of a team: what they would remove is shown before they are
saved."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Membership
from accounts.permissions import require_role
from accounts.web.forms import Form
from accounts.web.page import SignedInRequest, page
from accounts.web.principal import principal_of
from accounts.web.teams import team_context
from repositories import administration, retention, retention_previews
from repositories.access import EVERYTHING
from repositories.models import RetentionRun
from repositories.oci.names import MAX_TAG_BYTES
from repositories.patterns import EVERY
from repositories.retention import Policy
from repositories.retention_judge import Because
from repositories.retention_previews import Entry, TeamPreview
from repositories.retention_rules import (
    MAX_COUNT,
    MAX_DAYS,
    MAX_RULES,
    NEEDED,
    POSSIBLE,
    Kind,
    Line,
    Rules,
    parse,
)
from repositories.web import header

# Of those that go, and of those that stay, so many are shown.
MAX_SHOWN = 100
MAX_REPOSITORIES = 20
_BLANK_ROWS = 2
_KINDS = [
    ("", gettext_lazy("no rule")),
    (Kind.NEWEST.value, gettext_lazy("Keep the newest tags")),
    (Kind.PUSHED.value, gettext_lazy("Keep tags that were pushed within some days")),
    (Kind.PULLED.value, gettext_lazy("Keep images that were pulled, or pushed, within some days")),
    (Kind.MATCHING.value, gettext_lazy("Keep tags that match a pattern")),
    (Kind.VERSIONS.value, gettext_lazy("Keep the newest semantic versions of each line")),
    (Kind.UNTAGGED.value, gettext_lazy("Remove manifests that have had no tag for some days")),
]
_LINES = [
    ("", "-"),
    (Line.MAJOR.value, gettext_lazy("major: 1.4.0 and 1.9.2 together")),
    (Line.MINOR.value, gettext_lazy("minor: 1.4.0 and 1.9.2 apart")),
]
_WHY = {
    Because.NO_RULE: gettext_lazy("no rule keeps it"),
    Because.NOT_ASKED: gettext_lazy("no rule is about such"),
    Because.RECENT: gettext_lazy("too young yet"),
    Because.TAGGED: gettext_lazy("a tag that stays leads to it"),
    Because.PROTECTED: gettext_lazy("it is immutable"),
    Because.IN_USE: gettext_lazy("somebody who may push has just asked for it"),
}


class RuleForm(Form):
    """One rule; what it has no use for is passed over, and the style sheet hides it."""

    rule = forms.ChoiceField(label=gettext_lazy("Rule"), choices=_KINDS, required=False)
    count = forms.IntegerField(
        label=gettext_lazy("How many"), min_value=1, max_value=MAX_COUNT, required=False
    )
    days = forms.IntegerField(
        label=gettext_lazy("Days"),
        min_value=1,
        max_value=MAX_DAYS,
        required=False,
        help_text=gettext_lazy("Of versions: after so many days pre-releases go."),
    )
    pattern = forms.CharField(
        label=gettext_lazy("Pattern"),
        max_length=MAX_TAG_BYTES,
        required=False,
        help_text=gettext_lazy(
            "Of tags, such as v*: * for any characters, ? for one, [0-9] for one of these."
        ),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    line = forms.ChoiceField(label=gettext_lazy("Line of versions"), choices=_LINES, required=False)

    @property
    def values(self) -> dict[str, Any]:
        """The rule as JSON has it, without what was typed before another kind was chosen."""
        kind = self.cleaned_data.get("rule")
        if not kind:
            return {}
        wanted = ("rule", *NEEDED[Kind(kind)], *POSSIBLE.get(Kind(kind), ()))
        typed = {name: self.cleaned_data.get(name) for name in wanted}
        return {name: value for name, value in typed.items() if value not in ("", None)}


RuleForms = forms.formset_factory(
    RuleForm, extra=_BLANK_ROWS, max_num=MAX_RULES, absolute_max=MAX_RULES
)


def _forms_of(rules: Rules) -> Any:
    """The rules to be changed, and some room for more."""
    initial = [rule.as_json() for rule in rules]
    for row in initial:
        if row.get("pattern") == EVERY and row["rule"] != Kind.MATCHING.value:
            del row["pattern"]
    return RuleForms(initial=initial)


def _sent(request: SignedInRequest) -> tuple[Any, Rules | None]:
    """The forms that were sent, and the rules that they are; None where something is wrong."""
    sent = RuleForms(request.POST)
    if not sent.is_valid():
        return sent, None
    try:
        return sent, parse([form.values for form in sent if form.values.get("rule")])
    except ValidationError as error:
        for text in error.messages:
            messages.error(request, text)
        return sent, None


def _text(rules: Rules) -> str:
    """The rules as the preview's form sends them back: nothing else than these is saved."""
    return json.dumps([rule.as_json() for rule in rules])


def _why(entry: Entry) -> str:
    """Why a tag or a manifest stays or goes, in words."""
    if entry.rule is not None:
        return str(entry.rule)
    if entry.because is Because.FOLLOWS:
        return _("belongs to what stays") if entry.stays else _("belongs to what goes")
    return str(_WHY[entry.because])


def _told(plan: Any, *, stays: bool) -> tuple[Sequence[tuple[Entry, str]], bool]:
    """The first entries, each with its reason; and whether there are more."""
    found, after = retention_previews.entries(plan, stays=stays, limit=MAX_SHOWN)
    return [(entry, _why(entry)) for entry in found], bool(after)


def _answer(
    request: SignedInRequest,
    policy: Policy,
    preview: Callable[[Rules], dict[str, Any]],
    save: Callable[[Rules], object],
    remove: Callable[[], object],
) -> dict[str, Any] | None:
    """What the page shows; None when something was saved."""
    if request.method != "POST":
        return {"policy": policy, "forms": _forms_of(policy.rules)}
    if "remove" in request.POST:
        remove()
        messages.success(request, _("The rules are removed."))
        return None
    sent, rules = _sent(request)
    if rules is None:
        return {"policy": policy, "forms": sent}
    if "save" in request.POST and request.POST.get("previewed") == _text(rules):
        save(rules)
        messages.success(request, _("Saved. The rules are applied in a minute."))
        return None
    if "save" in request.POST:
        messages.error(request, _("These rules have not been previewed yet; look first."))
    shown = {"policy": policy, "forms": _forms_of(rules), "rules": rules, "text": _text(rules)}
    return shown | preview(rules)


def _team_preview(found: TeamPreview) -> dict[str, Any]:
    """The repositories that something goes from, and how many keep everything."""
    hit = [row for row in found.repositories if row.tags or row.manifests]
    return {
        "team_preview": found,
        "hit": hit,
        "whole_count": len(found.repositories) - len(hit),
    }


@page("GET", "POST")
def of_repository(request: SignedInRequest, name: str) -> HttpResponse:
    """What stays in a repository. Maintainers."""
    principal = principal_of(request)
    repository = administration.managed_repository(principal, name)

    def preview(rules: Rules) -> dict[str, Any]:
        found = retention_previews.preview_repository(
            principal=principal, repository=name, rules=rules
        )
        going, more_going = _told(found.plan, stays=False)
        staying, more_staying = _told(found.plan, stays=True)
        return {
            "preview": found,
            "going": going,
            "more_going": more_going,
            "staying": staying,
            "more_staying": more_staying,
        }

    context = _answer(
        request,
        retention.policy_of(repository),
        preview,
        lambda rules: retention.set_repository_policy(
            principal=principal, repository=name, rules=rules
        ),
        lambda: retention.remove_repository_policy(principal=principal, repository=name),
    )
    if context is None:
        return redirect("repository-retention", name)
    context |= {
        "tab": "settings",
        "run": RetentionRun.objects.filter(repository=repository).first(),
    }
    found = header.Found(repository, principal, EVERYTHING)
    context |= header.context_of(request, found)
    return render(request, "repositories/retention.html", context)


@page("GET", "POST")
def of_team(request: SignedInRequest, name: str) -> HttpResponse:
    """What stays in a team's repositories that have no rules of their own. Owners."""
    principal = principal_of(request)
    context = team_context(request, name)
    require_role(principal, name, Membership.Role.OWNER)
    shown = _answer(
        request,
        retention.team_policy(principal=principal, team=name),
        lambda rules: _team_preview(
            retention_previews.preview_team(
                principal=principal, team=name, most=MAX_REPOSITORIES, rules=rules
            )
        ),
        lambda rules: retention.set_team_policy(principal=principal, team=name, rules=rules),
        lambda: retention.remove_team_policy(principal=principal, team=name),
    )
    if shown is None:
        return redirect("team-retention", name)
    return render(request, "repositories/team_retention.html", context | shown)
