"""What one request tells of the way that it came: of the proxies on it, and of the browser."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from accounts import addresses
from accounts.addresses import AUTHORITY, Origin

# Those that this server reads, and two that only tell that there is a proxy.
HEADERS = (
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"),
    *("X-Forwarded-Port", "Forwarded", "Via"),
)
_HINTS = ("X-Forwarded-Port", "Via")
_LONGEST = 1000
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Facts:
    """One request as it came, what this server makes of it, and what the browser says.

    `headers` are those of HEADERS that were sent. `browser` is the origin in the browser's address
    line, such as `https://registry.example.com`, as `origin_of` writes it; empty: not known.
    """

    peer: str
    received: Origin
    headers: Mapping[str, str]
    is_trusted: bool
    believed: Origin
    told: Mapping[str, str]  # by Forwarded: proto, host, for
    client: str
    browser: str = ""
    public_url: str = ""
    trusted_proxies: Sequence[str] = ()

    @property
    def base(self) -> str:
        """What absolute addresses begin with; empty where only relative ones are right."""
        if self.public_url:
            return self.public_url
        return written(self.believed) if AUTHORITY.fullmatch(self.believed.host) else ""

    @property
    def browser_origin(self) -> Origin:
        return Origin(*self.browser.split("://", 1)) if self.browser else Origin("", "")

    @property
    def is_forwarded(self) -> bool:
        """Whether a proxy, or whoever plays one, says anything that this server reads."""
        return any(name in self.headers for name in HEADERS if name not in _HINTS)

    @property
    def is_proxied(self) -> bool:
        """Whether something stands between: it says so, or the browser is elsewhere than the
        peer can be."""
        is_near = is_loopback(self.browser_origin.host) or not self.browser
        return bool(self.headers) or (is_loopback(self.peer) and not is_near)


def facts_of(environ: Mapping[str, Any], *, browser: str = "") -> Facts:
    """The facts of a request, by its WSGI environment and the settings."""
    peer = str(environ.get("REMOTE_ADDR", ""))
    keys = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in HEADERS}
    return Facts(
        peer=peer,
        received=addresses.received(environ),
        headers={n: str(environ[key])[:_LONGEST] for n, key in keys.items() if key in environ},
        is_trusted=addresses.is_trusted(peer),
        believed=addresses.origin(environ),
        told=addresses.forwarded(environ),
        client=addresses.client_address(environ),
        browser=browser,
        public_url=settings.PUBLIC_URL,
        trusted_proxies=tuple(settings.TRUSTED_PROXIES),
    )


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, as browsers write them; empty if it is none."""
    scheme, separator, rest = url.strip()[:_LONGEST].partition("://")
    host = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    if not separator or scheme.lower() not in _DEFAULT_PORTS or not AUTHORITY.fullmatch(host):
        return ""
    return written(Origin(scheme.lower(), host))


def is_loopback(host: str) -> bool:
    """Whether an address, or a host with or without a port, is this machine for itself."""
    name = without_port(host).strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def written(origin: Origin) -> str:
    """An origin as browsers write it: without the port that its scheme has anyway."""
    host = origin.host.lower().removesuffix(_DEFAULT_PORTS.get(origin.scheme, ""))
    return f"{origin.scheme}://{host}"


def without_port(host: str) -> str:
    """The name or address alone."""
    if host.count(":") > 1 and not host.startswith("["):  # a bare address of the sixth version
        return host
    name, separator, port = host.rpartition(":")
    return name if separator and port.isdigit() else host
