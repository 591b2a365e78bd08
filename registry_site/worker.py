"""gunicorn's threaded worker, with a deadline for request headers.

A thread that reads headers waits for as long as the client likes; a few hundred such clients would
keep everybody else out. Bodies have their own deadline (see `api/v2/body.py`).
"""

import contextlib
import socket
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from api import slow_clients

# The worker waits this long for the first byte before it takes the clock in hand itself.
_FIRST_BYTE_SECONDS = 5.0
# A client that stops reading an answer is given up after this long without an acknowledged byte.
_STALLED_MILLISECONDS = 120_000


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`gthread` in all other respects."""

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            # While a transfer is waited for, clients whom nobody will answer would go on queueing
            # at the socket; closed, it sends them to the next server, which may want the port.
            for listener in self.sockets:
                listener.close()

    def handle(self, conn: Any) -> Any:
        if not conn.initialized:
            _give_up_stalled(conn.sock)
        seconds = _FIRST_BYTE_SECONDS + slow_clients.HEADER_SECONDS
        with slow_clients.watch_for(conn.sock, seconds) as watch:
            conn.header_watch = watch
            return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        slow_clients.settle(conn.header_watch)  # the headers are here
        return super().handle_request(req, conn)


def _give_up_stalled(connection: socket.socket) -> None:
    """Have the kernel drop a client that stops reading; a socket file has no such option."""
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MILLISECONDS)
