"""Trust rules: who may make which."""

from collections.abc import Mapping

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from accounts import trust_rules
from accounts.models import AuditEvent, Team, TrustRule
from repositories.access import Principal
from repositories.oci.scopes import parse_token_scopes

GITHUB = "https://token.actions.githubusercontent.com"
OWN = {"repository": "acme/payments"}


def create(
    principal: Principal,
    *,
    name: str = "ci",
    issuer: str = GITHUB,
    claims: Mapping[str, str] = OWN,
    scopes: str = "payments/*:pull,push",
    team: str = "payments",
) -> TrustRule:
    return trust_rules.create_trust_rule(
        principal=principal,
        team=team,
        name=name,
        issuer=issuer,
        audience="https://registry.example.com",
        claims=claims,
        scopes=parse_token_scopes(scopes),
    )


def test_owners_make_list_switch_and_delete_rules(owner: Principal) -> None:
    rule = create(owner)
    assert rule.name == "payments-ci"
    assert list(trust_rules.trust_rules(principal=owner, team="payments")) == [rule]
    trust_rules.set_trust_rule_active(
        principal=owner, team="payments", rule_id=rule.pk, active=False
    )
    assert not TrustRule.objects.get().is_active
    trust_rules.delete_trust_rule(principal=owner, team="payments", rule_id=rule.pk)
    assert list(AuditEvent.objects.order_by("pk").values_list("action", "target")) == [
        ("trust-rule.create", "payments-ci"),
        ("trust-rule.update", "payments-ci"),
        ("trust-rule.delete", "payments-ci"),
    ]


def test_nobody_else_does(maintainer: Principal, stranger: Principal) -> None:
    with pytest.raises(PermissionDenied):
        create(maintainer)
    with pytest.raises(Team.DoesNotExist):
        create(stranger)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://issuer.example.com",
        "ftp://issuer.example.com",
        "https://",
        "https://user@issuer.example.com",
        "https://issuer.example.com/?a=b",
        "https://issuer.example.com/#a",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_issuer_is_an_https_address(administrator: Principal, team: Team, issuer: str) -> None:
    with pytest.raises(ValidationError) as error:
        create(administrator, issuer=issuer)
    assert "issuer" in error.value.error_dict


@pytest.mark.parametrize(
    "issuer", ["https://internal.example.com", "http://127.0.0.1:6379", f"{GITHUB}.evil.example"]
)
def test_teams_name_no_issuer_that_the_server_would_not_ask_anyway(
    owner: Principal, administrator: Principal, issuer: str
) -> None:
    """Robustness S21: whoever makes a team must not make the server fetch from anywhere."""
    with pytest.raises(ValidationError, match="ask an administrator"):
        create(owner, issuer=issuer)
    create(administrator, name="first", issuer=issuer)
    create(owner, name="second", issuer=issuer)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"ref": "refs/heads/main"},
        {"repository": "*"},
        {"repository": ""},
        {"": "x"},
        {"repository": "acme*"},
        {"repository": "acme/*/x"},
        {"repository": "**"},
        {"sub": "repo:*"},
        {"sub": "project_path:*"},
        {"sub": "repo:acme*"},
        {"repository": "a\x00b"},
        {"repository": "x" * 501},
        {"sub": "x", "ref": "*"},
        {f"c{n}": "x" for n in range(21)} | {"sub": "x"},
    ],
)
def test_claims_say_whose_jobs_these_are(owner: Principal, claims: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as error:
        create(owner, claims=claims)
    assert "claims" in error.value.error_dict


@pytest.mark.parametrize(
    "claims",
    [
        {"repository": "acme/*"},
        {"repository_owner": "acme", "ref": "refs/heads/*"},
        {"sub": "repo:acme/payments:*"},
        {"sub": "project_path:acme/payments:ref_type:branch:ref:main"},
        {"sub": "system:serviceaccount:ci:builder"},
        {"repository": "acme/payments", "environment": "prod*"},
    ],
)
def test_claims_that_name_somebody_are_taken(owner: Principal, claims: dict[str, str]) -> None:
    assert create(owner, claims=claims).claims == claims


@pytest.mark.parametrize("scopes", ["", "*:push", "other/*:pull", "hello-world:push", "pay*:push"])
def test_a_rule_reaches_its_own_team_only(owner: Principal, scopes: str) -> None:
    with pytest.raises(ValidationError) as error:
        create(owner, scopes=scopes)
    assert "scopes" in error.value.error_dict


def test_the_default_teams_repositories_have_no_slash(administrator: Principal, db: None) -> None:
    Team.objects.create(name="library")
    rule = create(administrator, team="library", scopes="hello-world:push")
    assert rule.scopes == "hello-world:push"


def test_another_teams_rule_is_not_there(owner: Principal, administrator: Principal) -> None:
    Team.objects.create(name="other")
    rule = create(administrator, team="other", scopes="other/*:push")
    with pytest.raises(TrustRule.DoesNotExist):
        trust_rules.delete_trust_rule(principal=owner, team="payments", rule_id=rule.pk)


def test_a_name_is_taken_once(owner: Principal) -> None:
    create(owner)
    with pytest.raises(ValidationError):
        create(owner)
    assert TrustRule.objects.count() == 1
