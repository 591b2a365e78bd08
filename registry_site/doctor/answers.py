"""What any client sees, without credentials: is this the registry, does it know its own address,
and does what is sent arrive as it was sent?

Nothing is written: every request is one that the registry refuses, or that reads.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from accounts import proxy_lines
from accounts.addresses import Origin
from accounts.proxy_facts import origin_of, without_port
from accounts.proxy_lines import Fixes
from registry_site.doctor.report import Check, Result
from registry_site.doctor.wire import Answer, Failure, Site

BASE = Check("base", "Registry at /v2/")
REALM = Check("realm", "Address of tokens")
AUTHORIZATION = Check("authorization", "Credentials arrive")
CLOCK = Check("clock", "Clock")
SLASHES = Check("slashes", "Slashes at the end")
NAMES = Check("paths", "Names in addresses")
COMPRESSION = Check("compression", "Nothing is compressed on the way")
LENGTH = Check("length", "Lengths are told")
RANGE = Check("range", "Parts of files")
SIZE = Check("size", "Large bodies")
SIZED = Check("buffering", "Bodies pass as they come")
CHUNKED = Check("chunked", "Bodies in chunks")

EARLY_SECONDS = 10.0
_MOST_APART = 60.0
_PARAMETER = re.compile(r'([a-z]+)="([^"]*)"')
_NOT_BERTHS = "The answer is {status}, and not the registry's"


def challenge_of(answer: Answer) -> dict[str, str]:
    """The parameters of a Bearer challenge; empty when there is none."""
    for value in answer.headers.get_all("WWW-Authenticate") or ():
        scheme, _, rest = value.partition(" ")
        if scheme.lower() == "bearer":
            return dict(_PARAMETER.findall(rest))
    return {}


def base(answer: Answer, site: Site) -> Result:
    """The answer to GET /v2/."""
    if answer.is_berths and answer.status in (200, 401):
        version = answer.header("X-Berth-Version")
        said = f"Berth {version}" if version else "it speaks the registry's protocol"
        locked = "lets everybody in" if answer.status == 200 else "asks for credentials"
        return BASE.ok(f"{said}, and {locked}")
    if answer.is_redirect:
        return _redirected(answer, site)
    if answer.status in (502, 503, 504) and not answer.is_berths:
        return BASE.wrong(
            f"The proxy answers {answer.status}: it does not reach Berth. Start Berth, and give "
            "the proxy the address that it listens on (REGISTRY_HTTP_ADDR).",
            proxy_lines.PATHS,
        )
    asked = answer.header("WWW-Authenticate")
    if answer.status in (401, 407) and not challenge_of(answer):
        return BASE.wrong(
            f"A proxy asks for a password of its own ({asked[:80]}), so that clients cannot send "
            "Berth theirs: there is one header for both.",
            proxy_lines.CREDENTIALS,
        )
    return BASE.wrong(
        f"{_NOT_BERTHS.format(status=answer.status)}: the header Docker-Distribution-Api-Version "
        "is missing. Another site answers here, or the path /v2/ arrives as another one.",
        proxy_lines.PATHS,
    )


def _redirected(answer: Answer, site: Site) -> Result:
    target = answer.header("Location")
    is_same = urlsplit(target).path == "/v2/"
    if is_same and site.scheme == "http" and target.startswith("https://"):
        return BASE.wrong(f"It leads to {origin_of(target)}: examine that address.")
    return BASE.wrong(
        f"It leads to {target[:200]}, where clients do not follow with what they send. Pass /v2/ "
        "on as it is.",
        proxy_lines.PATHS,
    )


def origin_problem(told: str, site: Site) -> tuple[str, Fixes] | None:
    """What is wrong with an address that clients are sent to; None for what is right."""
    origin = origin_of(told)
    if origin == site.origin or not urlsplit(told).netloc:
        return None
    setting = proxy_lines.berth("REGISTRY_HTTP_HOST", site.origin)
    if not origin:
        return f"Clients are sent to {told[:200]}, which is no address.", [setting]
    seen = Origin(*origin.split("://", 1))
    told_by = proxy_lines.HOST
    if without_port(seen.host) != without_port(site.authority):
        why = (
            ". REGISTRY_HTTP_HOST names another address, or the proxy puts another name in place "
            "of the one that it was asked by."
        )
    elif seen.host != site.authority:
        why = ": the port is lost or another. It belongs into Host, together with the name."
    else:
        told_by = proxy_lines.SCHEME
        why = (
            ": the proxy does not say by which scheme it was asked, or Berth does not trust its "
            "address."
        )
    trusted = proxy_lines.berth(
        "REGISTRY_HTTP_TRUSTEDPROXIES", "127.0.0.1,::1,ADDRESS-OF-THE-PROXY"
    )
    text = f"Clients of {site.origin} are sent to {origin}{why}"
    return text, [*told_by, trusted, setting]


def realm(answer: Answer, site: Site) -> Result:
    """Where the answer to GET /v2/ sends clients for tokens, and whether they are there."""
    told = challenge_of(answer).get("realm")
    if told is None:
        return REALM.skipped("nobody has to sign in here, so that no client is sent for a token")
    problem = origin_problem(told, site)
    if problem:
        return REALM.wrong(*problem)
    try:
        found = site.ask("GET", urlsplit(told).path or "/token")
    except Failure as error:
        return REALM.wrong(f"{told} cannot be asked: {error}.", proxy_lines.PATHS)
    if found.status not in (200, 401) or "json" not in found.header("Content-Type"):
        return REALM.wrong(
            f"{told} answers {found.status}, and no token: pass /token on to Berth like /v2/.",
            proxy_lines.PATHS,
        )
    return REALM.ok(told)


def authorization(answer: Answer, site: Site) -> Result:
    """Whether the header gets through: a challenge says whether it came with one."""
    if not challenge_of(answer):
        return AUTHORIZATION.skipped("nobody has to sign in here")
    found = site.ask("GET", "/v2/", {"Authorization": "Bearer of-the-doctor"})
    if challenge_of(found).get("error"):
        return AUTHORIZATION.ok("the header Authorization arrives")
    return AUTHORIZATION.wrong(
        "The header Authorization does not arrive: clients sign in, and are asked again. Something "
        "between takes it away, or has a password of its own.",
        proxy_lines.CREDENTIALS,
    )


def clock(answer: Answer) -> Result:
    try:
        told = parsedate_to_datetime(answer.header("Date"))
    except ValueError:
        return CLOCK.skipped("answers have no Date")
    apart = (told.replace(tzinfo=told.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    if abs(apart) <= _MOST_APART:
        return CLOCK.ok("it is that of this machine")
    which = "ahead of" if apart > 0 else "behind"
    return CLOCK.wrong(
        f"It is {abs(apart):.0f} seconds {which} this machine's: tokens that have just been made "
        "are refused as expired, or as not valid yet, where clocks differ. Set both by NTP: "
        "timedatectl set-ntp true"
    )


def slashes(site: Site) -> Result:
    """Clients start an upload at an address that ends with a slash, and some leave it out."""
    for path in ("/v2/doctor/blobs/uploads/", "/v2/doctor/blobs/uploads"):
        found = site.ask("GET", path)
        if found.is_redirect:
            return SLASHES.wrong(
                f"{path} leads to {found.header('Location')[:200]}. A redirect loses the body of "
                "an upload: pass on addresses as they come, without merging or adding slashes.",
                proxy_lines.PATHS,
            )
        if not found.is_berths:
            return SLASHES.wrong(
                f"{_NOT_BERTHS.format(status=found.status)}, at {path}. Pass on everything.",
                proxy_lines.PATHS,
            )
    return SLASHES.ok("with and without, addresses lead to the registry")


_PATHS = {
    "/v2/doctor/a.b__c-d/tags/list?n=1&last=a%2Fb": "a name with dots",
    "/v2/doctor%2Fa.b__c-d/tags/list": "an encoded slash",
    f"/v2/doctor/a.b__c-d/blobs/sha256%3A{'0' * 64}": "an encoded colon",
}


def paths(site: Site) -> Result:
    """Names arrive as they are, however a client has written them."""
    for path, what in _PATHS.items():
        found = site.ask("GET", path)
        scope = challenge_of(found).get("scope", "repository:doctor/a.b__c-d:")
        is_known = found.is_berths and found.status in (200, 401, 404)
        if not is_known or not scope.startswith("repository:doctor/a.b__c-d:"):
            return NAMES.wrong(
                f"An address with {what} does not arrive as it is ({path}: {found.status}). Pass "
                "on the path as it came, with nothing behind the upstream's address.",
                proxy_lines.PATHS,
            )
    return NAMES.ok("dots, encoded slashes and colons arrive")


def unchanged(site: Site) -> Iterator[Result]:
    """An answer in JSON: compressed by nobody, and of the length that HEAD says."""
    path = "/v2/doctor"  # an endpoint that there is not
    found = site.ask("GET", path, {"Accept-Encoding": "gzip, deflate, br, zstd"})
    yield compression(found)
    whole = site.ask("GET", path)
    told = site.ask("HEAD", path).header("Content-Length")
    if told == str(len(whole.body)):
        yield LENGTH.ok("HEAD says how long an answer is")
        return
    yield LENGTH.wrong(
        f"HEAD says {told or 'nothing'} of the length of an answer of {len(whole.body)} bytes: "
        "clients ask for sizes that way. Something between rewrites answers.",
        proxy_lines.UNCHANGED,
    )


def compression(found: Answer) -> Result:
    encoding = found.header("Content-Encoding")
    if not encoding:
        return COMPRESSION.ok("bytes come as they are")
    return COMPRESSION.wrong(
        f"An answer of the registry came compressed ({encoding}). Digests, lengths and parts are "
        "those of the bytes as they are, so that pulls fail or start over.",
        proxy_lines.UNCHANGED,
    )


def ranges(site: Site, path: str = "/static/berth.css", **headers: str) -> Result:
    """Whether the first ten bytes alone can be had."""
    found = site.ask("GET", path, {**headers, "Range": "bytes=0-9"})
    if found.status == 206 and len(found.body) == 10:
        return RANGE.ok("a download that broke off can go on")
    if found.status != 200:
        return RANGE.wrong(
            f"{_NOT_BERTHS.format(status=found.status)}, at {path[:100]}. Pass on everything.",
            proxy_lines.PATHS,
        )
    return RANGE.wrong(
        "The header Range does not arrive: whoever asks for the rest of a layer is sent all of it "
        "again. Something between takes it away.",
        proxy_lines.RANGES,
    )


def bodies(site: Site, size: int, seconds: float) -> Iterator[Result]:
    """A body that the registry refuses at once, without reading it: whoever wants to have all of it
    before anything happens keeps it for himself.

    `size`: so many bytes are announced.
    """
    found = site.early("PUT", "/v2/", {"Content-Length": str(size)}, seconds)
    if found is not None and found.status == 413:
        yield SIZE.wrong(
            f"A body of {size / 1e6:,.0f} MB is refused by the proxy (413). Layers are large: "
            "set no limit there; quotas are Berth's business.",
            proxy_lines.SIZE,
        )
        yield SIZED.skipped("not before large bodies are taken")
    else:
        yield SIZE.ok(f"{size / 1e6:,.0f} MB are not refused")
        yield _streams(SIZED, found)
    found = site.early("PUT", "/v2/", {"Transfer-Encoding": "chunked"}, seconds)
    if found is not None and not found.is_berths:
        yield CHUNKED.wrong(
            f"{_NOT_BERTHS.format(status=found.status)}: a body whose length is not known before "
            "does not get through, and docker sends every layer so.",
            proxy_lines.STREAMING,
        )
    else:
        yield _streams(CHUNKED, found)


def _streams(check: Check, found: Answer | None) -> Result:
    if found is None:
        return check.wrong(
            "The proxy collects bodies before it passes them on: each layer is written to its own "
            "disk first, which may be full, and the client waits twice. (nginx does so with chunks "
            "also where it speaks HTTP/1.0 to Berth.)",
            proxy_lines.STREAMING,
        )
    if not found.is_berths:
        return check.wrong(
            f"{_NOT_BERTHS.format(status=found.status)}: the proxy gave up in the midst of a body.",
            proxy_lines.STREAMING,
        )
    return check.ok("Berth answers before the body has ended")
