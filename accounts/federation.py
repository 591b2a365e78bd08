"""Tokens of other identity providers: found to be genuine, and held against the trust rules.

A rule names its issuer, which an administrator wrote down; nothing is ever fetched from an address
that only a token names. What is fetched is the issuer's own metadata and keys (OpenID Connect
Discovery 1.0), remembered for a while.
"""

import base64
import json
import math
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from urllib3.exceptions import HTTPError

from accounts.models import TrustRule
from repositories.oci.errors import Unauthorized, Unavailable

# What issuers of CI tokens sign with; a symmetric algorithm would let the public key sign.
ALGORITHMS = ["RS256", "ES256", "PS256", "RS384", "ES384", "RS512"]
MAX_TOKEN_LENGTH = 16384
MAX_DOCUMENT_BYTES = 512 * 1024
TIMEOUT_SECONDS = 5
KEYS_FOR_SECONDS = 600
# An unknown key may be a new one, but asking at every forged token would be an attack by proxy.
REFRESH_AFTER_SECONDS = 30
LEEWAY_SECONDS = 30


class _Issuers:
    """The key sets of issuers, by issuer; an issuer that did not answer is left alone for a while.

    One thread asks, whoever else wants the same waits for what it gets.
    """

    def __init__(self) -> None:
        self._keys: dict[str, tuple[KeySet, float]] = {}
        self._failures: dict[str, tuple[Unavailable, float]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def keys(self, issuer: str, *, at_least: float = -math.inf) -> KeySet:
        """The issuer's keys, fetched not before `at_least` (monotonic). Raises Unavailable."""
        with self._lock:
            lock = self._locks.setdefault(issuer, threading.Lock())
        with lock:
            now = time.monotonic()
            keys, fetched = self._keys.get(issuer, (None, -math.inf))
            if keys is not None and fetched >= at_least and now - fetched < KEYS_FOR_SECONDS:
                return keys
            failure, failed = self._failures.get(issuer, (None, -math.inf))
            if failure is not None and now - failed < REFRESH_AFTER_SECONDS:
                raise failure
            try:
                keys = _fetch_keys(issuer)
            except Unavailable as error:
                self._failures[issuer] = error, now
                raise
            self._failures.pop(issuer, None)
            self._keys[issuer] = keys, now
            return keys

    def fetched(self, issuer: str) -> float:
        return self._keys.get(issuer, (None, -math.inf))[1]

    def clear(self) -> None:
        self._keys.clear()
        self._failures.clear()


_issuers = _Issuers()


def forget_everything() -> None:
    """Drop what this process remembers of issuers."""
    _issuers.clear()


def match(token: str) -> tuple[list[TrustRule], Mapping[str, Any]]:
    """The active rules that a genuine token satisfies, at least one, and the token's claims.

    Raises Unauthorized; Unavailable when the issuer cannot be asked for its keys.
    """
    refused = Unauthorized("no trust rule takes this token: check issuer, audience and claims")
    issuer = _claimed_issuer(token)
    rules = list(
        TrustRule.objects.filter(issuer=issuer, is_active=True)
        .select_related("team")
        .order_by("pk")
    )
    if not rules:
        raise refused
    claims = _verify(token, issuer)
    audience = claims.get("aud")
    satisfied = [
        rule
        for rule in rules
        if _is_for(audience, rule.audience) and _satisfies(claims, rule.claims)
    ]
    if not satisfied:
        raise refused
    return satisfied, claims


def _claimed_issuer(token: str) -> str:
    """The issuer that the token names, not verified yet: it only says which rules to look at."""
    try:
        if len(token) > MAX_TOKEN_LENGTH:
            return ""
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        issuer = claims["iss"]
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        return ""
    return issuer if isinstance(issuer, str) and "\0" not in issuer else ""


def _verify(token: str, issuer: str) -> Mapping[str, Any]:
    try:
        claims = _decode(token, _issuers.keys(issuer))
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        fetched = _issuers.fetched(issuer)
        if time.monotonic() - fetched < REFRESH_AFTER_SECONDS:
            raise _not_genuine() from None
        try:
            claims = _decode(token, _issuers.keys(issuer, at_least=time.monotonic()))
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise _not_genuine() from error
    if claims.get("iss") != issuer:
        raise _not_genuine()
    return claims


def _decode(token: str, keys: KeySet) -> Mapping[str, Any]:
    decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
    rules = jwt.JWTClaimsRegistry(leeway=LEEWAY_SECONDS, exp={"essential": True})
    rules.validate(decoded.claims)
    return decoded.claims


def _not_genuine() -> Unauthorized:
    return Unauthorized("this token is not genuine or no longer valid: have the job ask anew")


def _fetch_keys(issuer: str) -> KeySet:
    metadata = _fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    address = metadata.get("jwks_uri")
    if metadata.get("issuer") != issuer or not isinstance(address, str):
        raise Unavailable(f"the issuer {issuer} describes itself as another: check the trust rule")
    listed = _fetch(address).get("keys")
    entries = listed if isinstance(listed, list) else []
    keys: list[Key] = [key for entry in entries if (key := _import(entry))]
    if not keys:
        raise Unavailable(f"the issuer {issuer} has no keys that can be read")
    return KeySet(keys)


def _import(entry: Any) -> RSAKey | ECKey | None:
    """A key that may check signatures; None for any other, which must not spoil the rest."""
    kinds: dict[object, type[RSAKey] | type[ECKey]] = {"RSA": RSAKey, "EC": ECKey}
    kind = kinds.get(entry.get("kty")) if isinstance(entry, dict) else None
    if kind is None or entry.get("use", "sig") != "sig":
        return None
    try:
        return kind.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _fetch(address: str) -> Mapping[str, Any]:
    """A JSON object from an issuer; redirects are not followed. Raises Unavailable."""
    problem = Unavailable(f"{address} gives no usable answer: try again shortly")
    parts = urlsplit(address)
    is_here = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise Unavailable(f"{address} is not https: correct the trust rule")
    try:
        with requests.get(
            address, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
        ) as answer:
            content = _read(answer)
        document = json.loads(content) if answer.status_code == 200 else None
    except (requests.RequestException, HTTPError, OSError, ValueError, RecursionError) as error:
        raise problem from error
    if not isinstance(document, dict) or len(content) > MAX_DOCUMENT_BYTES:
        raise problem
    return document


def _read(answer: requests.Response) -> bytes:
    """The body, or a bit more than may be; what drips in is given up. Raises TimeoutError."""
    content = b""
    deadline = time.monotonic() + 2 * TIMEOUT_SECONDS
    while piece := answer.raw.read1(MAX_DOCUMENT_BYTES, decode_content=True):
        content += piece
        if len(content) > MAX_DOCUMENT_BYTES:
            break
        if time.monotonic() > deadline:
            raise TimeoutError
    return content


def _is_for(audience: object, wanted: str) -> bool:
    return wanted in audience if isinstance(audience, list) else audience == wanted


def _satisfies(claims: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(_is_like(claims.get(name), pattern) for name, pattern in wanted.items())


def _is_like(value: object, pattern: str) -> bool:
    if not isinstance(value, str | int | bool):
        return False
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
