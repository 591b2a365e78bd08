"""Users, for administrators."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import people
from accounts.models import User
from accounts.permissions import require_admin
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Flag, Name, Strict, Text
from api.v1.me import Ended
from api.v1.pagination import PageByName


class UserShape(serializers.Serializer[User]):
    """A user."""

    name = serializers.CharField(source="username")
    email = serializers.CharField()
    is_active = serializers.BooleanField()
    is_admin = serializers.BooleanField(source="is_superuser")
    created_at = serializers.DateTimeField(source="date_joined")
    signed_in_at = serializers.DateTimeField(source="last_login", allow_null=True)


class UserQuery(PageByName):
    search = Text(
        required=False,
        allow_blank=True,
        max_length=100,
        help_text="What the name or the address contains.",
    )


class NewUser(Strict):
    """A user to make. Without a password they sign in by other means only."""

    name = Name()
    password = Text(max_length=1000, required=False, allow_null=True, default=None)
    email = Text(max_length=254, allow_blank=True, default="")
    is_admin = Flag(default=False)


class UserChanges(Strict):
    """What to change; what is left out stays."""

    is_active = Flag(required=False)
    is_admin = Flag(required=False)
    email = Text(max_length=254, allow_blank=True, required=False)


class ResetPassword(serializers.Serializer[dict[str, str]]):
    """The new password, shown this once."""

    password = serializers.CharField()


class UserEndpoint(Endpoint):
    def user(self, name: str) -> User:
        """Raises PermissionDenied whether there is such a user or not; User.DoesNotExist."""
        require_admin(self.principal)
        return User.objects.get(username=name)


class UsersView(Endpoint):
    @operation("List users", answer=UserShape, query=UserQuery, pages=True)
    def get(self, request: Request) -> Response:
        """All users, by name. For administrators."""
        found = people.users(principal=self.principal, search=self.query.get("search", ""))
        return self.page(found, UserShape, by="username")

    @operation("Create a user", answer=UserShape, body=NewUser, status=201)
    def post(self, request: Request) -> Response:
        """For administrators."""
        user = people.create_user(principal=self.principal, **self.body)
        return self.answer(user, UserShape, status=201)


class UserView(UserEndpoint):
    @operation("Show a user", answer=UserShape)
    def get(self, request: Request, user: str) -> Response:
        """For administrators."""
        return self.answer(self.user(user), UserShape)

    @operation("Change a user", answer=UserShape, body=UserChanges)
    def patch(self, request: Request, user: str) -> Response:
        """Disable or enable a user, make or unmake an administrator, change the address.

        For administrators; nobody disables or demotes themselves.
        """
        found = people.update_user(principal=self.principal, user=self.user(user), **self.body)
        return self.answer(found, UserShape)


class UserPasswordView(UserEndpoint):
    @operation("Reset a password", answer=ResetPassword)
    def post(self, request: Request, user: str) -> Response:
        """A new random password, shown this once. Ends the user's sessions. For administrators."""
        password = people.reset_password(principal=self.principal, user=self.user(user))
        return self.answer({"password": password}, ResetPassword)


class UserSessionsView(UserEndpoint):
    @operation("Sign a user out everywhere", answer=Ended)
    def delete(self, request: Request, user: str) -> Response:
        """Ends browser sessions, and the tokens that `docker login` keeps. For administrators."""
        ended = people.end_sessions(principal=self.principal, user=self.user(user))
        return self.answer({"ended": ended}, Ended)
