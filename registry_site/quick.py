"""Small reads, answered by the thread that polls, where nothing has to be waited for.

Most of what a fleet asks for is remembered (`repositories/memory.py`). Such an answer takes less
than handing its connection to another thread and back, and threads that answer at the same time
take the interpreter from each other. So the thread that polls tries first, without a database: what
needs one raises MustWait, and a thread of the pool answers from the beginning. So does it whatever
is not a plain read: gunicorn reads requests, and this module only knows those again that it read.
"""

import re
import time
from socket import MSG_DONTWAIT, socket
from typing import Any

from django.conf import settings
from gunicorn import SERVER, http, util
from gunicorn.http import wsgi

from api import mount
from api.v2.request import Request
from api.v2.response import FilePart, Response
from registry_site.connection import Connection
from repositories.waiting import MustWait

# What a client of the registry reads with. Such a target means what it says: nothing in it is
# encoded.
_READ = re.compile(rb"(GET|HEAD) (/v2/[A-Za-z0-9._:/-]*)(?:\?([A-Za-z0-9._:/=&-]*))? HTTP/1\.1\r\n")
# With these a request has a body, or wants something of the connection.
_UNUSUAL = frozenset({"CONTENT-LENGTH", "TRANSFER-ENCODING", "EXPECT", "UPGRADE", "HTTP2-SETTINGS"})
# What lets somebody in for longer than a signed token does: looking at it takes the database
# anyway, and it is not kept in memory.
_SECRET = re.compile(
    rb"(?:^|\n)(?:cookie|proxy-authorization|authorization(?!: *bearer eyJ))[ \t]*:", re.IGNORECASE
)
# What header fields are written with, but for the line breaks between them (RFC 9110, section 5.5).
_FIELD = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
_OWN_LINES = 5  # the status, three fields, and the empty line at the end
_MOST_BYTES = 8 * 1024
_MOST_LINE = 2 * 1024
_MOST_BLOCK = 4 * 1024  # bytes of those that are kept
_MOST_BLOCKS = 512

_receive, _send = socket.recv, socket.send  # without what `Connection` adds, which is for threads


class Unsent:
    """What is left of an answer that did not go out at once, for a thread that may wait."""

    def __init__(self, data: bytes, part: FilePart | None) -> None:
        self._data, self._part = data, part

    def send(self, connection: Connection) -> bool:
        """Send it, and close the file; True, the connection can go on. Raises OSError."""
        connection.setblocking(True)
        try:
            connection.sendall(self._data)
            if self._part:
                part = self._part
                connection.sendfile(part.file, part.offset, part.length)
        finally:
            if self._part:
                self._part.file.close()
        return True


class Reader:
    """Answers reads on connections that wait for their next, or first, request."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg
        # Blocks of header fields that gunicorn read, and what they are in an environment: each
        # client sends the same with every request.
        self._blocks: dict[bytes, dict[str, str] | None] = {}
        self._second, self._start = 0, ""

    def answer(self, conn: Any) -> bool | Unsent | None:
        """Answer what has arrived on `conn`, of whose last request nothing is left.

        False: a thread has to do it; whatever was received is given back to gunicorn's parser.
        None: nothing was, and never will be. Raises OSError when the client is gone.
        """
        if not isinstance(conn.sock, Connection):
            return False
        try:
            data = _receive(conn.sock, _MOST_BYTES, MSG_DONTWAIT)
        except BlockingIOError:  # the kernel may say too much
            return True
        if not data:
            return None
        try:
            request = self._request(conn, data)
            answer = self._answer(request) if request else None
        except MustWait:
            answer = None
        if answer is None:
            conn.parser.unreader.unread(data)
            return False
        return self._send(conn.sock, *answer)

    def _request(self, conn: Any, data: bytes) -> Request | None:
        found = _READ.match(data)
        if found is None or found.end() > _MOST_LINE:
            return None
        block = data[found.end() :]
        try:
            fields = self._blocks[block]
        except KeyError:
            fields = self._learn(conn, data, block)
        if fields is None:
            return None
        method, path, query = found[1], found[2], found[3] or b""
        host, port = conn.client[:2]
        return Request(
            {
                **fields,
                "REQUEST_METHOD": method.decode("ascii"),
                "PATH_INFO": path.decode("ascii"),
                "QUERY_STRING": query.decode("ascii"),
                "REMOTE_ADDR": host,
                "REMOTE_PORT": str(port),
                "wsgi.url_scheme": "http",
            }
        )

    def _learn(self, conn: Any, data: bytes, block: bytes) -> dict[str, str] | None:
        """What gunicorn makes of the header fields; None: gunicorn should answer by itself."""
        if _SECRET.search(block):
            return None
        fields = self._parse(conn, data)
        if len(block) <= _MOST_BLOCK:
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.clear()
            self._blocks[block] = fields
        return fields

    def _parse(self, conn: Any, data: bytes) -> dict[str, str] | None:
        if not data.endswith(b"\r\n\r\n"):
            return None
        parser = http.RequestParser(self._cfg, [data], conn.client)
        try:
            request = next(parser)
            if any(_is_unusual(name, value) for name, value in request.headers):
                return None
            if parser.unreader.take_buffered():  # another request follows
                return None
            _, environ = wsgi.create(request, None, conn.client, conn.server, self._cfg)
        except Exception:  # whatever is wrong, gunicorn says it to the client when it reads it
            return None
        return {key: value for key, value in environ.items() if key.startswith("HTTP_")}

    def _answer(self, request: Request) -> tuple[bytes, FilePart | None] | None:
        door = mount.door_of(request.path)
        return self._encode(request, door(request)) if door else None

    def _encode(self, request: Request, response: Response) -> tuple[bytes, FilePart | None]:
        headers = mount.frame(request, response)
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        status = mount.STATUS_LINES[response.status]
        head = f"HTTP/1.1 {status}\r\n{self._common()}{fields}\r\n".encode("latin-1")
        # A line break in a value would make another field, or a body.
        if head.translate(None, _FIELD) != b"\r\n" * (len(headers) + _OWN_LINES):
            raise ValueError(f"a header cannot be sent: {fields!r}")
        body = response.body
        if isinstance(body, FilePart):
            return head, body
        return (head if request.method == "HEAD" else head + body), None

    def _common(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._start = (
                f"Server: {SERVER}\r\nDate: {util.http_date()}\r\nConnection: keep-alive\r\n"
            )
        return self._start

    def _send(self, connection: Connection, data: bytes, part: FilePart | None) -> bool | Unsent:
        if part is None:
            try:
                count = _send(connection, data, MSG_DONTWAIT)
            except BlockingIOError:
                count = 0
            if count == len(data):
                return True
            data = data[count:]
        return Unsent(data, part)


def _is_unusual(name: str, value: str) -> bool:
    return name in _UNUSUAL or (name == "CONNECTION" and value.lower() != "keep-alive")


def can_be_used(worker: Any) -> bool:
    """Whether what this module leaves out is not asked for: TLS, a prefix, a line in the log."""
    return not (worker.cfg.is_ssl or settings.HTTP_PREFIX or worker.log.access_log_enabled)
