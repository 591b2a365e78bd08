"""The addresses of the token service: tokens, and the keys to check them by."""

from accounts import signing
from api.token import service
from api.v2.endpoint import guarded
from api.v2.request import Request
from api.v2.response import Response, json_response
from repositories.oci.errors import Unsupported

TOKEN = "/token"  # noqa: S105  (an address)
JWKS = "/token/jwks.json"
CERTIFICATES = "/token/certificates.pem"
PATHS = (TOKEN, JWKS, CERTIFICATES)


def answer(request: Request) -> Response:
    """The answer to a request for one of PATHS; never raises."""
    return guarded(request, _dispatch)


def _dispatch(request: Request) -> Response:
    if request.path == TOKEN:
        return service.answer(request)
    if request.method not in ("GET", "HEAD"):
        raise Unsupported("the keys can only be read", headers={"Allow": "GET, HEAD"})
    if request.path == JWKS:
        return json_response(signing.jwks(), headers={"Cache-Control": "public, max-age=60"})
    headers = {"Content-Type": "application/x-pem-file"}
    return Response(200, headers, signing.certificates().encode("ascii"))
