"""The keys that sign bearer tokens, for administrators."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import signing_keys
from accounts.models import SigningKey
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Flag, Strict
from api.v1.pagination import PageByAge


class KeyShape(serializers.Serializer[SigningKey]):
    """A key's public half."""

    kid = serializers.CharField()
    public = serializers.CharField(help_text="The public key, as PEM.")
    certificate = serializers.CharField(help_text="Its self-signed certificate, as PEM.")
    created_at = serializers.DateTimeField()
    retires_at = serializers.DateTimeField(
        allow_null=True, help_text="Until when its tokens are trusted; null: no end yet."
    )


class Rotation(Strict):
    """How to rotate."""

    now = Flag(default=False, help_text="true: tokens that are out are distrusted at once.")


class KeysView(Endpoint):
    @operation("List signing keys", answer=KeyShape, query=PageByAge, pages=True)
    def get(self, request: Request) -> Response:
        """The newest first. For administrators."""
        return self.page(signing_keys.signing_keys(principal=self.principal), KeyShape, by="-pk")


class KeyRotationView(Endpoint):
    @operation("Rotate the signing keys", answer=KeyShape, body=Rotation, status=201)
    def post(self, request: Request) -> Response:
        """Make a new key, which signs from here on. For administrators."""
        key = signing_keys.rotate(principal=self.principal, now=self.body["now"])
        return self.answer(key, KeyShape, status=201)
