"""gunicorn's threaded worker: a deadline for request headers, a short way for small requests.

A thread that reads headers waits for as long as the client likes; a few hundred such clients would
keep everybody else out. Bodies have their own deadline (see `api/v2/body.py`). What nobody has to
wait for is answered by the thread that polls (see `quick`).
"""

import contextlib
import errno
import functools
import itertools
import select
import selectors
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from gunicorn import http, sock
from gunicorn.workers.gthread import TConn, ThreadWorker

from api import slow_clients
from registry_site import bodies, tls
from registry_site.connection import Connection
from repositories.postgresql import parking
from repositories.waiting import without_waiting

if TYPE_CHECKING:
    from registry_site.quick import Reader

# The worker waits this long for the first byte before it takes the clock in hand itself.
_HEADERS_SECONDS = 5.0 + slow_clients.HEADER_SECONDS
# A client that stops reading an answer is given up after this long without an acknowledged byte.
_STALLED_MILLISECONDS = 120_000
# How long a thread waits for the next request of the connection that it has just answered, and how
# often before others get their turn.
_NEXT_REQUEST_MILLISECONDS = 1
_MOST_IN_A_ROW = 20
_NOBODY_CAME = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED})
# A sign of life is a system call, and enough once in this time.
_LIFE_SECONDS = 1.0

R = TypeVar("R")


class Waiting:
    """Connections that wait for their next request, the longest first: what gunicorn asks of its
    deque, and any of them is found at once."""

    def __init__(self) -> None:
        self._conns: OrderedDict[Any, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._conns)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._conns)

    def __getitem__(self, index: int) -> Any:
        return next(itertools.islice(self._conns, index, None))

    def append(self, conn: Any) -> None:
        """Put one that has just been answered behind the others, of which it may be one."""
        self._conns[conn] = None
        self._conns.move_to_end(conn)

    def remove(self, conn: Any) -> None:
        del self._conns[conn]

    def popleft(self) -> Any:
        return self._conns.popitem(last=False)[0]


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`gthread` in all other respects."""

    _reader: "Reader | None" = None
    _alive_at = 0.0

    def init_process(self) -> None:
        # Asked for some twenty times a request: as plain attributes they come at once.
        settings = self.cfg.settings
        self.cfg.__dict__.update({name: setting.get() for name, setting in settings.items()})
        self.keepalived_conns = Waiting()
        # Not above: gunicorn reads this file before there is a Django.
        from registry_site import quick  # noqa: PLC0415
        from repositories import database  # noqa: PLC0415

        self._release = database.release
        if quick.can_be_used(self):
            self._reader = quick.Reader(self.cfg)
        super().init_process()

    def run(self) -> None:
        """Poll, until the worker is told to stop."""
        parking.begin()
        with without_waiting():
            super().run()

    def notify(self) -> None:
        now = time.monotonic()
        if now - self._alive_at >= _LIFE_SECONDS:
            self._alive_at = now
            super().notify()

    def accept(self, listener: Any) -> None:
        """Take a connection, and wait for its first request as for those that follow."""
        if self._reader is None:
            super().accept(listener)
            return
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in _NOBODY_CAME:
                raise
            return
        self.nr_conns += 1
        conn = TConn(self.cfg, Connection(client), address, listener.getsockname())
        _give_up_stalled(conn.sock)
        conn.init()
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        self.poller.register(
            conn.sock,
            selectors.EVENT_READ,
            functools.partial(self.on_client_socket_readable, conn),
        )

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """A connection has its next request: answer it here, or have a thread do it."""
        done = self._tried(conn, self._reader.answer) if self._reader else False
        if done is True:
            self.nr += 1
            conn.set_timeout()
            self.keepalived_conns.append(conn)
            return
        # Nobody waits here for its next request any more.
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        if done is False:
            self.enqueue_req(conn)
        elif done is None:
            self.nr_conns -= 1
            conn.close()
        else:
            future = self.tpool.submit(done.send, conn.sock)
            future.add_done_callback(
                lambda sent: self.method_queue.defer(self.finish_request, conn, sent)
            )

    def _tried(self, conn: Any, answer: Callable[[Any], R | bool | None]) -> R | bool | None:
        """What the reader's `answer` says, one of two; None also where the client is gone."""
        # gunicorn ends the connection where the worker stops, or has too many that wait.
        if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
            return False
        try:
            return answer(conn)
        except OSError as error:
            self.log.debug("Ignored premature client disconnection. %s", error)
        except Exception:
            self.log.exception("a request could not be answered")
        return None

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
        moment here saves the way back to the poller and two changes of threads for each. Where the
        poller answers, it has tried: this client asks for what takes waiting.

        A thread that has nothing to do leaves its connection to the database to the next: one that
        was just used knows the tables and the statements, and as many are open as are needed.
        """
        try:
            keep = self._handle_one(conn)
            for _ in range(_MOST_IN_A_ROW):
                if keep is not True or not self.alive or not _has_more(conn.sock):
                    break
                keep = self._handle_one(conn)
        finally:
            self._release()
        return keep

    def _handle_one(self, conn: Any) -> Any:
        if self._reader and isinstance(conn.sock, Connection):
            done = self._tried(conn, self._reader.answer_in_thread)
            if done is not False:
                return bool(done)
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
