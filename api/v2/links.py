"""Addresses in answers: `Location`, and `Link` to the next page.

The configured public URL comes first; without one, the address that the client used, as a trusted
proxy tells it. This is where most registries behind a proxy break.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from django.conf import settings

from accounts.addresses import AUTHORITY
from api.v2.request import Request


def absolute(request: Request, path: str, *, is_realm: bool = False) -> str:
    """`path` on this registry as the client should call it. A token realm is never relative."""
    if settings.PUBLIC_URL:
        return f"{settings.PUBLIC_URL}{settings.API_PREFIX}{path}"
    path = f"{settings.API_PREFIX}{path}"
    if settings.RELATIVE_URLS and not is_realm:
        return path
    scheme, host = request.origin
    if not AUTHORITY.fullmatch(host):
        return path  # relative is always right
    return f"{scheme}://{host}{path}"


def next_page(path: str, query: Mapping[str, str]) -> str:
    """The value of a `Link` header to the next page (RFC 8288)."""
    path = f"{settings.API_PREFIX}{path}"
    return f'<{path}?{urlencode(query)}>; rel="next"'
