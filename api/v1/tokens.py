"""Access tokens of users and robots."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import credentials
from accounts.models import AccessToken, Robot, User
from accounts.permissions import require_user
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import LINE, Moment, ScopeLines, Scopes, Strict, Text
from api.v1.pagination import PageByAge


class TokenShape(serializers.Serializer[AccessToken]):
    """An access token, without its secret."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    owner = serializers.CharField(source="owner_name", help_text="The name to sign in with.")
    kind = serializers.ChoiceField(choices=AccessToken.Kind.values)
    hint = serializers.CharField(help_text="The last characters of the secret.")
    scopes = ScopeLines(help_text="What it is limited to; empty: what its owner may do.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_from = serializers.CharField(allow_null=True)


class NewToken(Strict):
    """A token to make."""

    name = Text(max_length=100, pattern=LINE)
    scopes = Scopes(
        default=list,
        help_text="Such as `team/*:pull,push`. Without any, the token may do what its owner may.",
    )
    expires_at = Moment(allow_null=True, default=None)


class CreatedToken(TokenShape):
    """A token with its secret, shown this once."""

    secret = serializers.CharField()


class TokenQuery(PageByAge):
    owner = Text(
        pattern="[a-z0-9._-]{1,128}", required=False, help_text="The user or robot it stands for."
    )


def create(endpoint: Endpoint, owner: User | Robot, body: dict[str, Any]) -> Response:
    """The answer to a request for a token of `owner`."""
    token, secret = credentials.create_token(principal=endpoint.principal, owner=owner, **body)
    token.secret = secret  # type: ignore[attr-defined]
    return endpoint.answer(token, CreatedToken, status=201)


class TokensView(Endpoint):
    @operation("List tokens", answer=TokenShape, query=TokenQuery, pages=True)
    def get(self, request: Request) -> Response:
        """One's own and those of the robots of teams that one owns, the newest first.

        For administrators, all.
        """
        owner = self.query.get("owner")
        found = (
            credentials.tokens_of(self.principal, owner)
            if owner
            else credentials.visible_tokens(self.principal)
        )
        return self.page(found, TokenShape, by="-pk")

    @operation("Create a token", answer=CreatedToken, body=NewToken, status=201)
    def post(self, request: Request) -> Response:
        """A token for oneself. Its secret is in this answer and nowhere else."""
        owner = User.objects.get(pk=require_user(self.principal))
        return create(self, owner, self.body)


class TokenView(Endpoint):
    @operation("Show a token", answer=TokenShape)
    def get(self, request: Request, token: int) -> Response:
        """For whoever sees it in the list."""
        return self.answer(credentials.visible_tokens(self.principal).get(pk=token), TokenShape)

    @operation("Revoke a token", status=204)
    def delete(self, request: Request, token: int) -> Response:
        """For whoever sees it in the list."""
        credentials.revoke_token(principal=self.principal, token_id=token)
        return Response(status=204)
