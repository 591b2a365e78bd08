"""The second factor: codes of an authenticator app (TOTP), and recovery codes.

django-allauth keeps and checks them. A browser is asked for a code after the password. A program
that signs in by password cannot be asked, so whoever has a second factor uses access tokens there.

What of this somebody may do is decided in `own_second_factor.py`, and in the pages by allauth.
"""

import base64
import hashlib
from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    validate_totp_code,
    yield_hotp_counters_from_time,
)
from allauth.mfa.utils import decrypt
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import audit, throttle
from accounts.models import User


def is_required(user: User) -> bool:
    """Whether the user has turned a second factor on."""
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=kinds).exists())


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Encrypts the secrets: who reads a backup of the database has no codes."""

    # allauth's own say nothing of what to do, in either language.
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("That code is not right. Enter the one that is shown now."),
        "cannot_generate_recovery_codes": _("Turn the second factor on first."),
    }

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode("utf-8")).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode("ascii")).decode("utf-8")

    def get_totp_label(self, user: User) -> str:
        return user.username

    def get_totp_issuer(self) -> str:
        site: str = self._get_site_name()
        return f"Berth ({site})"


def _cipher() -> Fernet:
    key = hashlib.sha256(b"berth second factors\0" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def remove(user: User) -> bool:
    """Turn the user's second factor off, with its recovery codes; whether there was one."""
    removed, _counts = Authenticator.objects.filter(user_id=user.pk).delete()
    return bool(removed)


def turn_on(*, user: User, secret: str, code: str) -> list[str]:
    """Turn it on with a secret (base32) of which the user's app shows `code`; the recovery codes.

    Within a transaction of the caller's. Raises ValidationError.
    """
    if not validate_totp_code(secret, code):
        problem = gettext("That is not the code that belongs to the secret now.")
        raise ValidationError({"code": problem})
    _use_once(TOTP.activate(user, secret).instance, code)
    return new_recovery_codes(user)


def new_recovery_codes(user: User) -> list[str]:
    """Recovery codes in place of those that the user had. Within a transaction of the caller's."""
    _recovery_codes(user).delete()
    codes: list[str] = RecoveryCodes.activate(user).generate_codes()
    return codes


def recovery_codes_left(user: User) -> int:
    """How many recovery codes the user has not used yet."""
    return sum(len(found.wrap().get_unused_codes()) for found in _recovery_codes(user))


def _recovery_codes(user: User) -> Any:
    kind = Authenticator.Type.RECOVERY_CODES
    return Authenticator.objects.filter(user_id=user.pk, type=kind)


def check_code(*, user: User, code: str, address: str) -> Authenticator:
    """Use a code up, of the app or for recovery; the authenticator that it belongs to.

    Raises ValidationError, TooManyRequests.
    """
    account = f"code of {user.username}"
    throttle.check(account=account, address=throttle.ANYWHERE)
    try:
        with transaction.atomic():
            found = _use(user, code)
    except ValidationError:
        throttle.failed(account=account, address=throttle.ANYWHERE)
        audit.denied("sign-in", actor=user.username, address=address, credential="code")
        raise
    throttle.succeeded(account=account, address=throttle.ANYWHERE)
    return found


def _use(user: User, code: str) -> Authenticator:
    # One after the other: two requests must not both find the same code unused.
    for found in Authenticator.objects.select_for_update().filter(user_id=user.pk):
        if found.wrap().validate_code(code):
            _use_once(found, code)
            return found
    raise ValidationError(
        gettext("That is not the code that your app shows now, nor one for recovery.")
    )


def _use_once(authenticator: Authenticator, code: str) -> None:
    """Refuse a code that was used, or an older one (RFC 6238, 5.2). Raises ValidationError."""
    if authenticator.type != Authenticator.Type.TOTP:
        return  # recovery codes keep count themselves
    data = Authenticator.objects.get(pk=authenticator.pk).data
    secret = decrypt(data["secret"])
    steps = [
        step
        for step in yield_hotp_counters_from_time()
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step)))
    ]
    if not steps or max(steps) <= data.get("last_step", 0):
        raise ValidationError(gettext("This code was used already: wait for the next one."))
    authenticator.data = {**data, "last_step": max(steps)}
    authenticator.save(update_fields=["data"])
