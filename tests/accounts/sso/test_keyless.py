"""Keyless CI: a job's token, signed by an issuer that runs here, exchanged for a push token."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from joserfc.jwk import ECKey, RSAKey

from accounts import federation
from accounts.models import AuditEvent, Team, TrustRule
from tests.accounts.sso.issuer import AUDIENCE, Issuer

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(120)]

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
METADATA = "/.well-known/openid-configuration"
SCOPE = "repository:payments/api:pull,push,delete"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    federation.forget_everything()
    with Issuer() as issuer:
        yield issuer
    federation.forget_everything()


@pytest.fixture
def rule(issuer: Issuer, team: Team) -> TrustRule:
    """Jobs of acme/payments on main may pull and push payments/api…"""
    return TrustRule.objects.create(
        name="payments-github",
        team=team,
        issuer=issuer.url,
        audience=AUDIENCE,
        claims={"repository": "acme/payments", "sub": "repo:acme/payments:*"},
        scopes="payments/api*:pull,push",
    )


def exchange(token: str, *, scope: str = SCOPE) -> Any:
    """RFC 8693."""
    form = {
        "grant_type": GRANT,
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "service": "berth",
        "scope": scope,
    }
    return Client().post("/token", urlencode(form), "application/x-www-form-urlencoded")


def login(token: str, *, scope: str = SCOPE) -> Any:
    """`docker login -u oidc`, then a push: the name and the token as Basic credentials."""
    credentials = base64.b64encode(f"oidc:{token}".encode()).decode("ascii")
    query = urlencode({"service": "berth", "scope": scope})
    return Client().get(f"/token?{query}", headers={"Authorization": f"Basic {credentials}"})


def start_upload(answer: Any, name: str) -> int:
    """The status of a push's first step with the token of that answer."""
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    return Client().post(f"/v2/{name}/blobs/uploads/", headers=bearer).status_code


@pytest.mark.parametrize("way", [exchange, login])
@pytest.mark.parametrize("algorithm", ["rsa", "ec"])
def test_a_job_pushes_within_its_scopes(
    issuer: Issuer, rule: TrustRule, way: Any, algorithm: str
) -> None:
    answer = way(issuer.token(getattr(issuer, algorithm)))
    assert answer.status_code == 200
    claims = json.loads(base64.urlsafe_b64decode(answer.json()["token"].split(".")[1] + "=="))
    assert claims["access"] == [
        {
            "type": "repository",
            "name": "payments/api",
            "actions": ["pull", "push"],
            "refused": ["delete"],
        }
    ]
    assert claims["sub"] == "ci-payments-github"
    assert "refresh_token" not in answer.json()
    assert start_upload(answer, "payments/api") == 202
    assert start_upload(answer, "payments/other") in (401, 403)


def test_the_answer_is_of_the_form_that_rfc_8693_has(issuer: Issuer, rule: TrustRule) -> None:
    answer = exchange(issuer.token()).json()
    assert answer["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 300)
    assert answer["access_token"] == answer["token"]


@pytest.mark.parametrize(
    "name", ["payments/web", "other/api", "api", "library/api", "github/x", "ci-payments-github/x"]
)
def test_nothing_outside_the_scopes(issuer: Issuer, rule: TrustRule, name: str) -> None:
    answer = exchange(issuer.token(), scope=f"repository:{name}:pull,push,delete")
    assert answer.status_code == 200
    assert start_upload(answer, name) in (401, 403)


def test_scopes_do_not_reach_beyond_the_rules_team(issuer: Issuer, rule: TrustRule) -> None:
    Team.objects.create(name="other")
    TrustRule.objects.update(scopes="*:pull,push,delete")
    answer = exchange(issuer.token(), scope="repository:other/api:pull,push")
    assert start_upload(answer, "other/api") in (401, 403)


def test_use_is_written_down(issuer: Issuer, rule: TrustRule) -> None:
    exchange(issuer.token())
    event = AuditEvent.objects.get(action="token.exchange")
    assert (event.actor, event.target) == ("ci-payments-github", "payments-github")
    assert event.detail["subject"] == "repo:acme/payments:ref:refs/heads/main"
    exchange(issuer.token(aud="somebody else"))
    assert AuditEvent.objects.filter(action="token.exchange", outcome="denied").count() == 1


now = int(time.time())
WRONG: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "other.example.com"},
    "audiences without ours": {"aud": ["a", "b"]},
    "no audience": {"aud": ...},
    "an audience that only begins so": {"aud": AUDIENCE + ".evil.example"},
    "another repository": {"repository": "evil/payments"},
    "a repository that begins so": {"repository": "acme/payments-evil"},
    "no repository": {"repository": ...},
    "a list of repositories": {"repository": ["acme/payments"]},
    "another subject": {"sub": "repo:acme/payments-evil:ref:refs/heads/main"},
    "expired": {"exp": now - 3600},
    "no expiry": {"exp": ...},
    "an expiry in words": {"exp": "never"},
    "not yet valid": {"nbf": now + 3600},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
def test_wrong_claims(issuer: Issuer, rule: TrustRule, changes: dict[str, Any]) -> None:
    assert exchange(issuer.token(**changes)).status_code == 401
    assert login(issuer.token(**changes)).status_code == 401
    assert exchange(issuer.token()).status_code == 200


def test_one_of_several_audiences_is_enough(issuer: Issuer, rule: TrustRule) -> None:
    assert exchange(issuer.token(aud=["other", AUDIENCE])).status_code == 200


def test_a_rule_that_is_switched_off_or_gone(issuer: Issuer, rule: TrustRule) -> None:
    token = issuer.token()
    assert exchange(token).status_code == 200
    TrustRule.objects.update(is_active=False)
    assert exchange(token).status_code == 401
    TrustRule.objects.all().delete()
    assert exchange(token).status_code == 401


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode("ascii")


def forgeries(issuer: Issuer) -> dict[str, str]:
    """Tokens that nobody but an attacker makes, by what is wrong with them."""
    stranger = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    stranger_ec = ECKey.generate_key("P-256", {"kid": "ec-1"})
    pem = issuer.rsa.as_pem(private=False)
    der = issuer.rsa.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = part(issuer.claims())
    found = {
        "a foreign key": issuer.token(stranger),
        "a foreign elliptic key": issuer.token(stranger_ec),
        "a foreign key without an id": issuer.token(stranger, {"kid": ...}),
        "another's id": issuer.token(stranger_ec, {"kid": "rsa-1"}),
        "an unknown id": issuer.token(stranger, {"kid": "../../keys"}),
        "its own key inside": issuer.token(stranger, {"jwk": issuer.public(stranger)}),
        "a certificate inside": issuer.token(
            stranger, {"x5c": [base64.b64encode(der).decode("ascii")]}
        ),
        "no signature": f"{part({'alg': 'RS256', 'kid': 'rsa-1'})}.{body}.",
        "a changed body": _with_body(issuer.token(), issuer.claims(sub="repo:acme/payments:x")),
    }
    for word in ("none", "None", "NONE", "nOnE"):
        found[f"alg {word}"] = f"{part({'alg': word})}.{body}."
    for name, secret in {"PEM": pem, "DER": der, "nothing": b""}.items():
        signed = f"{part({'alg': 'HS256', 'kid': 'rsa-1'})}.{body}"
        mac = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), "sha256"))
        found[f"HS256 over {name}"] = f"{signed}.{mac.decode('ascii').rstrip('=')}"
    return found


def _with_body(token: str, claims: Any) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{part(claims)}.{signature}"


def test_forged_tokens(issuer: Issuer, rule: TrustRule) -> None:
    assert exchange(issuer.token()).status_code == 200
    for why, token in forgeries(issuer).items():
        assert exchange(token).status_code == 401, why
        assert login(token).status_code == 401, why


@pytest.mark.parametrize("field", ["jku", "x5u"])
def test_an_address_in_a_token_is_never_asked(issuer: Issuer, rule: TrustRule, field: str) -> None:
    with Issuer() as attacker:
        header = {field: f"{attacker.url}/keys"}
        assert exchange(issuer.token(attacker.rsa, header)).status_code == 401
        assert exchange(issuer.token(attacker.rsa, header, iss=attacker.url)).status_code == 401
        assert exchange(attacker.token()).status_code == 401
        assert exchange(attacker.token(iss=f"{issuer.url}@{attacker.url[7:]}")).status_code == 401
        assert attacker.asked == []
    assert exchange(issuer.token(header={field: "http://127.0.0.1:9/"})).status_code == 200


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b",
        "a.b.c",
        "....",
        "e30.e30.e30",
        f"{part({'alg': 'RS256'})}.{part([])}.x",
        f"{part({'alg': 'RS256'})}.{part({'iss': 7})}.x",
        f"{part({'alg': 'RS256'})}.{part({'iss': 'a' + chr(0)})}.x",
        f"{part({})}.{part({'iss': 'https://nobody.example'})}.x",
        "x" * 20_000,
        "é.é.é",
    ],
)
def test_what_is_no_token_at_all(issuer: Issuer, rule: TrustRule, token: str) -> None:
    assert exchange(token).status_code in (400, 401)
    assert login(token).status_code in (400, 401)
    assert issuer.asked == []


def test_a_nested_claim_breaks_nothing(issuer: Issuer, rule: TrustRule) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 5000 + b"]" * 5000).decode("ascii").rstrip("=")
    assert exchange(f"{part({'alg': 'RS256'})}.{deep}.x").status_code == 401


def test_keys_are_fetched_once_and_again_when_they_change(
    issuer: Issuer, rule: TrustRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert exchange(issuer.token()).status_code == 200
    assert issuer.asked == [METADATA, "/keys"]

    old, issuer.rsa = issuer.rsa, RSAKey.generate_key(2048, {"kid": "rsa-2"})
    issuer.published = [issuer.public(issuer.rsa)]
    # Fetched a moment ago: forged tokens must not make us ask at will.
    for _ in range(3):
        assert exchange(issuer.token()).status_code == 401
    assert len(issuer.asked) == 2
    monkeypatch.setattr(federation, "REFRESH_AFTER_SECONDS", 0)
    assert exchange(issuer.token()).status_code == 200
    assert exchange(issuer.token(old)).status_code == 401


def test_keys_that_cannot_be_read_do_not_spoil_the_rest(issuer: Issuer, rule: TrustRule) -> None:
    issuer.published = [
        {"kty": "quantum", "kid": "q"},
        {"kty": "oct", "k": "AAAA", "kid": "rsa-1"},
        {"kty": "EC", "crv": "P-1", "kid": "odd"},
        {**issuer.public(issuer.rsa), "use": "enc"},
        None,
        *issuer.published,
    ]
    assert exchange(issuer.token()).status_code == 200


BROKEN: dict[str, dict[str, tuple[int, dict[str, str], bytes]]] = {
    "no metadata": {METADATA: (404, {}, b"{}")},
    "not JSON": {METADATA: (200, {}, b"<html>")},
    "a list": {METADATA: (200, {}, b"[]")},
    "another issuer": {METADATA: (200, {}, b'{"issuer":"https://x.example","jwks_uri":"/keys"}')},
    "no keys": {"/keys": (200, {}, b'{"keys":[]}')},
    "keys in words": {"/keys": (200, {}, b'{"keys":"none"}')},
    "too much": {"/keys": (200, {}, b" " * 600_000 + b"{}")},
    "cut short": {"/keys": (200, {"Content-Length": "9999"}, b'{"keys":[]}')},
    "packed and broken": {"/keys": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8bnot")},
    "an error": {"/keys": (500, {}, b"{}")},
}


@pytest.mark.parametrize("answers", BROKEN.values(), ids=BROKEN.keys())
def test_an_issuer_that_does_not_work(
    issuer: Issuer, rule: TrustRule, answers: dict[str, tuple[int, dict[str, str], bytes]]
) -> None:
    issuer.answers = answers
    assert exchange(issuer.token()).status_code == 503
    asked = len(issuer.asked)
    assert exchange(issuer.token()).status_code == 503
    assert len(issuer.asked) == asked  # left alone for a while


def test_an_issuer_that_drips_is_given_up(
    issuer: Issuer, rule: TrustRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federation, "TIMEOUT_SECONDS", 0.2)
    issuer.piece, issuer.pause = 1, 0.1  # each piece in time, all of it never
    started = time.monotonic()
    assert exchange(issuer.token()).status_code == 503
    assert time.monotonic() - started < len(json.dumps(issuer.published)) * issuer.pause / 2


def test_redirects_are_not_followed(issuer: Issuer, rule: TrustRule) -> None:
    with Issuer() as inside:
        issuer.answers = {"/keys": (302, {"Location": f"{inside.url}/keys"}, b"")}
        assert exchange(issuer.token()).status_code == 503
        assert inside.asked == []


@pytest.mark.parametrize("address", ["http://192.0.2.1/keys", "file:///etc/passwd", "ftp://x/", ""])
def test_keys_come_by_https(issuer: Issuer, rule: TrustRule, address: str) -> None:
    metadata = json.dumps({"issuer": issuer.url, "jwks_uri": address}).encode()
    issuer.answers = {METADATA: (200, {}, metadata)}
    assert exchange(issuer.token()).status_code == 503


def test_somebody_elses_rule_does_not_stand_in_the_way(issuer: Issuer, rule: TrustRule) -> None:
    other = Team.objects.create(name="other")
    TrustRule.objects.create(
        pk=rule.pk - 1,
        name="other-first",
        team=other,
        issuer=issuer.url,
        audience=AUDIENCE,
        claims={"repository": "acme/payments"},
        scopes="other/*:pull,push",
    )
    assert start_upload(exchange(issuer.token()), "payments/api") == 202
    answer = exchange(issuer.token(), scope="repository:other/x:pull,push")
    assert start_upload(answer, "other/x") == 202


def test_no_job_without_a_rule_and_nothing_is_asked(issuer: Issuer, db: None) -> None:
    assert exchange(issuer.token()).status_code == 401
    assert issuer.asked == []
