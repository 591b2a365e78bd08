"""What an unauthorised client is told to do (RFC 6750; Distribution's token authentication)."""

import contextlib

from django.conf import settings

from api.v2 import links
from api.v2.request import Request
from repositories.access import InsufficientScope
from repositories.oci.errors import RequestInvalid, Unauthorized
from repositories.oci.names import is_repository


def bearer(request: Request, error: Unauthorized, scope: str) -> str:
    """The `WWW-Authenticate` header: where to get a token, and for what.

    Several scopes are separated by spaces within one parameter (RFC 6750, section 3).
    """
    parameters = {
        "realm": links.absolute(request, "/token", is_realm=True),
        "service": settings.TOKEN_SERVICE,
    }
    if scope:
        parameters["scope"] = f"{scope} {_scope_of_source(request)}".rstrip()
    if isinstance(error, InsufficientScope) or request.principal.grants is not None:
        parameters["error"] = "insufficient_scope"
    elif request.header("Authorization"):
        parameters["error"] = "invalid_token"
    return "Bearer " + ",".join(f'{name}="{value}"' for name, value in parameters.items())


def _scope_of_source(request: Request) -> str:
    """What a mount has to read (end-11): asked for at once, since some clients ask only once."""
    with contextlib.suppress(RequestInvalid):
        source = request.parameter("from") or ""
        if request.method == "POST" and request.parameter("mount") and is_repository(source):
            return f"repository:{source}:pull"
    return ""
