"""Is there anything at the address, and is it whom it says? Names, connections, TLS."""

import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from accounts import proxy_lines
from accounts.proxy_facts import is_loopback
from registry_site.doctor.report import Check, Result
from registry_site.doctor.wire import SECONDS, Site

NAMES = Check("dns", "Name")
CONNECTION = Check("connection", "Connection")
TLS = Check("tls", "Certificate")

_SOON = timedelta(days=14)
# OpenSSL's numbers (x509_vfy.h): X509_V_ERR_…
_NOT_YET, _EXPIRED = 9, 10
_SELF_SIGNED = (18, 19)  # itself, or the authority that it came with
_NO_ISSUER = (20, 21)
_OTHER_NAME = (62, 64)  # for a name, for an address


def contexts(ca: str | None) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """How to connect when certificates are looked at, by the authorities in the file `ca` or the
    system's, and when they are not. Raises OSError, ssl.SSLError for a file that is no such."""
    strict = ssl.create_default_context(cafile=ca)
    lax = ssl.create_default_context()
    lax.check_hostname = False
    lax.verify_mode = ssl.CERT_NONE
    return strict, lax


def name(site: Site) -> Result:
    try:
        found = socket.getaddrinfo(site.name, site.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return NAMES.wrong(
            f"{site.name} has no address that this machine can find ({error}). Add an A or AAAA "
            "record for it, or correct the address."
        )
    addresses = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
    return NAMES.ok(f"{site.name} is {addresses}" if addresses != site.name else addresses)


def connection(site: Site) -> Result:
    try:
        socket.create_connection((site.name, site.port), timeout=SECONDS / 3).close()
    except OSError as error:
        return CONNECTION.wrong(
            f"Nothing takes connections at {site.name}, port {site.port} ({error}). Let the proxy "
            "listen there, and look whether a firewall or a port that is not published stands "
            "between.",
            proxy_lines.tls(site.name) if site.is_encrypted else (),
        )
    return CONNECTION.ok(f"port {site.port} takes connections")


def certificate(site: Site, *, strict: ssl.SSLContext, lax: ssl.SSLContext) -> Result:
    """What clients think of the certificate. `advice` for none at all."""
    if not site.is_encrypted:
        if is_loopback(site.name):
            return TLS.skipped("http on this machine itself: docker takes that")
        return TLS.advice(
            "Nothing is encrypted. Passwords and images travel readable, and docker refuses the "
            "registry unless its configuration names it as insecure.",
            proxy_lines.tls(site.name),
        )
    try:
        version, certificate = _handshake(site, strict)
    except ssl.SSLCertVerificationError as error:
        return TLS.wrong(_refusal(site, error, _look(site, lax)), proxy_lines.tls(site.name))
    except ssl.SSLError as error:
        return TLS.wrong(*_no_tls(site, error))
    except OSError as error:
        return TLS.wrong(f"The connection ended in the midst of the handshake ({error}).")
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    text = f"{version}, valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < _SOON:
        return TLS.advice(f"{text}: renew it, and let the proxy load the new one.")
    return TLS.ok(text)


def _handshake(site: Site, context: ssl.SSLContext) -> tuple[str, x509.Certificate]:
    """The protocol's name, and the certificate that was shown. Raises OSError."""
    with (
        socket.create_connection((site.name, site.port), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=site.name) as encrypted,
    ):
        der = encrypted.getpeercert(binary_form=True) or b""
        return encrypted.version() or "TLS", x509.load_der_x509_certificate(der)


def _look(site: Site, lax: ssl.SSLContext) -> x509.Certificate | None:
    try:
        return _handshake(site, lax)[1]
    except (OSError, ValueError):
        return None


def _refusal(
    site: Site, error: ssl.SSLCertVerificationError, shown: x509.Certificate | None
) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        when = f" on {shown.not_valid_after_utc:%Y-%m-%d}" if shown else ""
        return f"It expired{when}. Renew it, and let the proxy load the new one (nginx -s reload)."
    if code == _NOT_YET:
        return "It is not valid yet: the clock here or that of who made it is wrong."
    if code in _OTHER_NAME:
        names = ", ".join(_names(shown)) if shown else ""
        return (
            f"It is not for {site.name}, but for {names or 'another name'}. Use a certificate "
            "that has the name which clients use; ssl_certificate names it."
        )
    if code in _NO_ISSUER:
        return (
            "Who has signed it is not known here. Either intermediate certificates are missing: "
            "put the whole chain into the file, the server's own first (fullchain.pem). Or an "
            "authority of your own has signed it: give that with --ca, and each client its "
            f"certificate, docker in /etc/docker/certs.d/{site.authority}/ca.crt."
        )
    if code in _SELF_SIGNED:
        return (
            "An authority that is not known here has signed it, or it signs itself. Give that "
            "authority with --ca, and each client its certificate, docker in "
            f"/etc/docker/certs.d/{site.authority}/ca.crt; or use one of a public authority."
        )
    return f"It is refused: {error.verify_message}."


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        extension = certificate.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        )
    except (x509.ExtensionNotFound, ValueError):
        return
    for entry in list(extension.value)[:10]:  # type: ignore[call-overload]
        value = entry.value
        if isinstance(value, str | ipaddress.IPv4Address | ipaddress.IPv6Address):
            yield str(value)


def _no_tls(site: Site, error: ssl.SSLError) -> tuple[str, Sequence[proxy_lines.Fix]]:
    reason = error.reason or str(error)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        text = f"Port {site.port} does not speak TLS. Write http:// if that is meant"
        return f"{text}; otherwise let the proxy encrypt it.", proxy_lines.tls(site.name)
    if "PROTOCOL" in reason or "VERSION" in reason:
        old = proxy_lines.Fix(
            "nginx", "/etc/nginx/conf.d/berth.conf", "ssl_protocols TLSv1.2 TLSv1.3;"
        )
        return f"It offers no protocol from TLS 1.2 on ({reason}), which clients ask for.", [old]
    return f"There is no agreement on how to encrypt ({reason}).", proxy_lines.tls(site.name)
