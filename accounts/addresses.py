"""Where a request comes from, and which address the client used, through trusted proxies only.

A peer that is not trusted can write into these headers whatever it likes, so they then change
nothing (CVE-2026-20896).
"""

import functools
import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings

_FORWARDED = re.compile(
    r"(?:^|[;,\s])(for|host|proto)=(?:\"([^\"]*)\"|([^;,\s]*))", re.ASCII | re.IGNORECASE
)
_MAX_HEADER = 2000
# What may stand in Host (RFC 3986, section 3.2): a name or an address, and a port.
AUTHORITY = re.compile(
    r"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII
)


class Origin(NamedTuple):
    """Scheme and host by which the client called, as far as it can be known."""

    scheme: str
    host: str


# Where middleware that writes an origin into the environment keeps the one that came.
RECEIVED = "berth.received"


def received(environ: Mapping[str, Any]) -> Origin:
    """Scheme and host as the server saw them, whatever a proxy says of them."""
    kept = environ.get(RECEIVED)
    if isinstance(kept, Origin):
        return kept
    return Origin(str(environ.get("wsgi.url_scheme", "http")), str(environ.get("HTTP_HOST", "")))


def origin(environ: Mapping[str, Any]) -> Origin:
    """How the client addressed this server (RFC 7239, then the X-Forwarded headers)."""
    own = received(environ)
    if not is_trusted(environ.get("REMOTE_ADDR", "")):
        return own
    told = forwarded(environ)
    scheme = told.get("proto") or _first(environ, "HTTP_X_FORWARDED_PROTO") or own.scheme
    host = told.get("host") or _first(environ, "HTTP_X_FORWARDED_HOST") or own.host
    return Origin(
        scheme if scheme in ("http", "https") else own.scheme,
        host if AUTHORITY.fullmatch(host) else own.host,
    )


def client_address(environ: Mapping[str, Any]) -> str:
    """The address that the request came from: the last one that no trusted proxy vouches beyond."""
    address = str(environ.get("REMOTE_ADDR", ""))
    told = str(environ.get("HTTP_X_FORWARDED_FOR", ""))
    chain = told[-_MAX_HEADER:].split(",") if told else []
    while chain and is_trusted(address):
        before = _plain(chain.pop())
        if before is None:
            break
        address = before
    return _plain(address) or "0.0.0.0"  # noqa: S104  (a socket file has no address)


def is_trusted(peer: str) -> bool:
    """Whether the peer is a proxy whose word counts."""
    return _is_within(peer, tuple(settings.TRUSTED_PROXIES))


@functools.lru_cache(maxsize=1024)
def _is_within(peer: str, proxies: Sequence[str]) -> bool:
    try:
        address = _parse(peer)
        return any(address in ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
    except ValueError:
        return False


def forwarded(environ: Mapping[str, Any]) -> Mapping[str, str]:
    """What Forwarded says (RFC 7239): the values of the outermost proxy, since each one on the way
    appends its own."""
    header = str(environ.get("HTTP_FORWARDED", ""))[:_MAX_HEADER]
    found = reversed(list(_FORWARDED.finditer(header)))
    return {match[1].lower(): match[2] or match[3] for match in found}


def _first(environ: Mapping[str, Any], key: str) -> str:
    return str(environ.get(key, "")).partition(",")[0].strip()


def is_address(text: str) -> bool:
    """Whether `text` is an address, with or without a port."""
    return _plain(text) is not None


@functools.lru_cache(maxsize=4096)
def _plain(text: str) -> str | None:
    """The address alone, of `192.0.2.1:4711`, `[2001:db8::1]:4711` and the like."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(_parse(text))
    except ValueError:
        return None


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """One spelling for one address: without a zone, and `::ffff:192.0.2.1` is 192.0.2.1, as which
    a server that listens on [::] sees it. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def household(address: str) -> str:
    """Whom an address stands for: of the sixth version each subscriber has a network of 2^64.

    No address is the command line's.
    """
    parsed = _parse(address or "127.0.0.1")
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)
