"""What goes wrong, as problem details (RFC 9457): the one place that turns errors into answers."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    BadRequest,
    ObjectDoesNotExist,
    PermissionDenied,
    SuspiciousOperation,
    ValidationError,
)
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from accounts import audit
from api.v1.authentication import CHALLENGE
from repositories.access import ANONYMOUS, Principal
from repositories.oci.errors import OCIError

CONTENT_TYPE = "application/problem+json"
ABOUT_STATUS = "about:blank"
# The request is not what the schema asks for.
MALFORMED = "urn:problem-type:berth:malformed"
# It is, but a rule forbids it: the name is taken, the password too weak, the last owner leaves.
REFUSED = "urn:problem-type:berth:refused"

NOT_FOUND = "There is no such thing here, or none that you may know of."
# What the models call by other names than the API.
_API_NAMES = {"username": "name", "is_superuser": "is_admin"}
_WHOLE = ("__all__", "non_field_errors")

logger = logging.getLogger(__name__)

Errors = dict[str, list[str]]


@dataclass(slots=True)
class Problem:
    """Problem details, and the headers to send along."""

    status: int
    detail: str
    type: str = ABOUT_STATUS
    errors: Errors = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> dict[str, object]:
        content: dict[str, object] = {
            "type": self.type,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return content | ({"errors": self.errors} if self.errors else {})


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """REST framework's exception handler: the answer that `error` means."""
    request = context["request"]
    principal = request.auth or ANONYMOUS
    problem = _problem(error)
    if problem.status == 403 and principal.is_anonymous and not isinstance(error, _REST_REFUSALS):
        problem = Problem(401, "Sign in first.")
    if problem.status == 401:
        problem.headers = {**problem.headers, "WWW-Authenticate": CHALLENGE}
    if problem.status == 403:
        _write_down(principal, request)
    if problem.status == 500:
        logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return Response(
        problem.content(),
        status=problem.status,
        headers=dict(problem.headers),
        content_type=CONTENT_TYPE,
    )


_REST_REFUSALS = (exceptions.PermissionDenied,)


def _write_down(principal: Principal, request: Any) -> None:
    if principal.is_anonymous:
        return
    match = request.resolver_match
    try:
        audit.denied(
            f"api.{match.url_name}.{request.method.lower()}",
            actor=principal.name,
            target=request.path_info.removeprefix("/api/v1/"),
            address=principal.address,
            credential=principal.credential,
        )
    except DatabaseError:
        logger.exception("a denial could not be written into the audit log")


def _problem(error: Exception) -> Problem:
    if isinstance(error, OCIError):
        return Problem(error.status, error.message, headers=error.headers)
    if isinstance(error, exceptions.APIException):
        return _of_rest_framework(error)
    if isinstance(error, ValidationError):
        return _refused(error)
    if isinstance(error, PermissionDenied):
        return Problem(403, str(error) or "You may not do this.")
    if isinstance(error, ObjectDoesNotExist | Http404):
        return Problem(404, NOT_FOUND)
    if isinstance(error, SuspiciousOperation | BadRequest):
        return Problem(400, "The request cannot be understood.", type=MALFORMED)
    if isinstance(error, DatabaseError | InterfaceError):
        return _of_database(error)
    return Problem(500, "The registry made a mistake, which its log describes.")


def _of_database(error: Exception) -> Problem:
    if isinstance(error, IntegrityError):
        return Problem(409, "Somebody else changed this at the same moment; look at it again.")
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database cannot be used: %s", error)
        connection.close()
        return Problem(
            503, "The database cannot be reached; try again shortly.", headers={"Retry-After": "5"}
        )
    return Problem(500, "The registry made a mistake, which its log describes.")


def _of_rest_framework(error: exceptions.APIException) -> Problem:
    headers = dict(getattr(error, "headers", {}))
    if isinstance(error, exceptions.ValidationError):
        errors = _flat(error.detail)
        whole = [text for name in _WHOLE for text in errors.pop(name, [])]
        detail = " ".join(whole) or "The request is not what the schema asks for."
        return Problem(400, detail, type=MALFORMED, errors=errors, headers=headers)
    kind = MALFORMED if error.status_code == 400 else ABOUT_STATUS
    return Problem(error.status_code, str(error.detail), type=kind, headers=headers)


def _refused(error: ValidationError) -> Problem:
    if not hasattr(error, "error_dict"):
        return Problem(400, " ".join(error.messages), type=REFUSED)
    errors = {_API_NAMES.get(name, name): texts for name, texts in error.message_dict.items()}
    whole = [text for name in _WHOLE for text in errors.pop(name, [])]
    return Problem(400, " ".join(whole) or "The request was refused.", type=REFUSED, errors=errors)


def _flat(detail: Any, path: str = "") -> Errors:
    """`{"scopes": {"0": ["…"]}}` as `{"scopes.0": ["…"]}`."""
    if isinstance(detail, Mapping):
        found: Errors = {}
        for key, value in detail.items():
            found |= _flat(value, f"{path}.{key}" if path else str(key))
        return found
    texts = detail if isinstance(detail, list) else [detail]
    return {path or _WHOLE[0]: [str(text) for text in texts]}


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    """The answer to any other address under `/api/v1/`."""
    problem = Problem(404, "There is no such address: see /api/v1/docs/ for those that are.")
    return JsonResponse(problem.content(), status=404, content_type=CONTENT_TYPE)
