"""Whom a browser speaks for."""

from django.http import HttpRequest

from accounts.addresses import client_address
from accounts.models import User
from repositories import access
from repositories.access import ANONYMOUS, Principal


def principal_of(request: HttpRequest) -> Principal:
    """The principal of the signed-in user, by the session."""
    if not isinstance(request.user, User):
        return ANONYMOUS
    return access.principal_of(
        request.user, credential="browser session", address=client_address(request.META)
    )
