"""The one wrapper around every handler: who is asking, may they, what is the answer.

Whatever goes wrong below comes up as an exception; this is the only place that turns one into an
answer, so that there is one opinion on every error.
"""

import errno
import logging

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from accounts.authentication import sign_in
from api.v2 import routes
from api.v2.request import Request
from api.v2.response import Response, error_response
from repositories.access import ANONYMOUS, Principal, require, require_presence
from repositories.oci.errors import OCIError, StorageFull, Unauthorized, Unavailable

API_VERSION = {
    "Docker-Distribution-API-Version": "registry/2.0",
    "X-Content-Type-Options": "nosniff",
}
CHALLENGE = 'Basic realm="Berth", charset="UTF-8"'
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

logger = logging.getLogger(__name__)


class _Failure(OCIError):
    """A mistake of ours: the log has it."""


def answer(request: Request) -> Response:
    """The answer to any request under `/v2/`; never raises."""
    try:
        response = _attempt(request)
    except OCIError as error:
        response = _refused(error)
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
    response.headers.update(API_VERSION)
    return response


def _attempt(request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        close_old_connections()  # asks the database for a sign of life before anything is changed
        return _dispatch(request)
    try:
        return _dispatch(request)
    except (OperationalError, InterfaceError):
        # The database was restarted, most likely. A read may simply be done again, which is
        # cheaper than asking for a sign of life before each one.
        connection.close()
        return _dispatch(request)


def _dispatch(request: Request) -> Response:
    if request.method == "OPTIONS":  # browsers ask without credentials, so this is never 401
        route, _ = routes.match(request.path)
        return Response(204, {"Allow": routes.allowed_methods(route)})
    operation, name, arguments = routes.resolve(request.method, request.path)
    request.principal = _principal(request)
    if operation.action is None:
        require_presence(request.principal)
        return operation.handler(request)
    require(principal=request.principal, action=operation.action, name=name)
    return operation.handler(request, name, *arguments)


def _principal(request: Request) -> Principal:
    header = request.header("Authorization")
    if not header or ANONYMOUS.is_unlimited:  # in open mode nobody's password is looked at
        return ANONYMOUS
    return sign_in(header)


def _refused(error: OCIError) -> Response:
    if isinstance(error, Unauthorized):
        error.headers.setdefault("WWW-Authenticate", CHALLENGE)
    return error_response(error)


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
