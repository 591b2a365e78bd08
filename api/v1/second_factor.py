"""The second factor: one's own, and for administrators that of somebody who lost it."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import own_second_factor, people
from accounts.own_second_factor import Setup, Status
from accounts.second_factor import MFAAdapter
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Strict, Text
from api.v1.users import UserEndpoint

CODE = "[0-9 ]{6,20}"


class SecondFactor(serializers.Serializer[Status]):
    """Whether one has a second factor."""

    is_on = serializers.BooleanField()
    recovery_codes_left = serializers.IntegerField()


class Password(Strict):
    """Who has a password here shows it for each change."""

    password = Text(max_length=1000, required=False, help_text="One's present password.")


class Proof(Password):
    """One of the two."""

    code = Text(
        pattern=CODE,
        required=False,
        help_text="In place of the password: what the app shows, or a recovery code.",
    )


class Confirmation(Password):
    """The set-up, and the code that the app shows with its secret."""

    setup = Text(max_length=300, pattern="[A-Za-z0-9_:-]+")
    code = Text(pattern=CODE)


class NewSecret(serializers.Serializer[Setup]):
    """What to put into an authenticator app. Nothing is on before it is confirmed."""

    setup = serializers.CharField(help_text="To be sent back with a code, within 15 minutes.")
    secret = serializers.CharField(help_text="Base32, for TOTP (RFC 6238).")
    otpauth_url = serializers.SerializerMethodField(help_text="The same, for a QR code.")

    def get_otpauth_url(self, setup: Setup) -> str:
        return str(MFAAdapter().build_totp_url(setup.user, setup.secret))


class RecoveryCodes(serializers.Serializer[dict[str, list[str]]]):
    """Each lets one in once, when the app is lost. Shown this once."""

    recovery_codes = serializers.ListField(child=serializers.CharField())


class MySecondFactorView(Endpoint):
    @operation("Do I have a second factor?", answer=SecondFactor)
    def get(self, request: Request) -> Response:
        """And how many recovery codes are left."""
        return self.answer(own_second_factor.status(principal=self.principal), SecondFactor)

    @operation("Turn my second factor on", answer=RecoveryCodes, body=Confirmation, status=201)
    def post(self, request: Request) -> Response:
        """From then on programs sign in with access tokens, no longer with the password.

        The recovery codes are in this answer and nowhere else.
        """
        codes = own_second_factor.confirm(principal=self.principal, **self.body)
        return self.answer({"recovery_codes": codes}, RecoveryCodes, status=201)


class MySecondFactorSetupView(Endpoint):
    @operation("Set up a second factor", answer=NewSecret, body=Password)
    def post(self, request: Request) -> Response:
        """A secret for an authenticator app. It counts once a code of it has been sent."""
        setup = own_second_factor.begin(principal=self.principal, **self.body)
        return self.answer(setup, NewSecret)


class MyRecoveryCodesView(Endpoint):
    @operation("Make new recovery codes", answer=RecoveryCodes, body=Proof, status=201)
    def post(self, request: Request) -> Response:
        """In place of those that one has, which become useless."""
        codes = own_second_factor.renew_recovery_codes(principal=self.principal, **self.body)
        return self.answer({"recovery_codes": codes}, RecoveryCodes, status=201)


class MySecondFactorRemovalView(Endpoint):
    @operation("Turn my second factor off", body=Proof, status=204)
    def post(self, request: Request) -> Response:
        """The password alone lets one in then. The recovery codes become useless."""
        own_second_factor.remove(principal=self.principal, **self.body)
        return Response(status=204)


class UserSecondFactorView(UserEndpoint):
    @operation("Remove a second factor", status=204)
    def delete(self, request: Request, user: str) -> Response:
        """For somebody who has lost their app and the recovery codes. For administrators."""
        people.remove_second_factor(principal=self.principal, user=self.user(user))
        return Response(status=204)
