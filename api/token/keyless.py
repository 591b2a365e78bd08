"""Keyless CI: a job's OIDC token, exchanged for a push token (RFC 8693)."""

from collections.abc import Iterable, Sequence

from accounts import audit, federation
from accounts.models import TrustRule
from repositories.access import Principal
from repositories.oci.errors import Unauthorized
from repositories.oci.scopes import RequestedScope, parse_token_scopes

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ISSUED_TYPE = "urn:ietf:params:oauth:token-type:access_token"
# The user name by which `docker login` hands over a job's token as the password.
ACCOUNT = "oidc"


def exchange(token: str, *, requested: Iterable[RequestedScope], address: str) -> Principal:
    """Whom a job's token lets it act as: by the rule that reaches what is asked for.

    Raises Unauthorized, Unavailable.
    """
    try:
        rules, claims = federation.match(token)
    except Unauthorized:
        audit.denied("token.exchange", actor="", address=address, credential="a CI job's token")
        raise
    rule = _choose(rules, {scope.name for scope in requested})
    principal = Principal(
        name=f"ci-{rule.name}",
        team=rule.team.name,
        scopes=parse_token_scopes(rule.scopes),
        credential=f"trust rule {rule.name}",
        address=address,
    )
    audit.record(
        "token.exchange",
        actor=principal.name,
        target=rule.name,
        address=address,
        credential=principal.credential,
        detail={"issuer": rule.issuer, "subject": str(claims.get("sub", ""))[:300]},
    )
    return principal


def _choose(rules: Sequence[TrustRule], names: Iterable[str]) -> TrustRule:
    """Anybody may make a rule for anybody's jobs: it must not stand in the way of their own."""
    for rule in rules:
        scopes = parse_token_scopes(rule.scopes)
        if any(scope.matches(name) for scope in scopes for name in names):
            return rule
    return rules[0]
