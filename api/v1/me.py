"""Whoever is calling."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import people
from accounts.models import User
from accounts.permissions import require_user
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import LINE, Strict, Text
from repositories.access import Principal


class Me(serializers.Serializer[Principal]):
    """Whom the credentials stand for, and what they are limited to."""

    name = serializers.CharField()
    kind = serializers.SerializerMethodField(help_text="`user`, `robot` or `job`.")
    team = serializers.CharField(help_text="The team that a robot belongs to; empty for a user.")
    is_admin = serializers.BooleanField(source="is_site_admin")
    credential = serializers.CharField(help_text="By what they signed in; never a secret.")
    scopes = serializers.SerializerMethodField(
        help_text="What the token is limited to; null when it is not limited."
    )

    def get_kind(self, principal: Principal) -> str:
        return "user" if principal.user_id is not None else "robot"

    def get_scopes(self, principal: Principal) -> list[str] | None:
        return None if principal.scopes is None else [str(scope) for scope in principal.scopes]


class MyChanges(Strict):
    """What one may change of oneself."""

    email = Text(max_length=254, allow_blank=True, help_text="An address, or empty.")


class NewPassword(Strict):
    """One's present password, and the one to have from now on."""

    old_password = Text(max_length=1000, pattern=LINE)
    new_password = Text(max_length=1000, pattern=LINE)


class MyEmail(serializers.Serializer[User]):
    """One's address."""

    name = serializers.CharField(source="username")
    email = serializers.CharField()


class MeView(Endpoint):
    @operation("Who am I?", answer=Me)
    def get(self, request: Request) -> Response:
        """Whom the credentials of this request stand for, and what they are limited to."""
        return self.answer(self.principal, Me)

    @operation("Change my address", answer=MyEmail, body=MyChanges)
    def patch(self, request: Request) -> Response:
        """Change one's own email address."""
        user = people.change_email(principal=self.principal, email=self.body["email"])
        return self.answer(user, MyEmail)


class MyPasswordView(Endpoint):
    @operation("Change my password", body=NewPassword, status=204)
    def post(self, request: Request) -> Response:
        """Ends one's browser sessions, and the tokens that `docker login` keeps."""
        people.change_password(
            principal=self.principal,
            old=self.body["old_password"],
            new=self.body["new_password"],
        )
        return Response(status=204)


class Ended(serializers.Serializer[dict[str, int]]):
    """How many sessions there were."""

    ended = serializers.IntegerField()


class MySessionsView(Endpoint):
    @operation("Sign me out everywhere", answer=Ended)
    def delete(self, request: Request) -> Response:
        """Ends one's browser sessions, and the tokens that `docker login` keeps."""
        user = User.objects.get(pk=require_user(self.principal))
        ended = people.end_sessions(principal=self.principal, user=user)
        return self.answer({"ended": ended}, Ended)
