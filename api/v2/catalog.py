"""The catalog of repositories (an extension of Distribution's that every tool knows)."""

from django.conf import settings

from api.v2 import links, paging
from api.v2.request import Request
from api.v2.response import Response, json_response
from repositories import catalog

DEFAULT_ENTRIES = 100


def get(request: Request) -> Response:
    """The repositories that the caller may see, in byte order. Raises PaginationNumberInvalid."""
    size = paging.page_size(request, default=DEFAULT_ENTRIES, most=settings.CATALOG_MAX_ENTRIES)
    names = catalog.listing(
        principal=request.principal, limit=size + 1, last=paging.start_after(request)
    )
    page, headers = names[:size], {}
    if page and len(names) > size:
        headers["Link"] = links.next_page("/v2/_catalog", {"n": str(size), "last": page[-1]})
    return json_response({"repositories": page}, headers=headers)
