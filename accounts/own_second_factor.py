"""One's own second factor: set up, confirmed, given new recovery codes, removed.

The pages do it by django-allauth, in a browser in which the user has just proven who they are. Here
each change takes the proof along: the password, or where there is a second factor a code of it.
Whoever has neither (single sign-on keeps the password) has nothing to prove it with, here or there.
"""

from typing import NamedTuple

from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from accounts import authentication, second_factor
from accounts.models import User
from accounts.people import record
from accounts.permissions import require_user
from repositories.access import Principal
from repositories.oci.errors import Unauthorized

SETUP_SECONDS = 900
_SALT = "berth second factor"


class Status(NamedTuple):
    """Whether it is on, and how many recovery codes are left."""

    is_on: bool
    recovery_codes_left: int


class Setup(NamedTuple):
    """A secret (base32) for the user's app, and what `confirm` takes to know it again."""

    user: User
    secret: str
    setup: str


def status(*, principal: Principal) -> Status:
    """How it is with the user's second factor. Raises PermissionDenied."""
    user = _user(principal)
    return Status(second_factor.is_required(user), second_factor.recovery_codes_left(user))


def begin(*, principal: Principal, password: str | None = None) -> Setup:
    """A new secret, which nobody is asked for until it is confirmed: it is stored nowhere.

    Raises PermissionDenied, ValidationError, TooManyRequests.
    """
    user = _user(principal)
    _require_off(user)
    _prove(user, principal, password)
    secret = generate_totp_secret()
    return Setup(user, secret, signing.dumps([user.pk, secret], salt=_SALT))


def confirm(
    *, principal: Principal, setup: str, code: str, password: str | None = None
) -> list[str]:
    """Turn it on, with the code that the user's app shows now; the recovery codes.

    Raises PermissionDenied, ValidationError, TooManyRequests.
    """
    user = _user(principal)
    _require_off(user)
    _prove(user, principal, password)
    secret = _secret_of(setup, user)
    with transaction.atomic():
        list(User.objects.select_for_update().filter(pk=user.pk))  # one set-up after the other
        _require_off(user)
        codes = second_factor.turn_on(user=user, secret=secret, code=code)
        record(principal, "user.add-second-factor", user.username)
    return codes


def renew_recovery_codes(
    *, principal: Principal, password: str | None = None, code: str | None = None
) -> list[str]:
    """Recovery codes in place of those that the user had.

    Raises PermissionDenied, ValidationError, TooManyRequests.
    """
    user = _user(principal)
    _require_on(user)
    _prove(user, principal, password, code)
    with transaction.atomic():
        list(User.objects.select_for_update().filter(pk=user.pk))
        _require_on(user)
        codes = second_factor.new_recovery_codes(user)
        record(principal, "user.renew-recovery-codes", user.username)
    return codes


def remove(*, principal: Principal, password: str | None = None, code: str | None = None) -> None:
    """Turn it off, with its recovery codes. Raises PermissionDenied, ValidationError,
    TooManyRequests."""
    user = _user(principal)
    _require_on(user)
    _prove(user, principal, password, code)
    with transaction.atomic():
        second_factor.remove(user)
        record(principal, "user.remove-second-factor", user.username)


def _user(principal: Principal) -> User:
    """Raises PermissionDenied."""
    return User.objects.get(pk=require_user(principal))


def _prove(user: User, principal: Principal, password: str | None, code: str | None = None) -> None:
    """Return when the caller has shown to be the user. Raises ValidationError, TooManyRequests."""
    if password is not None:
        _check_password(user, password, principal.address)
    elif code is not None:
        second_factor.check_code(user=user, code=code, address=principal.address)
    elif user.has_usable_password() or second_factor.is_required(user):
        raise ValidationError(
            {"password": gettext("Give your present password, to show that it is you.")}
        )


def _check_password(user: User, password: str, address: str) -> None:
    try:
        authentication.check_password(name=user.username, password=password, address=address)
    except Unauthorized as error:
        raise ValidationError(
            {"password": gettext("That is not your present password.")}
        ) from error


def _require_off(user: User) -> None:
    if second_factor.is_required(user):
        raise ValidationError(gettext("You have a second factor already: remove that first."))


def _require_on(user: User) -> None:
    if not second_factor.is_required(user):
        raise ValidationError(gettext("You have no second factor: set one up first."))


def _secret_of(setup: str, user: User) -> str:
    try:
        owner, secret = signing.loads(setup, salt=_SALT, max_age=SETUP_SECONDS)
    except signing.BadSignature:
        owner, secret = None, ""
    if owner != user.pk:
        raise ValidationError(
            {"setup": gettext("This is no set-up of yours, or an old one: begin anew.")}
        )
    return str(secret)
