"""HTTPS by Berth itself: the certificate's files are read again when they change.

Whoever renews a certificate replaces two files, one after the other. Connections keep what they
began with; new ones have the new pair as soon as it is whole, and the old one until then.
"""

import logging
import socket
import ssl
import threading
import time
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from registry_site.http_settings import TLSFiles

_LOOK_SECONDS = 1.0
_LINGER_SECONDS = 1.0
_MOST_READS = 16
_HANDSHAKE = 0x16  # the first byte of TLS (RFC 8446, section 5.1)
# As Go's servers say it, which clients know.
_NOT_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\nContent-Length: 49\r\n\r\n"
    b"Client sent an HTTP request to an HTTPS server.\r\n"
)

logger = logging.getLogger(__name__)


class Certificates:
    """The pair of files, as it was when it was last whole."""

    def __init__(self, files: TLSFiles) -> None:
        """Raises ImproperlyConfigured when they are not of use."""
        self._files = files
        self._lock = threading.Lock()
        try:
            self._seen = self._versions()
            self._context = self._load()
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(f"HTTPS cannot be served: {self._blame(error)}") from error
        self._next_look = time.monotonic() + _LOOK_SECONDS

    def context(self) -> ssl.SSLContext:
        """For a new connection. What cannot be read is logged, and changes nothing."""
        with self._lock:
            if time.monotonic() >= self._next_look:
                self._look()
                self._next_look = time.monotonic() + _LOOK_SECONDS
            return self._context

    def _look(self) -> None:
        try:
            versions = self._versions()
            if versions == self._seen:
                return
            self._seen = versions
            self._context = self._load()
        except (OSError, ValueError) as error:
            logger.error("the certificate stays as it was: %s", self._blame(error))
        else:
            logger.info("the certificate %s was read again", self._files.certificate)

    def _paths(self) -> tuple[Path, ...]:
        return (self._files.certificate, self._files.key, *self._files.client_authorities)

    def _versions(self) -> tuple[tuple[int, int, int], ...]:
        states = [path.stat() for path in self._paths()]
        return tuple((state.st_ino, state.st_mtime_ns, state.st_size) for state in states)

    def _load(self) -> ssl.SSLContext:
        """Raises OSError, of which ssl.SSLError is one, and ValueError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = (
            ssl.TLSVersion.TLSv1_3 if self._files.is_tls13_only else ssl.TLSVersion.TLSv1_2
        )
        # HTTP says by itself where a body ends; without this, who stops sending before that could
        # not be told.
        context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
        # A key with a passphrase is no use without anybody to type it.
        context.load_cert_chain(self._files.certificate, self._files.key, password=_no_passphrase)
        for path in self._files.client_authorities:
            context.load_verify_locations(path)
            context.verify_mode = (
                ssl.CERT_REQUIRED if self._files.is_client_required else ssl.CERT_OPTIONAL
            )
        return context

    def _blame(self, error: Exception) -> str:
        for path in self._paths():
            try:
                with path.open("rb"):
                    pass
            except OSError as failure:
                return f"{path}: {failure.strerror}."
        pair = f"{self._files.certificate} and {self._files.key}"
        if isinstance(error, ssl.SSLError):
            return f"{pair} are no certificate with its key, in PEM ({error.reason or error})."
        return f"{pair}: {error}."


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase; give one without")


def is_handshake(connection: socket.socket) -> bool:
    """Whether a client that has connected begins with TLS; waits for its first byte."""
    return connection.recv(1, socket.MSG_PEEK)[:1] in (bytes([_HANDSHAKE]), b"")


def refuse_http(connection: socket.socket) -> None:
    """Tell a client that speaks plain HTTP what is wrong. Raises OSError.

    What it sent is read first: the answer would be lost if the connection ended with that unread.
    """
    connection.sendall(_NOT_HTTP)
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_LINGER_SECONDS)
    for _ in range(_MOST_READS):
        if not connection.recv(4096):
            break
