"""Asking for a code: slowed down like passwords are, and each code good for once; and writing down
what people change in the pages.

The pages are django-allauth's, in templates of ours (`templates/mfa/`).
"""

from typing import Any

from allauth.core import context
from allauth.mfa import signals
from allauth.mfa.base import forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from django import forms as django_forms
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.utils.translation import gettext_lazy

from accounts import addresses, second_factor
from accounts.people import record
from accounts.web.page import SignedInRequest
from accounts.web.principal import principal_of
from accounts.web.refusals import explain
from repositories.oci.errors import TooManyRequests


class _Careful:
    """For both forms below, in place of allauth's own check."""

    user: Any
    authenticator: Authenticator
    cleaned_data: dict[str, Any]

    def clean_code(self) -> str:
        """Raises ValidationError."""
        code: str = self.cleaned_data["code"]
        address = addresses.client_address(context.request.META)
        try:
            self.authenticator = second_factor.check_code(
                user=self.user, code=code, address=address
            )
        except TooManyRequests as error:
            raise ValidationError(explain(error)) from error
        return code


def _code_field() -> django_forms.CharField:
    """In place of allauth's, whose label is not in every language."""
    widget = django_forms.TextInput(attrs={"autocomplete": "one-time-code"})
    return django_forms.CharField(label=gettext_lazy("Code"), max_length=100, widget=widget)


class ActivateForm(ActivateTOTPForm):  # type: ignore[misc]
    """Asked when the second factor is turned on."""

    code = _code_field()


class AuthenticateForm(_Careful, forms.AuthenticateForm):  # type: ignore[misc]
    """Asked at sign-in."""

    code = _code_field()


class ReauthenticateForm(_Careful, forms.ReauthenticateForm):  # type: ignore[misc]
    """Asked before the second factor is changed."""

    code = _code_field()


@receiver(signals.authenticator_added)
def _added(request: SignedInRequest, authenticator: Authenticator, **_: Any) -> None:
    _write_down(request, authenticator, "user.add-second-factor")


@receiver(signals.authenticator_removed)
def _removed(request: SignedInRequest, authenticator: Authenticator, **_: Any) -> None:
    _write_down(request, authenticator, "user.remove-second-factor")


@receiver(signals.authenticator_reset)
def _renewed(request: SignedInRequest, **_: Any) -> None:
    record(principal_of(request), "user.renew-recovery-codes", request.user.username)


def _write_down(request: SignedInRequest, authenticator: Authenticator, action: str) -> None:
    """Not the recovery codes, which come and go with it."""
    if authenticator.type == Authenticator.Type.TOTP:
        record(principal_of(request), action, request.user.username)
