"""An answer as the handlers give it: status, headers, and bytes or part of a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from repositories.oci.errors import OCIError
from repositories.quotas import Fill

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class FilePart:
    """`length` bytes of an open file, from `offset`; whoever sends it closes the file."""

    file: BinaryIO
    offset: int
    length: int


@dataclass(slots=True)
class Response:
    """`headers` has what the handler knows; the mount adds Content-Length for bytes."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | FilePart = b""


def warned(response: Response, fill: Fill | None) -> Response:
    """The answer, with a warning where a quota is nearly full (distribution-spec, "Warnings")."""
    if fill:
        note = f"{fill}; pushes are refused when it is full"
        response.headers["Warning"] = f'299 - "{note}"'
    return response


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`content` as JSON."""
    return Response(
        status,
        {"Content-Type": "application/json", **(headers or {})},
        _encode(content).encode("ascii"),
    )


def error_response(error: OCIError) -> Response:
    """The one writer of `{"errors": […]}` (distribution-spec, "Error Codes")."""
    entry: dict[str, object] = {"code": error.code, "message": error.message}
    if error.detail is not None:
        entry["detail"] = error.detail
    return json_response({"errors": [entry]}, status=error.status, headers=error.headers)
