"""Trust rules as a team's owners manage them: whose CI jobs may push without a stored secret.

A rule makes the server fetch the keys of its issuer, so a team cannot name just any address
(robustness S21): only issuers of `TRUSTED_ISSUERS` and those that an administrator has used.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext, ngettext

from accounts.models import Membership, TrustRule
from accounts.people import record
from accounts.permissions import require_role
from repositories.access import Principal
from repositories.oci.names import is_component, team_of
from repositories.oci.scopes import TokenScope, format_token_scopes

Role = Membership.Role
MAX_RULES = 100
MAX_CLAIMS = 20
# Claims that say whose job it is. Without one of them a rule would trust every customer of the
# issuer: `ref: refs/heads/main` is a branch of everybody's.
IDENTIFYING = (
    "sub",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "project_id",
    "project_path",
    "namespace_id",
    "namespace_path",
)


def trust_rules(*, principal: Principal, team: str) -> QuerySet[TrustRule]:
    """The team's rules, by name. Owners only. Raises Team.DoesNotExist, PermissionDenied."""
    return require_role(principal, team, Role.OWNER).trust_rules.order_by("name")


def create_trust_rule(
    *,
    principal: Principal,
    team: str,
    name: str,
    issuer: str,
    audience: str,
    claims: Mapping[str, str],
    scopes: Sequence[TokenScope],
) -> TrustRule:
    """A rule of the team, called `<team>-<name>`. Owners only.

    Raises Team.DoesNotExist, PermissionDenied, ValidationError.
    """
    found = require_role(principal, team, Role.OWNER)
    if not is_component(name):
        raise ValidationError(
            {"name": gettext("Use lower-case letters and digits, separated by '-'.")}
        )
    _check_issuer(principal, issuer)
    _check_claims(claims)
    _check_scopes(team, scopes)
    if found.trust_rules.count() >= MAX_RULES:
        text = ngettext(
            "There is %(count)d rule already; delete it first.",
            "There are %(count)d rules already; delete some first.",
            MAX_RULES,
        )
        raise ValidationError(text % {"count": MAX_RULES})
    rule = TrustRule(
        name=f"{team}-{name}",
        team=found,
        issuer=issuer,
        audience=audience,
        claims=dict(claims),
        scopes=format_token_scopes(scopes),
    )
    with transaction.atomic():
        rule.full_clean()
        rule.save()
        record(principal, "trust-rule.create", rule.name, issuer=issuer, claims=rule.claims)
    return rule


def set_trust_rule_active(*, principal: Principal, team: str, rule_id: int, active: bool) -> None:
    """Switch a rule off or on. Owners only. Raises DoesNotExist, PermissionDenied."""
    rule = trust_rules(principal=principal, team=team).get(pk=rule_id)
    with transaction.atomic():
        rule.is_active = active
        rule.save(update_fields=["is_active"])
        record(principal, "trust-rule.update", rule.name, is_active=active)


def delete_trust_rule(*, principal: Principal, team: str, rule_id: int) -> None:
    """Trust those jobs no longer. Owners only. Raises DoesNotExist, PermissionDenied."""
    rule = trust_rules(principal=principal, team=team).get(pk=rule_id)
    with transaction.atomic():
        record(principal, "trust-rule.delete", rule.name)
        rule.delete()


def _check_issuer(principal: Principal, issuer: str) -> None:
    parts = urlsplit(issuer)
    is_here = parts.hostname in ("127.0.0.1", "::1", "localhost")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_here)
    if not is_safe or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValidationError(
            {"issuer": gettext("Write the issuer's https address as in its tokens.")}
        )
    is_known = issuer in settings.TRUSTED_ISSUERS
    if is_known or principal.is_site_admin or TrustRule.objects.filter(issuer=issuer).exists():
        return
    text = gettext("This issuer is new here: ask an administrator to make the first rule with it.")
    raise ValidationError({"issuer": text})


def _check_claims(claims: Mapping[str, str]) -> None:
    if len(claims) > MAX_CLAIMS:
        text = ngettext("Use at most %(count)d claim.", "Use at most %(count)d claims.", MAX_CLAIMS)
        raise ValidationError({"claims": text % {"count": MAX_CLAIMS}})
    if not any(name in IDENTIFYING for name in claims):
        text = gettext("Say whose jobs these are by at least one of the claims %(names)s.")
        raise ValidationError({"claims": text % {"names": ", ".join(IDENTIFYING)}})
    for name, pattern in claims.items():
        _check_pattern(name, pattern)


def _check_pattern(name: str, pattern: str) -> None:
    """A `*` after half a word would trust strangers: `acme*` is also `acme-evil`."""
    if not name or not pattern or len(name) > 100 or len(pattern) > 500:
        text = gettext("Each claim has a name, and a value of its own.")
        raise ValidationError({"claims": text})
    fixed = pattern.removesuffix("*")
    if "*" in fixed or not fixed or not (name + pattern).isprintable():
        text = gettext("%(name)s: a '*' stands at the end, after the part that is fixed.")
        raise ValidationError({"claims": text % {"name": name}})
    if fixed == pattern or name not in IDENTIFYING:
        return
    if not fixed.endswith(("/", ":")) or fixed in ("repo:", "project_path:"):
        text = gettext("%(name)s: end what is fixed with '/' or ':', such as acme/*.")
        raise ValidationError({"claims": text % {"name": name}})


def _check_scopes(team: str, scopes: Sequence[TokenScope]) -> None:
    if not scopes:
        text = gettext("Say which repositories the jobs may use, and how.")
        raise ValidationError({"scopes": text})
    for scope in scopes:
        if team_of(scope.pattern) != team:
            text = gettext("%(scope)s: a rule reaches %(team)s/… only.")
            raise ValidationError({"scopes": text % {"scope": scope, "team": team}})
