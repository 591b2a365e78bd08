"""The keys of the token service, and the bearer tokens that they sign.

ES256 and nothing else (RFC 7518): the algorithm is never taken from the token, nor is a key that
it carries (CVE-2025-24976). A key's `kid` is the fingerprint that `registry:2` computes from a
certificate, so that one can trust Berth as its token server; `registry:3` computes another one, and
takes the `kid` from the JWKS.
"""

import base64
import hashlib
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from accounts.models import SigningKey
from repositories.oci.errors import Unauthorized
from repositories.waiting import check_may_wait

ALGORITHM = "ES256"
LIFETIME = timedelta(seconds=300)
CERTIFICATE_LIFETIME = timedelta(days=3650)
# Clocks of hosts differ a little.
LEEWAY_SECONDS = 30
_KEYS_FOR_SECONDS = 60
MAX_TOKEN_LENGTH = 8192
_MAX_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Loaded:
    kid: str
    key: ECKey


class _Keys:
    """The keys in use, read from the database at most once a minute."""

    def __init__(self) -> None:
        self._keys: dict[str, _Loaded] = {}
        self._newest = ""
        self._until = 0.0
        self._lock = threading.Lock()

    def newest(self) -> _Loaded:
        """The key that signs, made on first use."""
        self._refresh()
        if not self._newest:
            rotate()
            self._refresh()
        return self._keys[self._newest]

    def find(self, kid: str) -> _Loaded | None:
        self._refresh()
        return self._keys.get(kid)

    def forget(self) -> None:
        self._until = 0.0

    def _refresh(self) -> None:
        if time.monotonic() < self._until:
            return
        check_may_wait()  # for whoever reads them already
        with self._lock:
            rows = list(_in_use().order_by("-id"))
            self._keys = {row.kid: _Loaded(row.kid, _private_key(row)) for row in rows}
            self._newest = rows[0].kid if rows else ""
            self._until = time.monotonic() + _KEYS_FOR_SECONDS


_keys = _Keys()


def _in_use() -> Any:
    now = timezone.now()
    return SigningKey.objects.exclude(retires_at__lt=now)


def _cipher() -> Fernet:
    key = hashlib.sha256(b"berth signing keys\0" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def _private_key(row: SigningKey) -> ECKey:
    try:
        pem = _cipher().decrypt(row.encrypted.encode("ascii"))
    except InvalidToken as error:
        raise ImproperlyConfigured(
            "The signing keys were made with another SECRET_KEY. Give that one, or run "
            "`manage.py rotate_keys --now` to make a new signing key."
        ) from error
    return ECKey.import_key(pem.decode("ascii"))


def rotate(*, now: bool = False) -> SigningKey:
    """Make a new key, which signs from here on.

    The others are trusted for as long as a token of theirs can be valid; with `now`, no longer.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    moment = timezone.now()
    grace = timedelta(0) if now else LIFETIME + timedelta(seconds=2 * _KEYS_FOR_SECONDS)
    with transaction.atomic():
        SigningKey.objects.filter(retires_at=None).update(retires_at=moment + grace)
        row = SigningKey.objects.create(
            kid=key_id(spki),
            encrypted=_cipher().encrypt(pem).decode("ascii"),
            public=public.decode("ascii"),
            certificate=_certificate(private, moment).decode("ascii"),
        )
    _keys.forget()
    return row


def key_id(spki: bytes) -> str:
    """The Distribution project's fingerprint of a public key: SHA-256, 240 bits, in base 32."""
    text = base64.b32encode(hashlib.sha256(spki).digest()[:30]).decode("ascii")
    return ":".join(text[i : i + 4] for i in range(0, len(text), 4))


def _certificate(private: ec.EllipticCurvePrivateKey, moment: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Berth token service")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(minutes=5))
        .not_valid_after(moment + CERTIFICATE_LIFETIME)
    )
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM)


def jwks() -> dict[str, list[dict[str, Any]]]:
    """The public keys in use (RFC 7517)."""
    _keys.newest()
    return {
        "keys": [
            {
                **ECKey.import_key(row.public).as_dict(private=False),
                "kid": row.kid,
                "use": "sig",
                "alg": ALGORITHM,
            }
            for row in _in_use().order_by("-id")
        ]
    }


def certificates() -> str:
    """The certificates of the keys in use, as PEM: a `rootcertbundle` of `registry:2`."""
    _keys.newest()
    return "".join(_in_use().order_by("-id").values_list("certificate", flat=True))


def sign(*, subject: str, audience: str, claims: Mapping[str, object]) -> tuple[str, datetime]:
    """A bearer token, and when it was issued; it is valid for LIFETIME."""
    key = _keys.newest()
    issued = timezone.now()
    moment = int(issued.timestamp())
    payload = {
        "iss": settings.TOKEN_ISSUER,
        "sub": subject,
        "aud": audience,
        "exp": moment + int(LIFETIME.total_seconds()),
        "nbf": moment - LEEWAY_SECONDS,
        "iat": moment,
        "jti": uuid.uuid4().hex,
        **claims,
    }
    # No `x5c`: `registry:3` would look at nothing else, and so not at the JWKS that it was given.
    header = {"typ": "JWT", "alg": ALGORITHM, "kid": key.kid}
    return jwt.encode(header, payload, key.key, algorithms=[ALGORITHM]), issued


class Claims(dict[str, Any]):
    """The claims of a token that was verified, and room for what the caller makes of them."""

    speaks_for: object = None


def verify(token: str, *, field: str = "") -> Claims:
    """The claims of a bearer token of ours for this service. Raises Unauthorized.

    Verified once and remembered until it expires: a signature check costs more than an answer. See
    `recall`, which knows it by the `Authorization` field that it came in.
    """
    field = field or token
    known = _verified.get(field)
    if known is not None:
        return known
    kid, claims = _verify(token)
    _verified.put(field, kid, claims)
    return claims


def recall(field: str) -> Claims | None:
    """The claims of the token that was verified as it came in this field, if it is still valid."""
    return _verified.get(field)


def _verify(token: str) -> tuple[str, Claims]:
    """The token's key and its claims."""
    invalid = Unauthorized("this token is not valid: ask the token service for another")
    if len(token) > MAX_TOKEN_LENGTH:
        raise invalid
    try:
        decoded = jwt.decode(token, _find_key, algorithms=[ALGORITHM])
        _RULES.validate(decoded.claims)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise invalid from error
    if decoded.claims["iss"] != settings.TOKEN_ISSUER:
        raise invalid
    if decoded.claims["aud"] != settings.TOKEN_SERVICE:
        raise invalid
    return decoded.header["kid"], Claims(decoded.claims)


_RULES = jwt.JWTClaimsRegistry(
    leeway=0,
    iss={"essential": True},
    aud={"essential": True},
    sub={"essential": True, "allow_blank": True},
    exp={"essential": True},
    nbf={"essential": True},
    iat={"essential": True},
)


def _find_key(token: Any) -> ECKey:
    header = token.headers()
    kid = header.get("kid")
    found = _keys.find(kid) if isinstance(kid, str) else None
    if found is None:
        raise ValueError("no key of ours")
    return found.key


class _Verified:
    """Tokens that were verified, by what they came in, until they expire or their key retires."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[str, Claims]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, field: str) -> Claims | None:
        entry = self._entries.get(field)
        if entry is None:
            return None
        kid, claims = entry
        # Whoever stole a key can date its tokens far ahead: they end with the key.
        return claims if claims["exp"] > time.time() and _keys.find(kid) else None

    def put(self, field: str, kid: str, claims: Claims) -> None:
        with self._lock:
            self._entries[field] = kid, claims
            while len(self._entries) > _MAX_REMEMBERED:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_verified = _Verified()


def forget_everything() -> None:
    """Drop what this process remembers of keys and tokens, such as after `rotate(now=True)`."""
    _keys.forget()
    _verified.clear()
