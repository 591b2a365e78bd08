"""gunicorn's threaded worker, with a deadline for request headers.

A thread that reads headers waits for as long as the client likes; a few hundred such clients would
keep everybody else out. Bodies have their own deadline (see `api/v2/body.py`).
"""

import contextlib
import functools
import select
import socket
import ssl
from typing import Any

from gunicorn import http, sock
from gunicorn.workers.gthread import ThreadWorker

from api import slow_clients
from registry_site import bodies, tls
from registry_site.connection import Connection

# The worker waits this long for the first byte before it takes the clock in hand itself.
_HEADERS_SECONDS = 5.0 + slow_clients.HEADER_SECONDS
# A client that stops reading an answer is given up after this long without an acknowledged byte.
_STALLED_MILLISECONDS = 120_000
# How long a thread waits for the next request of the connection that it has just answered, and how
# often before others get their turn.
_NEXT_REQUEST_MILLISECONDS = 1
_MOST_IN_A_ROW = 100


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`gthread` in all other respects."""

    def init_process(self) -> None:
        # Asked for some twenty times a request: as plain attributes they come at once.
        settings = self.cfg.settings
        self.cfg.__dict__.update({name: setting.get() for name, setting in settings.items()})
        super().init_process()

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            # While a transfer is waited for, clients whom nobody will answer would go on queueing
            # at the socket; closed, it sends them to the next server, which may want the port.
            for listener in self.sockets:
                listener.close()

    def handle(self, conn: Any) -> Any:
        """Answer the request on a connection, and those that follow at its heels.

        A client that pulls sends the next request as soon as it has the answer. Waiting for it a
        moment here saves the way back to the poller and two changes of threads for each.
        """
        keep = self._handle_one(conn)
        for _ in range(_MOST_IN_A_ROW):
            if keep is not True or not self.alive or not _has_more(conn.sock):
                break
            keep = self._handle_one(conn)
        return keep

    def _handle_one(self, conn: Any) -> Any:
        if not conn.initialized:
            _give_up_stalled(conn.sock)
            if self.cfg.is_ssl:
                conn.init = functools.partial(self._begin_tls, conn)
            elif not isinstance(conn.sock, Connection):
                conn.sock = Connection(conn.sock)
        conn.header_watch = slow_clients.begin(conn.sock, _HEADERS_SECONDS)
        try:
            return super().handle(conn)
        finally:
            slow_clients.settle(conn.header_watch)

    def _begin_tls(self, conn: Any) -> None:
        """Instead of `TConn.init`: the handshake has a deadline as well, and its failures are not
        worth a line in the log. Raises StopIteration for those, as gunicorn wants it."""
        if conn.initialized:
            return
        conn.initialized = True
        try:
            if not tls.is_handshake(conn.sock):
                tls.refuse_http(conn.sock)
                raise StopIteration("plain HTTP where TLS is spoken")
            conn.sock = sock.ssl_wrap_socket(conn.sock, self.cfg)
            # The old socket has been taken over: watch the one that is read from.
            slow_clients.settle(conn.header_watch)
            conn.header_watch = slow_clients.begin(conn.sock, _HEADERS_SECONDS)
            conn.sock.do_handshake()
        except OSError as error:
            raise StopIteration(f"no TLS: {error}") from error
        conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)

    def handle_request(self, req: Any, conn: Any) -> Any:
        slow_clients.settle(conn.header_watch)  # the headers are here
        bodies.quicken(req)
        if not isinstance(conn.sock, Connection):
            return super().handle_request(req, conn)
        conn.sock.hold()
        try:
            keep = super().handle_request(req, conn)
            conn.sock.flush()
        except BaseException:
            conn.sock.drop()  # the connection is closed, or told of the mistake by itself
            raise
        return keep


def _has_more(connection: Any) -> bool:
    """Whether the client has sent something; with TLS, whether it came with what was read."""
    if isinstance(connection, ssl.SSLSocket):
        return connection.pending() > 0
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(_NEXT_REQUEST_MILLISECONDS))


def _give_up_stalled(connection: socket.socket) -> None:
    """Have the kernel drop a client that stops reading; a socket file has no such option."""
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MILLISECONDS)
