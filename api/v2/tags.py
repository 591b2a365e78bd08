"""end-8: the tags of a repository."""

from django.conf import settings

from api.v2 import links, paging
from api.v2.request import Request
from api.v2.response import Response, json_response
from repositories import tags


def get(request: Request, name: str) -> Response:
    """end-8a and end-8b, in byte order. Raises NameUnknown, PaginationNumberInvalid."""
    most = settings.TAGS_MAX_TAGS
    size = paging.page_size(request, default=most, most=most)
    names = tags.listing(repository=name, limit=size + 1, last=paging.start_after(request))
    page, headers = names[:size], {}
    if page and len(names) > size:
        headers["Link"] = links.next_page(
            f"/v2/{name}/tags/list", {"n": str(size), "last": page[-1]}
        )
    return json_response({"name": name, "tags": page}, headers=headers)
