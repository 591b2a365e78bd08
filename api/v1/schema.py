"""The description of the API: OpenAPI 3.1, and a page to read and try it."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1 import errors
from api.v1.authentication import Credentials
from api.v1.endpoint import Endpoint
from api.v1.fields import Number, Text

_PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "enum": [errors.ABOUT_STATUS, errors.MALFORMED, errors.REFUSED],
            "description": (
                f"`{errors.MALFORMED}`: the request is not what this schema asks for. "
                f"`{errors.REFUSED}`: it is, but a rule forbids it. "
                f"`{errors.ABOUT_STATUS}`: the status says it all."
            ),
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do, for people."},
        "errors": {
            "type": "object",
            "description": "What is wrong with which field.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}
_ALWAYS = {
    "400": "The request is malformed, or a rule forbids it: see `type`.",
    "401": "Sign in first, or with other credentials.",
    "403": "You may not do this.",
    "406": "The answer is not to be had in the type that `Accept` asks for.",
    "429": "Too many failed attempts to sign in; wait as `Retry-After` says.",
    "500": "A mistake of the registry's, which its log describes.",
    "503": "The database cannot be reached; try again as `Retry-After` says.",
}
_WITH_PATH = {"404": "There is no such thing, or none that you may know of."}
_WITH_BODY = {
    "405": "The registry or the repository is read-only.",
    "408": "The body came too slowly.",
    "409": "Somebody else changed the same thing at the same moment.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
}
# What a query can name that may not be there.
_NAMING = frozenset({"repository", "team"})
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})


class _CredentialsScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = Credentials
    name = ["token", "basic", "session"]

    def get_security_requirement(self, auto_schema: Any) -> Any:
        return [{name: []} for name in self.name]  # any of them

    def get_security_definition(self, auto_schema: Any) -> Any:
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "description": "An access token without scopes: `berth_pat_…`.",
            },
            {
                "type": "http",
                "scheme": "basic",
                "description": "A user's or robot's name, with an access token or the password.",
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "berth_session",
                "description": "A signed-in browser; changes take the header `X-CSRFToken` too.",
            },
        ]


class _TextScheme(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = Text
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        field = self.target
        if isinstance(field, Number):
            return {"type": "integer", "minimum": 1, "maximum": field.most}
        pattern = f"^(?:{field.pattern})$"
        # Where a blank is allowed as well, drf-spectacular makes it the other of two forms.
        schema: dict[str, Any] = {"type": "string", "pattern": pattern, "minLength": 1}
        return schema | ({"maxLength": field.max_length} if field.max_length else {})


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add what is the same everywhere: problems, and that bodies take no other fields."""
    schemas = result["components"]["schemas"]
    schemas["Problem"] = _PROBLEM
    every = _ALWAYS | _WITH_PATH | _WITH_BODY
    result["components"]["responses"] = {code: _problem(text) for code, text in every.items()}
    for path, item in result["paths"].items():
        for method in _METHODS & item.keys():
            described = item[method]
            body = described.get("requestBody")
            query = {parameter["name"] for parameter in described.get("parameters", ())}
            is_about_something = "{" in path or body or query & _NAMING
            problems = _ALWAYS | (_WITH_PATH if is_about_something else {})
            if method != "get":
                problems |= _WITH_BODY
            for status in problems:
                response = {"$ref": f"#/components/responses/{status}"}
                described["responses"].setdefault(status, response)
            for content in (body or {}).get("content", {}).values():
                _close(schemas, content["schema"])
    return result


def _close(schemas: dict[str, Any], part: Any) -> None:
    """Let the objects that a part of a body refers to have no other fields, however deep."""
    for key, value in part.items() if isinstance(part, dict) else ():
        if key == "$ref":
            found = schemas[value.rpartition("/")[2]]
            if found.get("type") == "object":
                found["additionalProperties"] = False
            _close(schemas, found)
        else:
            for each in value if isinstance(value, list) else [value]:
                _close(schemas, each)


def _problem(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": text, "content": {errors.CONTENT_TYPE: {"schema": schema}}}


@cache
def description() -> dict[str, Any]:
    """The OpenAPI document. It is the same for everybody, and takes a while to make."""
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


class SchemaView(Endpoint):
    """Open to everybody: it says nothing of what this registry holds."""

    authentication_classes = ()
    permission_classes = [AllowAny]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(description(), headers={"Cache-Control": "public, max-age=300"})


@ensure_csrf_cookie
def docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI, from this server alone."""
    return render(request, "api/docs.html")
