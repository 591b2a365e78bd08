"""Where `/v2/` and `/token` are entered: straight from the WSGI server, and through Django.

Django's request machinery costs more than most answers here, so `registry_site/wsgi.py` calls
`wsgi` before Django sees the request. The middleware stands for other servers and for tests; both
say what the endpoint's `answer` says.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, BinaryIO

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase

from api.token import endpoint as token
from api.v2 import endpoint as v2
from api.v2.request import Request
from api.v2.response import FilePart, Response

StartResponse = Callable[..., Any]

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_READ_SIZE = 64 * 1024


Door = Callable[[Request], Response]


def door_of(path: str) -> Door | None:
    """Who answers a path that is not Django's; None for those that are."""
    if path.startswith("/v2/") or path == "/v2":
        return v2.answer
    return token.answer if path in token.PATHS else None


def wsgi(door: Door, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request of the WSGI server's (PEP 3333)."""
    request = Request(environ)
    response = door(request)
    headers = frame(request, response)
    start_response(STATUS_LINES[response.status], list(headers.items()))
    body = response.body
    if isinstance(body, bytes):
        return () if request.method == "HEAD" else (body,)
    body.file.seek(body.offset)
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is not None:  # the server sends Content-Length bytes from here, by sendfile
        return wrapper(body.file, _READ_SIZE)  # type: ignore[no-any-return]
    return _Pieces(body)


def frame(request: Request, response: Response) -> dict[str, str]:
    """Have the headers say how long the body is; the headers."""
    headers = response.headers
    if isinstance(response.body, FilePart):
        headers["Content-Length"] = str(response.body.length)
    elif response.status not in (204, 304):
        headers.setdefault("Content-Length", str(len(response.body)))
    return headers


class _Pieces:
    """A part of a file for servers that cannot send files themselves."""

    def __init__(self, part: FilePart) -> None:
        self._file: BinaryIO = part.file
        self._left = part.length

    def __iter__(self) -> "_Pieces":
        return self

    def __next__(self) -> bytes:
        piece = self._file.read(min(_READ_SIZE, self._left))
        if not piece:
            raise StopIteration
        self._left -= len(piece)
        return piece

    def read(self, size: int = -1) -> bytes:
        """For Django's FileResponse."""
        piece = self._file.read(min(size if size >= 0 else self._left, self._left))
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        self._file.close()


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answer what Django is asked for as well: the same environment, the same code.

    It comes first: the others would refuse in HTML what they do not like.
    """

    def enter(http_request: HttpRequest) -> HttpResponseBase:
        request = Request(http_request.META)
        door = door_of(request.path)
        return get_response(http_request) if door is None else _through_django(door, request)

    return enter


def _through_django(door: Door, request: Request) -> HttpResponseBase:
    response = door(request)
    headers = frame(request, response)
    body = response.body
    if isinstance(body, bytes):
        content = b"" if request.method == "HEAD" else body
        http_response = HttpResponse(content, status=response.status, headers=headers)
        if "Content-Type" not in headers:
            del http_response["Content-Type"]  # Django's own guess is text/html
        return http_response
    body.file.seek(body.offset)
    return FileResponse(_Pieces(body), status=response.status, headers=headers)
