"""Asking for a code: slowed down like passwords are, and each code good for once.

The pages are django-allauth's, in templates of ours (`templates/mfa/`).
"""

from typing import Any

from allauth.core import context
from allauth.mfa.base import forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.utils import decrypt
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import addresses, audit, throttle
from repositories.oci.errors import TooManyRequests


class _Careful:
    """For both forms below: `clean_code` of allauth's, with care."""

    user: Any
    authenticator: Authenticator

    def clean_code(self) -> str:
        """Raises ValidationError."""
        account = f"code of {self.user.username}"
        address = addresses.client_address(context.request.META)
        try:
            throttle.check(account=account, address=address)
            with transaction.atomic():
                # One after the other: two requests must not both find the same code unused.
                list(Authenticator.objects.select_for_update().filter(user=self.user))
                code: str = super().clean_code()  # type: ignore[misc]
                _use_once(self.authenticator, code)
        except TooManyRequests as error:
            raise ValidationError(error.message) from error
        except ValidationError:
            throttle.failed(account=account, address=address)
            audit.denied("sign-in", actor=self.user.username, address=address, credential="code")
            raise
        throttle.succeeded(account=account, address=address)
        return code


def _use_once(authenticator: Authenticator, code: str) -> None:
    """Refuse a code that was used, or an older one (RFC 6238, 5.2). Raises ValidationError."""
    if authenticator.type != Authenticator.Type.TOTP:
        return  # recovery codes keep count themselves
    data = Authenticator.objects.get(pk=authenticator.pk).data
    secret = decrypt(data["secret"])
    steps = [
        step
        for step in yield_hotp_counters_from_time()
        if format_hotp_value(hotp_value(secret, step)) == "".join(code.split())
    ]
    if not steps or max(steps) <= data.get("last_step", 0):
        raise ValidationError("This code was used already: wait for the next one.")
    authenticator.data = {**data, "last_step": max(steps)}
    authenticator.save(update_fields=["data"])


class AuthenticateForm(_Careful, forms.AuthenticateForm):  # type: ignore[misc]
    """Asked at sign-in."""


class ReauthenticateForm(_Careful, forms.ReauthenticateForm):  # type: ignore[misc]
    """Asked before the second factor is changed."""
