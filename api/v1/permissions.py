"""Who may call at all. What they may do, the domain functions decide."""

from django.conf import settings
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from repositories.access import ANONYMOUS


class SignedIn(BasePermission):
    """Somebody, be it a user or a robot."""

    message = "Sign in first."

    def has_permission(self, request: Request, view: object) -> bool:
        return request.auth is not None


class SignedInOrReading(SignedIn):
    """Nobody in particular as well, where anonymous access is configured."""

    def has_permission(self, request: Request, view: object) -> bool:
        is_open = ANONYMOUS.is_unlimited or settings.ANONYMOUS_ACCESS != "none"
        return super().has_permission(request, view) or is_open
