"""From credentials to a principal.

A password costs its slow hash once a minute, not once a request: who has just shown the right one
is remembered in this process under a keyed hash of it. Access tokens are looked up by their digest;
bearer tokens are verified once.
"""

import base64
import binascii
import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate

from accounts import audit, second_factor, signing, throttle, tokens
from accounts.models import Robot, User
from repositories.access import Action, Actions, Principal, principal_of, principal_of_token
from repositories.oci.errors import Unauthorized
from repositories.oci.scopes import CATALOG

REMEMBER_SECONDS = 60
MAX_REMEMBERED = 1024
MAX_HEADER = 8192
_WRONG = "wrong user name, password or token: sign in again with `docker login`"
_NO_CODE = (
    "you have a second factor, which programs cannot ask for: make an access token in your "
    "profile, and sign in with that in place of the password"
)


class _Remembered:
    """Who showed which credentials lately: keyed hash → (user's id, password hash, until)."""

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, tuple[int, str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> tuple[int, str] | None:
        with self._lock:
            entry = self._entries.get(key)
        if entry is None or entry[2] < time.monotonic():
            return None
        return entry[:2]

    def put(self, key: bytes, user: User) -> None:
        with self._lock:
            self._entries[key] = (user.pk, user.password, time.monotonic() + REMEMBER_SECONDS)
            self._entries.move_to_end(key)
            while len(self._entries) > MAX_REMEMBERED:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_remembered = _Remembered()


def forget_everything() -> None:
    """Drop what this process remembers of passwords."""
    _remembered.clear()


def sign_in(header: str, *, address: str) -> Principal:
    """Whoever an `Authorization` header speaks for. Raises Unauthorized, TooManyRequests."""
    known = signing.recall(header)
    if known is not None:
        return _by_claims(known, address)
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer":
        token = credentials.strip()
        if tokens.looks_like_token(token):
            return _by_token(None, token, address)
        return _by_claims(signing.verify(token, field=header), address)
    name, password = parse_basic(header)
    return by_password(name=name, password=password, address=address)


def by_password(*, name: str, password: str, address: str) -> Principal:
    """The user or robot of this name with this password or access token.

    Raises Unauthorized, in the same time and words whatever was wrong, and TooManyRequests.
    """
    if tokens.looks_like_token(password):
        return _by_token(name, password, address)
    key = hmac.digest(settings.SECRET_KEY.encode(), f"{name}\0{password}".encode(), hashlib.sha256)
    user = _recall(key)
    if user is None:
        user = check_password(name=name, password=password, address=address)
        _remembered.put(key, user)
    if second_factor.is_required(user):
        audit.denied("sign-in", actor=name, address=address, credential="password without code")
        raise Unauthorized(_NO_CODE)
    return principal_of(user, credential="password", address=address)


def _by_token(name: str | None, secret: str, address: str) -> Principal:
    token = tokens.find(secret=secret, account=name, address=address)
    if token is None:
        account = name or "(a token by itself)"
        throttle.check(account=account, address=address)
        _count_failure(account, address, "access token")
        raise Unauthorized(_WRONG)
    return principal_of_token(token, address=address)


def _count_failure(account: str, address: str, credential: str) -> None:
    throttle.failed(account=account, address=address)
    audit.denied("sign-in", actor=_if_known(account), address=address, credential=credential)


def _if_known(account: str) -> str:
    """The account, when there is one. People type passwords and tokens into the wrong field, so
    nothing else is written down. Both are asked for always: the time must not tell."""
    is_user = User.objects.filter(username=account).exists()
    is_robot = Robot.objects.filter(name=account).exists()
    return account if is_user or is_robot else ""


def _recall(key: bytes) -> User | None:
    known = _remembered.get(key)
    if known is None:
        return None
    # The user's row is read each time: one who was disabled or got a new password is out at once.
    user_id, password_hash = known
    return User.objects.filter(pk=user_id, password=password_hash, is_active=True).first()


def check_password(*, name: str, password: str, address: str) -> User:
    """The user of this name and password. Raises Unauthorized, TooManyRequests.

    Takes as long for an unknown name as for a wrong password: Django hashes either way.
    """
    throttle.check(account=name, address=address)
    user = authenticate(request=None, username=name, password=password)
    if not isinstance(user, User):
        _count_failure(name, address, "password")
        raise Unauthorized(_WRONG)
    throttle.succeeded(account=name, address=address)
    return user


def _by_claims(claims: signing.Claims, address: str) -> Principal:
    principal = claims.speaks_for
    if not isinstance(principal, Principal):
        principal = _principal_of_claims(claims)
    if principal.address != address:
        principal = replace(principal, address=address)
    claims.speaks_for = principal  # whoever has the token asks again from the same address
    return principal


def _principal_of_claims(claims: signing.Claims) -> Principal:
    """Whom a verified token speaks for, made once for each. Raises Unauthorized."""
    try:
        access = claims.get("access", [])
        return Principal(
            name=claims["sub"],
            user_id=_id(claims.get("uid")),
            token_id=_id(claims.get("tid")),
            grants=_actions(access, "actions"),
            refused=_actions(access, "refused"),
            may_list=CATALOG in access,
            credential=str(claims.get("cred", "bearer token")),
        )
    except (KeyError, TypeError, ValueError) as error:
        # Signed by our key, and yet not by this program: another version's, perhaps.
        raise Unauthorized("this token says nothing that is known here: ask for another") from error


def _id(claim: object) -> int | None:
    if claim is not None and type(claim) is not int:
        raise TypeError(claim)
    return claim


def _actions(access: list[dict[str, Any]], key: str) -> dict[str, Actions]:
    """What the `access` claim grants or refuses. Raises KeyError, TypeError, ValueError."""
    return {
        entry["name"]: frozenset(map(Action, entry[key]))
        for entry in access
        if entry["type"] == "repository" and isinstance(entry.get(key), list)
    }


def parse_basic(header: str) -> tuple[str, str]:
    """The name and password of RFC 7617 credentials. Raises Unauthorized."""
    scheme, _, credentials = header.partition(" ")
    if len(header) > MAX_HEADER or scheme.lower() != "basic":
        raise Unauthorized("these credentials are of a kind that is not taken: use Basic or Bearer")
    try:
        # validate: without it Python skips over whatever is not base64.
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (ValueError, binascii.Error) as error:
        raise Unauthorized("the Basic credentials cannot be read: sign in again") from error
    name, colon, password = text.partition(":")
    if not colon or "\0" in text:
        raise Unauthorized("the Basic credentials are not name:password: sign in again")
    return name, password
