"""Who has signed in, by the query that reads the session."""

from typing import Any

from django.contrib.auth import middleware
from django.utils.functional import SimpleLazyObject

from accounts import sessions


class AuthenticationMiddleware(middleware.AuthenticationMiddleware):
    """Django's, which would read the user by a query of its own, for what it alone can tell."""

    def process_request(self, request: Any) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _user(request))


def _user(request: Any) -> Any:
    user = sessions.user_of(request.session)
    if user is not None:
        request._cached_user = user  # noqa: SLF001  (where Django looks first)
    return middleware.get_user(request)
