"""The settings of Docker's registry's sections `http` and `auth`, read for `settings.py`."""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from registry_site import env

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*", re.ASCII)
# RFC 9110, section 5: a token, and text without control characters.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# Written by the server itself; a second opinion would break answers.
_OWN_HEADERS = ("Connection", "Content-Length", "Content-Type", "Date", "Transfer-Encoding")
_LEAST_TLS = ("tls1.2", "tls1.3")
_CLIENT_AUTH = ("require-and-verify-client-cert", "verify-client-cert-if-given")


class TLSFiles(NamedTuple):
    """Paths of PEM files: what the server shows, and who signs its clients' certificates."""

    certificate: Path
    key: Path
    client_authorities: tuple[Path, ...]
    # Whether a client without a certificate is turned away; only with authorities.
    is_client_required: bool
    is_tls13_only: bool


def prefix() -> str:
    """`/registry` for `/registry/`, empty for the top. Raises ImproperlyConfigured."""
    given = env.text("REGISTRY_HTTP_PREFIX").strip()
    path = given.strip("/")
    found = f"/{path}" if path else ""
    if not _PREFIX.fullmatch(found):
        raise ImproperlyConfigured(
            f"REGISTRY_HTTP_PREFIX={given!r} is no path; write one such as /registry/."
        )
    return found


def public_address(prefix: str) -> tuple[str, str]:
    """Scheme and host that clients use, if they are set, and the path before /v2/ that they see.

    As with Docker's registry the address that is set counts alone: a proxy may take the prefix
    away. What else is wrong with the address is told by `manage.py check`.
    """
    address = env.text("REGISTRY_HTTP_HOST").strip().rstrip("/")
    if not address:
        return "", prefix
    path = urlsplit(address).path
    if path and path == prefix:
        return address.removesuffix(path), path
    return address, ""


def headers() -> dict[str, str]:
    """REGISTRY_HTTP_HEADERS_…, by name. Raises ImproperlyConfigured."""
    found = {}
    for rest, values in env.collection("REGISTRY_HTTP_HEADERS").items():
        name, value = rest.title(), ", ".join(values)
        if name in _OWN_HEADERS or not _HEADER_NAME.fullmatch(name):
            raise ImproperlyConfigured(
                f"REGISTRY_HTTP_HEADERS: {name!r} is no header that can be added; remove it."
            )
        if not _HEADER_VALUE.fullmatch(value):
            raise ImproperlyConfigured(
                f"REGISTRY_HTTP_HEADERS: the value of {name} has characters that no header can "
                "have; correct it."
            )
        found[name] = value
    return found


def tls_files() -> TLSFiles | None:
    """REGISTRY_HTTP_TLS_…; None without. Raises ImproperlyConfigured."""
    certificate = env.text("REGISTRY_HTTP_TLS_CERTIFICATE")
    key = env.text("REGISTRY_HTTP_TLS_KEY")
    authorities = env.words("REGISTRY_HTTP_TLS_CLIENTCAS")
    least = env.choice("REGISTRY_HTTP_TLS_MINIMUMTLS", "tls1.2", _LEAST_TLS)
    client = env.choice("REGISTRY_HTTP_TLS_CLIENTAUTH", _CLIENT_AUTH[0], _CLIENT_AUTH)
    if bool(certificate) != bool(key):
        raise ImproperlyConfigured(
            "Set both REGISTRY_HTTP_TLS_CERTIFICATE and REGISTRY_HTTP_TLS_KEY, or neither."
        )
    if not certificate:
        if authorities:
            raise ImproperlyConfigured(
                "REGISTRY_HTTP_TLS_CLIENTCAS is set, so set REGISTRY_HTTP_TLS_CERTIFICATE and "
                "REGISTRY_HTTP_TLS_KEY as well."
            )
        return None
    return TLSFiles(
        Path(certificate),
        Path(key),
        tuple(Path(path) for path in authorities),
        bool(authorities) and client == _CLIENT_AUTH[0],
        least == "tls1.3",
    )


def htpasswd_path() -> str:
    """The htpasswd file; empty without. Raises ImproperlyConfigured."""
    path = env.text("REGISTRY_AUTH_HTPASSWD_PATH")
    # `token` is what Berth always does.
    kind = env.text("REGISTRY_AUTH", "htpasswd" if path else "token").strip()
    if kind not in ("htpasswd", "token"):
        raise ImproperlyConfigured(
            f"REGISTRY_AUTH={kind!r} must be one of: htpasswd, token. Without signing in everybody "
            "can push and pull with REGISTRY_ANONYMOUS_ACCESS=push."
        )
    if kind == "htpasswd" and not path:
        raise ImproperlyConfigured(
            "REGISTRY_AUTH=htpasswd needs REGISTRY_AUTH_HTPASSWD_PATH, a file made by htpasswd -B."
        )
    return path


def basic_realm() -> str:
    """REGISTRY_AUTH_HTPASSWD_REALM, which is shown. Raises ImproperlyConfigured."""
    realm = env.text("REGISTRY_AUTH_HTPASSWD_REALM", "Berth")
    if not re.fullmatch(r"[\x20-\x7e]{1,200}", realm) or '"' in realm or "\\" in realm:
        raise ImproperlyConfigured(
            f"REGISTRY_AUTH_HTPASSWD_REALM={realm!r} has letters that no realm can have; write "
            "plain ones."
        )
    return realm
