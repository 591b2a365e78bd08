"""What the settings of Docker's registry do here that are no settings of Berth's.

Some cannot be done, and would be missed: they stop the start. The others have no effect; `serve`
says so, once. Every entry is for a name and for all below it; of two the longer one counts.
"""

import difflib
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

from registry_site import env

_ON_A_FILE_SYSTEM = (
    "Berth keeps blobs on a file system. Mount one, name it with "
    "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY, and remove this"
)
_NO_MIDDLEWARE = "Berth has no middleware of Docker's registry; remove this"
_OWN_TOKENS = (
    "Berth gives out tokens itself, at /token, and takes no other server's; remove this. "
    "docs/sign-in.md tells how people, robots and CI jobs sign in"
)

REFUSED: Mapping[str, str] = {
    "REGISTRY_STORAGE_S3": _ON_A_FILE_SYSTEM,
    "REGISTRY_STORAGE_AZURE": _ON_A_FILE_SYSTEM,
    "REGISTRY_STORAGE_GCS": _ON_A_FILE_SYSTEM,
    "REGISTRY_STORAGE_SWIFT": _ON_A_FILE_SYSTEM,
    "REGISTRY_STORAGE_OSS": _ON_A_FILE_SYSTEM,
    "REGISTRY_STORAGE_COS": _ON_A_FILE_SYSTEM,
    "REGISTRY_STORAGE_INMEMORY": _ON_A_FILE_SYSTEM,
    "REGISTRY_AUTH_SILLY": (
        "it lets everybody in who sends any Authorization header; remove it, and set "
        "REGISTRY_ANONYMOUS_ACCESS=push if everybody may push and pull"
    ),
    "REGISTRY_AUTH_TOKEN_REALM": _OWN_TOKENS,
    "REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE": _OWN_TOKENS,
    "REGISTRY_AUTH_TOKEN_JWKS": _OWN_TOKENS,
    "REGISTRY_AUTH_TOKEN_SIGNINGALGORITHMS": _OWN_TOKENS,
    "REGISTRY_MIDDLEWARE": _NO_MIDDLEWARE,
    "REGISTRY_STORAGE_MIDDLEWARE": _NO_MIDDLEWARE,
    "REGISTRY_PROXY": (
        "Berth is no pull-through cache; keep Docker's registry for that, beside it, and remove "
        "this"
    ),
    "REGISTRY_NOTIFICATIONS_ENDPOINTS": (
        "Berth notifies nobody. What happens is listed at /activity and by the API; remove this"
    ),
    "REGISTRY_HTTP_TLS_LETSENCRYPT": (
        "Berth asks no authority for certificates. Have certbot or a proxy such as Caddy do it; "
        "the files of REGISTRY_HTTP_TLS_CERTIFICATE and _KEY are read again when they change"
    ),
    "REGISTRY_HTTP_TLS_CIPHERSUITES": (
        "Berth takes what OpenSSL thinks is safe; remove this, or end TLS in a proxy"
    ),
    "REGISTRY_VALIDATION_MANIFESTS_URLS": (
        "Berth does not judge the addresses of layers that are kept elsewhere, and never fetches "
        "them; remove this"
    ),
    "REGISTRY_POLICY": "Berth takes images and artifacts of every class; remove this",
}

_AS_CALLED = "clients are led to the address that they called, or to REGISTRY_HTTP_HOST"
_NO_REDIRECTS = "Berth sends blobs itself, or has nginx send them (REGISTRY_HTTP_ACCELREDIRECT)"
_OWN_MEMORY = "Berth needs no cache beside its database (see REGISTRY_REMEMBER_ANSWERS)"
_HEALTH = "GET /healthz and /readyz tell how Berth is, without being set up"
_HTTP2 = "Berth speaks HTTP/1.1; a proxy before it can speak HTTP/2 to clients"
_LOGS = "Berth logs to standard error and standard output only"

WITHOUT_EFFECT: Mapping[str, str] = {
    "REGISTRY_HTTP_SECRET": "uploads need no secret here; sessions are signed with SECRET_KEY",
    "REGISTRY_HTTP_DEBUG": _HEALTH,
    "REGISTRY_HTTP_H2C": _HTTP2,
    "REGISTRY_HTTP_HTTP2": _HTTP2,
    "REGISTRY_STORAGE_CACHE": _OWN_MEMORY,
    "REGISTRY_REDIS": _OWN_MEMORY,
    "REGISTRY_STORAGE_TAG_CONCURRENCYLIMIT": "the tags of a digest are looked up at once",
    "REGISTRY_STORAGE_FILESYSTEM_MAXTHREADS": "REGISTRY_WORKERS and REGISTRY_THREADS limit that",
    "REGISTRY_STORAGE_REDIRECT": _NO_REDIRECTS,
    "REGISTRY_HEALTH": _HEALTH,
    "REGISTRY_AUTH_TOKEN_AUTOREDIRECT": _AS_CALLED,
    "REGISTRY_AUTH_TOKEN_AUTOREDIRECTPATH": _AS_CALLED,
    "REGISTRY_LOG_HOOKS": _LOGS,
    "REGISTRY_LOG_REPORTCALLER": _LOGS,
    "REGISTRY_LOGLEVEL": "set REGISTRY_LOG_LEVEL",
    "REGISTRY_REPORTING": "Berth reports to nobody; errors are in its log",
    "REGISTRY_NOTIFICATIONS": "Berth notifies nobody",
    "REGISTRY_COMPATIBILITY": "images of schema 1 are neither pushed nor pulled; push them anew",
    "REGISTRY_VALIDATION": "Berth checks each manifest; indexes may lack images (sparse indexes)",
}
_SECTIONS = {f"{name}_{word}" for name, choices in env.CHOICES.items() for word in choices}
# Part of every file, and of no interest.
_VERSION = "REGISTRY_VERSION"


class Note(NamedTuple):
    """A setting that does nothing, where it stands, and what to know of that."""

    name: str
    origin: str
    text: str


def refuse() -> None:
    """Raises ImproperlyConfigured for what Berth cannot do, in one line that says what to do."""
    for name, value in env.given().items():
        for chosen in (name, f"{name}_{value.text.strip().upper()}" if name in env.CHOICES else ""):
            entry = _entry(REFUSED, chosen)
            # In a file an empty section chooses a driver; any other empty value is none.
            is_section = chosen in _SECTIONS and chosen not in os.environ
            if entry and (value.text.strip() or is_section):
                raise ImproperlyConfigured(f"{name} ({value.origin}): {REFUSED[entry]}.")
    version = env.given().get(_VERSION)
    if version and version.text not in ("0.1", ""):
        raise ImproperlyConfigured(
            f"version: {version.text} ({version.origin}) is no version of a configuration file "
            "that Berth knows; write 0.1."
        )


def notes() -> list[Note]:
    """What is set and does nothing, by name; after every setting was asked for."""
    found: dict[str, Note] = {}
    for name, value in env.given().items():
        if not value.text.strip() or _is_asked(name) or name == _VERSION:
            continue
        entry = _entry(WITHOUT_EFFECT, name)
        if entry:
            found.setdefault(entry, Note(name, value.origin, WITHOUT_EFFECT[entry]))
        elif name not in (env.CONFIGURATION_PATH, *env.CHOICES):
            found[name] = Note(name, value.origin, _unknown(name))
    return [found[name] for name in sorted(found)]


def _entry(table: Mapping[str, str], name: str) -> str:
    """The longest entry that the name is, or is below; else nothing."""
    fitting = [entry for entry in table if name == entry or name.startswith(f"{entry}_")]
    return max(fitting, key=len, default="")


def _is_asked(name: str) -> bool:
    return name in env.asked or any(
        name == f"{asked}_FILE"
        or (asked in env.collections and name.startswith(f"{asked}_"))
        or re.fullmatch(rf"{asked}_[0-9]+", name)
        for asked in env.asked
    )


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [*env.asked, *WITHOUT_EFFECT, *REFUSED], n=1, cutoff=0.8)
    return f"there is no such setting; did you mean {near[0]}?" if near else "no such setting"
