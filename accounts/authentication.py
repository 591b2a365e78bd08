"""From credentials to a principal.

A password costs its slow hash once a minute, not once a request: who has just shown the right one
is remembered in this process under a keyed hash of it.
"""

import base64
import binascii
import hashlib
import hmac
import threading
import time
from collections import OrderedDict

from django.conf import settings
from django.contrib.auth import authenticate

from accounts.models import User
from repositories.access import Principal
from repositories.oci.errors import Unauthorized

REMEMBER_SECONDS = 60
MAX_REMEMBERED = 1024
MAX_HEADER = 8192


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


_remembered = _Remembered()


def sign_in(header: str) -> Principal:
    """Whoever an `Authorization` header speaks for. Raises Unauthorized."""
    name, password = parse_basic(header)
    key = hmac.digest(settings.SECRET_KEY.encode(), f"{name}\0{password}".encode(), hashlib.sha256)
    user = _recall(key) or _check(name, password, key)
    return Principal(user)


def _recall(key: bytes) -> User | None:
    known = _remembered.get(key)
    if known is None:
        return None
    # The user's row is read each time: one who was disabled or got a new password is out at once.
    user_id, password_hash = known
    return User.objects.filter(pk=user_id, password=password_hash, is_active=True).first()


def _check(name: str, password: str, key: bytes) -> User:
    # Takes as long for an unknown name as for a wrong password.
    user = authenticate(request=None, username=name, password=password)
    if not isinstance(user, User):
        raise Unauthorized("wrong user name or password: sign in again with `docker login`")
    _remembered.put(key, user)
    return user


def parse_basic(header: str) -> tuple[str, str]:
    """The name and password of RFC 7617 credentials. Raises Unauthorized."""
    scheme, _, credentials = header.partition(" ")
    if len(header) > MAX_HEADER or scheme.lower() != "basic":
        raise Unauthorized("these credentials are of a kind that is not taken: use Basic")
    try:
        # validate: without it Python skips over whatever is not base64.
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (ValueError, binascii.Error) as error:
        raise Unauthorized("the Basic credentials cannot be read: sign in again") from error
    name, colon, password = text.partition(":")
    if not colon or "\0" in text:
        raise Unauthorized("the Basic credentials are not name:password: sign in again")
    return name, password
