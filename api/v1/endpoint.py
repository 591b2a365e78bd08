"""What every operation has: a principal, and a query and a body that were checked.

`operation` declares them once, for the check and for the schema alike.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError, UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.v1.fields import Strict
from api.v1.pagination import address_of_next, cut, cut_ranked, page_of
from api.v2.body import Body
from repositories.access import ANONYMOUS, Principal
from repositories.oci.json_strict import StrictJSONError, loads

MAX_BODY_BYTES = 256 * 1024
_JSON = "application/json"

_Method = TypeVar("_Method", bound=Callable[..., Any])
Shape = type[serializers.Serializer[Any]]


@dataclass(frozen=True, slots=True)
class _Operation:
    query: type[Strict]
    body: type[Strict]


class _Nothing(Strict):
    """No fields at all."""


def operation(
    summary: str,
    *,
    answer: Shape | None = None,
    status: int = 200,
    query: type[Strict] = _Nothing,
    body: type[Strict] | None = None,
    pages: bool = False,
    media_type: str = _JSON,
    also: Mapping[int, Shape] | None = None,
) -> Callable[[_Method], _Method]:
    """Declare what a method of an Endpoint takes and answers. Its docstring says the rest.

    `also`: the forms of its other answers, by status.
    """
    form = page_of(answer) if answer and pages else answer
    content: Any = OpenApiTypes.STR if media_type != _JSON else form
    described = OpenApiResponse(content, description="Done.") if content else None
    others: dict[Any, Any] = {
        code: OpenApiResponse(shape, description=inspect.getdoc(shape) or "")
        for code, shape in (also or {}).items()
    }
    key: Any = status if media_type == _JSON else (status, media_type)

    def declare(method: _Method) -> _Method:
        method.berth_operation = _Operation(query, body or _Nothing)  # type: ignore[attr-defined]
        return extend_schema(
            operation_id=summary.lower().replace(" ", "_").replace("'", "").rstrip("?"),
            summary=summary,
            description=inspect.cleandoc(method.__doc__ or ""),
            parameters=[] if query is _Nothing else [query],
            request=body,
            responses={key: described or OpenApiResponse(description="Done.")} | others,
        )(method)

    return declare


class Endpoint(APIView):
    """An address and its operations. `query` and `body` hold what was sent, checked."""

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    query: dict[str, Any]
    body: dict[str, Any]

    @property
    def principal(self) -> Principal:
        found: Any = self.request.auth  # what Credentials made of the request
        return found or ANONYMOUS

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = getattr(self, (request.method or "").lower(), None)
        declared: _Operation | None = getattr(method, "berth_operation", None)
        if declared is not None and (request.method or "") in self.allowed_methods:
            self.query = _checked(declared.query, _single(request.query_params))
            self.body = _checked(declared.body, _read(request))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)
        # Names of private things, and secrets that are shown once, are in no cache.
        final.headers.setdefault("Cache-Control", "no-store")
        return final

    def page(
        self, rows: Any, shape: Shape, *, by: str = "", facts: Callable[[list[Any]], Any] = list
    ) -> Response:
        """A page of rows, or of their `facts`, if they have to be found.

        The rows are sorted by a unique field, or ordered by a rank and the primary key.
        """
        page, cursor = (
            cut(rows, by=by, query=self.query) if by else cut_ranked(rows, query=self.query)
        )
        return self.pages(facts(page), shape, cursor)

    def pages(self, page: Any, shape: Shape, cursor: Any) -> Response:
        """A page that was cut already."""
        return Response(
            {
                "results": shape(page, many=True, context={"principal": self.principal}).data,
                "next": address_of_next(self.request, cursor),
            }
        )

    def answer(self, row: Any, shape: Shape, *, status: int = 200) -> Response:
        """One row."""
        return Response(shape(row, context={"principal": self.principal}).data, status=status)


def _checked(form: type[Strict], data: Any) -> dict[str, Any]:
    serializer = form(data=data)
    serializer.is_valid(raise_exception=True)
    checked: dict[str, Any] = dict(serializer.validated_data)
    return checked


def _single(query: QueryDict) -> dict[str, str]:
    """The query's values. Raises ValidationError when a field has two."""
    twice = [name for name, values in query.lists() if len(values) > 1]
    if twice:
        raise ValidationError({name[:100]: ["Send one value."] for name in twice})
    return {name: str(value) for name, value in query.dict().items()}


def _read(request: Request) -> object:
    """The JSON that came; an empty object when nothing did.

    Raises UnsupportedMediaType, ParseError, and what Body.read raises.
    """
    if request.method in ("GET", "HEAD"):
        return {}
    content = Body(request.META).read(MAX_BODY_BYTES, "request")
    if not content:
        return {}
    media_type = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if media_type != _JSON:
        raise UnsupportedMediaType(media_type[:100])
    try:
        return loads(content)
    except StrictJSONError as error:
        raise ParseError(f"The body cannot be taken: {error}.") from error
