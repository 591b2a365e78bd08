"""What an unauthorised client is told to do (RFC 6750; Distribution's token authentication)."""

from django.conf import settings

from api.v2 import links
from api.v2.request import Request
from repositories.access import InsufficientScope
from repositories.oci.errors import Unauthorized


def bearer(request: Request, error: Unauthorized, scope: str) -> str:
    """The `WWW-Authenticate` header: where to get a token, and for what.

    Several scopes are separated by spaces within one parameter (RFC 6750, section 3).
    """
    further = error.further if isinstance(error, InsufficientScope) else ""
    parameters = {
        "realm": links.absolute(request, "/token", is_realm=True),
        "service": settings.TOKEN_SERVICE,
    }
    if scope:
        parameters["scope"] = f"{scope} {further}".rstrip()
    if isinstance(error, InsufficientScope) or request.principal.grants is not None:
        parameters["error"] = "insufficient_scope"
    elif request.header("Authorization"):
        parameters["error"] = "invalid_token"
    return "Bearer " + ",".join(f'{name}="{value}"' for name, value in parameters.items())
