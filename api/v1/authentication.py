"""Who is calling: a browser session, or the credentials of an `Authorization` header."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from accounts import tokens
from accounts.addresses import client_address
from accounts.authentication import sign_in
from accounts.models import User
from repositories.access import Principal, principal_of
from repositories.oci.errors import OCIError, Unauthorized

# Not Basic: a browser that was asked for a password sends it along with every request after that,
# also with those that another site has it make.
CHALLENGE = 'Bearer realm="Berth"'


class Credentials(BaseAuthentication):
    """`request.auth` becomes the principal. A header wins over a session."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        """Raises AuthenticationFailed, Refused; PermissionDenied for what a browser was led to."""
        address = client_address(request.META)
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if header:
            principal = _by_header(header, address)
            # Only a browser says where a request comes from, and it keeps Basic credentials.
            if request.META.get("HTTP_ORIGIN") and header[:6].lower() == "basic ":
                _require_own_page(request)
            return AnonymousUser(), principal
        user = getattr(request._request, "user", None)  # noqa: SLF001  (as DRF's own do)
        if not isinstance(user, User) or not user.is_active:
            return None
        _require_own_page(request)
        return user, principal_of(user, credential="browser session", address=address)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def _by_header(header: str, address: str) -> Principal:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer" and not tokens.looks_like_token(credentials.strip()):
        raise AuthenticationFailed(
            "This is not an access token. Those that the token service signs are for /v2/ only."
        )
    try:
        return sign_in(header, address=address)
    except Unauthorized as error:
        raise AuthenticationFailed(error.message) from error
    except OCIError as error:
        raise Refused(error) from error


class Refused(APIException):
    """An error of the domain's vocabulary, as REST framework knows errors."""

    def __init__(self, error: OCIError) -> None:
        super().__init__(error.message)
        self.status_code = error.status
        self.headers = error.headers


class _Check(CSRFCheck):
    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        # As REST framework's own has it: the reason instead of a page.
        return reason  # type: ignore[return-value]


def _require_own_page(request: Request) -> None:
    """Raises PermissionDenied when a page of another site may have made the browser send this."""
    check = _Check(lambda _: HttpResponse())
    check.process_request(request._request)  # noqa: SLF001
    reason = check.process_view(request._request, None, (), {})  # type: ignore[arg-type]  # noqa: SLF001
    if reason:
        raise PermissionDenied(f"{reason} Send the CSRF token in the header X-CSRFToken.")
