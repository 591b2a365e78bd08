"""gunicorn's threaded worker, with a deadline for request headers.

A thread that reads headers waits for as long as the client likes; a few hundred such clients would
keep everybody else out. Bodies have their own deadline (see `api/v2/body.py`).
"""

import contextlib
import select
import socket
import ssl
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from api import slow_clients
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
            if not self.cfg.is_ssl and not isinstance(conn.sock, Connection):
                conn.sock = Connection(conn.sock)
        watch = conn.header_watch = slow_clients.begin(conn.sock, _HEADERS_SECONDS)
        try:
            return super().handle(conn)
        finally:
            slow_clients.settle(watch)

    def handle_request(self, req: Any, conn: Any) -> Any:
        slow_clients.settle(conn.header_watch)  # the headers are here
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
    """Whether the client has sent something; TLS may hold it back, so there we do not look."""
    if isinstance(connection, ssl.SSLSocket):
        return False
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(_NEXT_REQUEST_MILLISECONDS))


def _give_up_stalled(connection: socket.socket) -> None:
    """Have the kernel drop a client that stops reading; a socket file has no such option."""
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MILLISECONDS)
