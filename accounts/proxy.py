"""What is wrong with the way that a request came, and what to change for that.

Where the address that a browser used and the one that this server believes in differ, clients are
sent elsewhere, and forms are refused. This is where most registries behind a proxy break.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from django.utils.translation import gettext as _

from accounts import addresses, proxy_lines
from accounts.addresses import AUTHORITY, Origin
from accounts.proxy_facts import Facts, is_loopback, origin_of, without_port, written
from accounts.proxy_lines import Fixes


class Level(StrEnum):
    """How bad it is: clients do not get through, or something could be better."""

    PROBLEM = "problem"
    ADVICE = "advice"


class Finding(NamedTuple):
    """Something to change. `id` names the kind, `fixes` are alternatives by tool."""

    id: str
    level: Level
    title: str
    text: str
    fixes: Fixes


def findings(facts: Facts) -> list[Finding]:
    """What to change, the worst first; nothing, if all is well as far as one request can tell."""
    found = [finding for check in _CHECKS if (finding := check(facts)) is not None]
    return sorted(found, key=lambda finding: finding.level is Level.ADVICE)


def _trusts_everyone(facts: Facts) -> Finding | None:
    networks = (name for name in facts.trusted_proxies if name.endswith("/0"))
    if not any(networks):
        return None
    own = [name for name in facts.trusted_proxies if not name.endswith("/0")]
    return Finding(
        "trusts-everyone",
        Level.PROBLEM,
        _("Everybody is taken for a proxy"),
        _(
            "The trusted proxies hold a whole internet, so that whoever calls may choose the "
            "address that they seem to call from. Name your proxies only."
        ),
        [_trusting([*own, facts.peer] if facts.peer else own)],
    )


def _trusting(proxies: Sequence[str]) -> proxy_lines.Fix:
    names = ",".join(dict.fromkeys(proxies))
    return proxy_lines.berth("REGISTRY_HTTP_TRUSTEDPROXIES", names)


def _untrusted(facts: Facts) -> Finding | None:
    if facts.is_trusted or not facts.is_forwarded:
        return None
    title = _("The proxy is not trusted, and what it says is ignored")
    if not facts.peer:
        text = _(
            "It connects by a socket file, which has no address that could be trusted. Let Berth "
            "listen on an address."
        )
        fix = proxy_lines.berth("REGISTRY_HTTP_ADDR", "127.0.0.1:5000")
        return Finding("socket", Level.PROBLEM, title, text, [fix])
    text = _(
        "The request came from %(peer)s with headers of a proxy. If that is your proxy, trust its "
        "address, or the network that it is in. If it is not, somebody tries to pass for one, and "
        "nothing is to be changed."
    )
    fix = _trusting([*facts.trusted_proxies, facts.peer])
    return Finding("untrusted", Level.PROBLEM, title, text % {"peer": facts.peer}, [fix])


def _odd_scheme(facts: Facts) -> Finding | None:
    told = facts.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip()
    if not facts.is_trusted or "proto" in facts.told or told in ("", "http", "https"):
        return None
    text = _("X-Forwarded-Proto is “%(told)s”, and neither http nor https: it is ignored.")
    title = _("The proxy tells a scheme that is none")
    return Finding(
        "odd-scheme", Level.PROBLEM, title, text % {"told": told[:100]}, proxy_lines.SCHEME
    )


def _odd_host(facts: Facts) -> Finding | None:
    told = facts.headers.get("X-Forwarded-Host", "").partition(",")[0].strip()
    if not facts.is_trusted or "host" in facts.told or not told or AUTHORITY.fullmatch(told):
        return None
    text = _(
        "X-Forwarded-Host is “%(told)s”, where a name belongs, or a name and a port: it is ignored."
    )
    title = _("The proxy tells a host that is none")
    return Finding(
        "odd-host", Level.PROBLEM, title, text % {"told": told[:100]}, proxy_lines.FORWARDED_HOST
    )


def _level(facts: Facts) -> Level:
    """What is told wrong does no harm while a setting says it right."""
    is_set = facts.public_url and origin_of(facts.public_url) == facts.browser
    return Level.ADVICE if is_set else Level.PROBLEM


def _scheme(facts: Facts) -> Finding | None:
    ignored = _untrusted(facts) or _odd_scheme(facts)
    used, seen = facts.browser_origin.scheme, facts.believed.scheme
    if not facts.browser or used == seen or ignored:
        return None
    is_told = "proto" in facts.told or "X-Forwarded-Proto" in facts.headers
    if is_told:
        text = _(
            "Your browser came by %(used)s, and the proxy before this server says %(seen)s: "
            "another proxy stands before it, and it does not pass on what that one says."
        )
        fixes = proxy_lines.PASS_ON
    else:
        text = _(
            "Your browser came by %(used)s, and this server sees %(seen)s: the proxy does not say "
            "what it was asked by. Clients are sent to the wrong address, and forms are refused."
        )
        fixes = proxy_lines.SCHEME
    if not facts.is_trusted and facts.peer:
        fixes = [*fixes, _trusting([*facts.trusted_proxies, facts.peer])]
    return Finding(
        "scheme",
        _level(facts),
        _("The scheme is wrong"),
        text % {"used": used, "seen": seen},
        [*fixes, proxy_lines.berth("REGISTRY_HTTP_HOST", facts.browser)],
    )


def _host(facts: Facts) -> Finding | None:
    used = facts.browser_origin
    seen = written(Origin(used.scheme, facts.believed.host)).partition("://")[2]
    if not facts.browser or used.host == seen or _untrusted(facts) or _odd_host(facts):
        return None
    if without_port(used.host) != without_port(seen):
        title = _("The host is wrong")
        text = _(
            "Your browser asked %(used)s, and this server is told %(seen)s. The proxy puts another "
            "name in place of the one that it was asked by."
        )
    elif without_port(seen) == seen:
        title = _("The port is lost")
        text = _(
            "Your browser asked %(used)s, and this server is told %(seen)s. The port belongs into "
            "the same header as the name; X-Forwarded-Port is not read."
        )
    else:
        title = _("The port is wrong")
        text = _(
            "Your browser asked %(used)s, and this server is told %(seen)s: a port inside of your "
            "network, which clients cannot reach."
        )
    is_added = "X-Forwarded-Host" in facts.headers and facts.is_trusted
    fixes = proxy_lines.FORWARDED_HOST if is_added else proxy_lines.HOST
    if "host" in facts.told:
        fixes = proxy_lines.NO_FORWARDED
    return Finding(
        "host",
        _level(facts),
        title,
        text % {"used": used.host, "seen": seen},
        [*fixes, proxy_lines.berth("REGISTRY_HTTP_HOST", facts.browser)],
    )


def _contradiction(facts: Facts) -> Finding | None:
    others = {"proto": "X-Forwarded-Proto", "host": "X-Forwarded-Host"}
    differing = (
        name
        for name, header in others.items()
        if name in facts.told
        and header in facts.headers
        and facts.told[name] != facts.headers[header].partition(",")[0].strip()
    )
    if not facts.is_trusted or not any(differing):
        return None
    return Finding(
        "contradiction",
        Level.PROBLEM,
        _("Forwarded says something else than the other headers"),
        _(
            "Forwarded is believed first. If your proxy does not write it, it passes on what "
            "whoever calls has written into it. Let the proxy take it away."
        ),
        proxy_lines.NO_FORWARDED,
    )


def _no_client(facts: Facts) -> Finding | None:
    if not facts.is_trusted or not facts.is_proxied or "X-Forwarded-For" in facts.headers:
        return None
    return Finding(
        "no-client",
        Level.PROBLEM,
        _("All clients seem to be the proxy"),
        _(
            "X-Forwarded-For is missing, so %(peer)s is written down for everybody, and a guesser "
            "of passwords slows everybody down."
        )
        % {"peer": facts.peer},
        proxy_lines.CLIENT,
    )


def _odd_client(facts: Facts) -> Finding | None:
    chain = facts.headers.get("X-Forwarded-For")
    if chain is None or not facts.is_trusted or not addresses.is_trusted(facts.client):
        return None
    last = chain.rpartition(",")[2].strip()
    if addresses.is_address(last):
        return None
    text = _("X-Forwarded-For ends with “%(told)s”, which is no address: it is ignored.")
    title = _("The proxy tells a client that is none")
    return Finding(
        "odd-client", Level.PROBLEM, title, text % {"told": last[:100]}, proxy_lines.CLIENT
    )


def _public_url(facts: Facts) -> Finding | None:
    configured = origin_of(facts.public_url) or facts.public_url
    if not facts.browser or not configured or configured == facts.browser:
        return None
    is_aside = is_loopback(facts.browser_origin.host)
    text = _(
        "Clients are led to %(configured)s, and you came by %(used)s. If both lead here, nothing "
        "is to be changed; if clients cannot use the former, set the latter."
    )
    return Finding(
        "public-url",
        Level.ADVICE if is_aside else Level.PROBLEM,
        _("The configured address is another"),
        text % {"configured": configured, "used": facts.browser},
        [proxy_lines.berth("REGISTRY_HTTP_HOST", facts.browser)],
    )


def _no_public_url(facts: Facts) -> Finding | None:
    if facts.public_url or facts.browser_origin.scheme != "https":
        return None
    return Finding(
        "no-public-url",
        Level.ADVICE,
        _("The public address is taken from each request"),
        _(
            "That works as long as every proxy tells the truth. Configured, it is right whatever "
            "they tell, and browsers send their cookies by https only."
        ),
        [proxy_lines.berth("REGISTRY_HTTP_HOST", facts.browser)],
    )


def _plain_http(facts: Facts) -> Finding | None:
    host = facts.browser_origin.host
    if facts.browser_origin.scheme != "http" or is_loopback(host):
        return None
    return Finding(
        "plain-http",
        Level.ADVICE,
        _("Nothing is encrypted"),
        _(
            "Passwords and images travel readable, and docker refuses a registry without https "
            "that its configuration does not name as insecure. Put a proxy with a certificate "
            "before it."
        ),
        proxy_lines.tls(without_port(host)),
    )


_CHECKS: Sequence[Callable[[Facts], Finding | None]] = (
    _trusts_everyone,
    _untrusted,
    _odd_scheme,
    _scheme,
    _odd_host,
    _host,
    _contradiction,
    _public_url,
    _no_client,
    _odd_client,
    _no_public_url,
    _plain_http,
)
