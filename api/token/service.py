"""The token endpoint: `GET /token` as docker asks it, `POST /token` as OAuth 2.0 clients do."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from django.conf import settings
from django.utils import timezone

from accounts import audit, authentication, signing, throttle, tokens
from accounts.models import AccessToken, User
from api.token import keyless
from api.token.grants import trim
from api.v2.request import Request
from api.v2.response import Response, json_response
from repositories.access import ANONYMOUS, Principal, principal_of_token
from repositories.oci.errors import RequestInvalid, Unauthorized, Unsupported
from repositories.oci.scopes import parse_requested

MAX_FORM_BYTES = 64 * 1024
NO_STORE = {"Cache-Control": "no-store"}

Form = Mapping[str, Sequence[str]]


def answer(request: Request) -> Response:
    """The token endpoint. Raises Unauthorized, TooManyRequests, RequestInvalid, Unsupported."""
    throttle.token_requests.take(request.address)
    try:
        if request.method == "GET":
            return _get(request)
        if request.method == "POST":
            return _post(request)
    except Unauthorized as error:
        # So that a browser or curl asks for a password.
        challenge = f'Basic realm="{settings.BASIC_REALM}", charset="UTF-8"'
        error.headers.setdefault("WWW-Authenticate", challenge)
        raise
    raise Unsupported("tokens are asked for by GET or POST", headers={"Allow": "GET, POST"})


def _get(request: Request) -> Response:
    """`?service=…&scope=…` with Basic credentials, or with none for an anonymous token."""
    query = request.query
    header = request.header("Authorization")
    principal = ANONYMOUS
    if header:
        name, password = authentication.parse_basic(header)
        principal = _sign_in(request, name, password, query)
    wants_refresh = _one(query, "offline_token").lower() in ("true", "1")
    return _issue(
        principal, query, _refresh_token(principal, query, request) if wants_refresh else None
    )


def _post(request: Request) -> Response:
    """A form with `grant_type` password, refresh_token or token-exchange (RFC 6749, RFC 8693)."""
    form = _form(request)
    grant = _one(form, "grant_type")
    refresh = None
    if grant == "password":
        principal = _sign_in(request, _one(form, "username"), _one(form, "password"), form)
        if _one(form, "access_type") == "offline":
            refresh = _refresh_token(principal, form, request)
    elif grant == "refresh_token":
        refresh = _one(form, "refresh_token")
        principal = _refreshed(request, refresh)
    elif grant == keyless.GRANT_TYPE:
        principal = _exchange(request, _one(form, "subject_token"), form)
    else:
        raise RequestInvalid(
            "grant_type is password, refresh_token or " + keyless.GRANT_TYPE,
        )
    return _issue(principal, form, refresh)


def _sign_in(request: Request, name: str, password: str, form: Form) -> Principal:
    # For clients that only know names and passwords; an access token is no job's token.
    if name == keyless.ACCOUNT and not tokens.looks_like_token(password):
        return _exchange(request, password, form)
    return authentication.by_password(name=name, password=password, address=request.address)


def _exchange(request: Request, job_token: str, form: Form) -> Principal:
    requested = parse_requested(form.get("scope", ()))
    return keyless.exchange(job_token, requested=requested, address=request.address)


def _refreshed(request: Request, secret: str) -> Principal:
    token = tokens.find(secret=secret, address=request.address)
    if token is None:
        raise Unauthorized("this refresh token is unknown or expired: sign in again")
    return principal_of_token(token, address=request.address)


def _refresh_token(principal: Principal, form: Form, request: Request) -> str | None:
    """What `docker login` keeps in place of the password; only a password earns one."""
    if principal.user_id is None or principal.token_id is not None:
        return None
    client = "".join(c for c in _one(form, "client_id") if c.isprintable())[:40] or "a client"
    user = User.objects.get(pk=principal.user_id)
    token, secret = tokens.create(
        owner=user,
        name=f"{client} login",
        kind=AccessToken.Kind.SESSION,
        expires_at=timezone.now() + tokens.SESSION_LIFETIME,
    )
    audit.record(
        "token.create",
        actor=principal.name,
        target=str(token),
        address=request.address,
        credential=principal.credential,
    )
    return secret


def _issue(principal: Principal, form: Form, refresh: str | None) -> Response:
    service = _one(form, "service") or settings.TOKEN_SERVICE
    if service not in (settings.TOKEN_SERVICE, *settings.TOKEN_OTHER_SERVICES):
        raise RequestInvalid(
            f"this token service does not know the service {service[:100]!r}: ask for "
            f"{settings.TOKEN_SERVICE!r}, or add it to REGISTRY_AUTH_TOKEN_OTHERSERVICES"
        )
    claims: dict[str, object] = {
        "access": trim(principal, parse_requested(form.get("scope", ()))),
        "cred": principal.credential,
    }
    if principal.user_id is not None:
        claims["uid"] = principal.user_id
    if principal.token_id is not None:
        claims["tid"] = principal.token_id
    token, issued = signing.sign(subject=principal.name, audience=service, claims=claims)
    content: dict[str, object] = {
        "token": token,
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": int(signing.LIFETIME.total_seconds()),
        "issued_at": issued.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if refresh:
        content["refresh_token"] = refresh
    if _one(form, "grant_type") == keyless.GRANT_TYPE:
        content["issued_token_type"] = keyless.ISSUED_TYPE  # RFC 8693, section 2.2.1
    return json_response(content, headers=NO_STORE)


def _form(request: Request) -> Form:
    body = request.body.read(MAX_FORM_BYTES, "form")
    try:
        form = parse_qs(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=200
        )
    except ValueError as error:
        raise RequestInvalid("the form cannot be read: send it urlencoded, in UTF-8") from error
    if any("\0" in value for values in form.values() for value in values):
        raise RequestInvalid("the form has a NUL character; leave it out")
    return form


def _one(form: Form, name: str) -> str:
    """The only value of a field; empty when there is none. Raises RequestInvalid."""
    values = form.get(name, ())
    if len(values) > 1:
        raise RequestInvalid(f"{len(values)} values of {name!r}; send one")
    return values[0] if values else ""
