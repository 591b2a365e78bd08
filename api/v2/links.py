"""Addresses in answers: `Location`, and `Link` to the next page.

The configured public URL comes first; without one, the address that the client used, as a trusted
proxy tells it. This is where most registries behind a proxy break.
"""

import functools
import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from django.conf import settings

from api.v2.request import Request

# What may stand in Host (RFC 3986, section 3.2): a name or an address, and a port.
_AUTHORITY = re.compile(
    r"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII
)
_FORWARDED = re.compile(
    r"(?:^|[;,\s])(host|proto)=(?:\"([^\"]*)\"|([^;,\s]*))", re.ASCII | re.IGNORECASE
)


def absolute(request: Request, path: str) -> str:
    """`path` on this registry as the client should call it."""
    if settings.PUBLIC_URL:
        return f"{settings.PUBLIC_URL}{path}"
    if settings.RELATIVE_URLS:
        return path
    scheme, host = _origin(request)
    if not _AUTHORITY.fullmatch(host):
        return path  # relative is always right
    return f"{scheme}://{host}{path}"


def next_page(path: str, query: Mapping[str, str]) -> str:
    """The value of a `Link` header to the next page (RFC 8288)."""
    return f'<{path}?{urlencode(query)}>; rel="next"'


def _origin(request: Request) -> tuple[str, str]:
    scheme, host = request.scheme, request.header("Host") or ""
    if not _is_trusted(request.peer, tuple(settings.TRUSTED_PROXIES)):
        return scheme, host
    forwarded = {
        match[1].lower(): match[2] or match[3]
        for match in reversed(list(_FORWARDED.finditer((request.header("Forwarded") or "")[:2000])))
    }
    scheme = forwarded.get("proto") or _first(request.header("X-Forwarded-Proto")) or scheme
    host = forwarded.get("host") or _first(request.header("X-Forwarded-Host")) or host
    return (scheme if scheme in ("http", "https") else request.scheme), host


def _first(header: str | None) -> str:
    """The outermost proxy's value: each one on the way appends its own."""
    return (header or "").partition(",")[0].strip()


@functools.lru_cache(maxsize=1024)
def _is_trusted(peer: str, proxies: Sequence[str]) -> bool:
    try:
        address = ipaddress.ip_address(peer)
        return any(address in ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
    except ValueError:
        return False
