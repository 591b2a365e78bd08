"""The one wrapper around every handler: who is asking, may they, what is the answer.

Whatever goes wrong below comes up as an exception; this is the only place that turns one into an
answer, so that there is one opinion on every error.
"""

import errno
import logging
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from accounts import audit
from accounts.authentication import sign_in
from api.v2 import catalog, challenge, routes
from api.v2.request import Request
from api.v2.response import Response, error_response
from repositories import database
from repositories.access import (
    ANONYMOUS,
    Principal,
    require,
    require_listing,
    require_presence,
)
from repositories.oci.errors import Denied, OCIError, StorageFull, Unauthorized, Unavailable

API_VERSION = {
    "Docker-Distribution-API-Version": "registry/2.0",
    "X-Content-Type-Options": "nosniff",
}
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

logger = logging.getLogger(__name__)


class _Failure(OCIError):
    """A mistake of ours: the log has it."""


Dispatch = Callable[[Request], Response]


def answer(request: Request) -> Response:
    """The answer to any request under `/v2/`; never raises."""
    response = guarded(request, _dispatch)
    response.headers.update(API_VERSION)
    return response


def guarded(request: Request, dispatch: Dispatch) -> Response:
    """What `dispatch` answers, or what its exceptions mean; never raises."""
    response = _safely(request, dispatch)
    for name, value in settings.HTTP_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _safely(request: Request, dispatch: Dispatch) -> Response:
    try:
        response = _attempt(request, dispatch)
    except OCIError as error:
        response = error_response(error)
    except (OperationalError, InterfaceError) as error:
        logger.error("the database cannot be used: %s", error)
        connection.close()
        response = error_response(_busy("the database cannot be reached; try again shortly"))
    except OSError as error:
        response = _storage_failed(error)
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        response = error_response(
            _Failure("the registry made a mistake, which its log describes; try again")
        )
    return response


def _attempt(request: Request, dispatch: Dispatch) -> Response:
    if request.method not in ("GET", "HEAD"):
        database.refresh()
        return dispatch(request)
    try:
        return dispatch(request)
    except (OperationalError, InterfaceError):
        # The database was restarted, most likely. A read may simply be done again, which is
        # cheaper than asking for a sign of life before each one.
        connection.close()
        return dispatch(request)


def _dispatch(request: Request) -> Response:
    if request.method == "OPTIONS":  # browsers ask without credentials, so this is never 401
        route, _ = routes.match(request.path)
        return Response(204, {"Allow": routes.allowed_methods(route)})
    resolved = routes.resolve(request.method, request.path)
    try:
        request.principal = _principal(request)
        _authorise(request, resolved)
        return resolved.operation.handler(request, *resolved.arguments)
    except Unauthorized as error:
        scope = routes.scope_of(resolved)
        error.headers["WWW-Authenticate"] = challenge.bearer(request, error, scope)
        raise


def _authorise(request: Request, resolved: routes.Resolved) -> None:
    action = resolved.operation.action
    if action is None:
        check = require_listing if resolved.operation.handler is catalog.get else require_presence
        check(request.principal)
        return
    try:
        require(principal=request.principal, action=action, name=resolved.name)
    except Denied:
        principal = request.principal
        audit.denied(
            f"repository.{action.value}",
            actor=principal.name,
            target=resolved.name,
            address=request.address,
            credential=principal.credential,
        )
        raise


def _principal(request: Request) -> Principal:
    header = request.header("Authorization")
    if not header or ANONYMOUS.is_unlimited:  # in open mode nobody's password is looked at
        return ANONYMOUS
    return sign_in(header, address=request.address)


def _storage_failed(error: OSError) -> Response:
    logger.error("the storage cannot be used: %s", error)
    if error.errno in _FULL:
        return error_response(
            StorageFull(
                "the registry's disk is full; ask its operator to free some space, then go on",
                headers={"Retry-After": "60"},
            )
        )
    return error_response(_busy("the registry's storage failed; try again shortly"))


def _busy(message: str) -> Unavailable:
    return Unavailable(message, headers={"Retry-After": "5"})
