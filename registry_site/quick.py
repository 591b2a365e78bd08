"""Small requests, answered without gunicorn's reader, and reads without a thread where they can be.

Most of what a fleet asks for is remembered (`repositories/memory.py`). Such an answer takes less
than handing its connection to another thread and back, and threads that answer at the same time
take the interpreter from each other. So the thread that polls tries first, without a database: what
needs one raises MustWait, and a thread of the pool answers from the beginning. There small writes
are answered as well, whose bodies are here already. All else is gunicorn's: it reads requests, and
this module only knows those again that it read.
"""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from socket import MSG_DONTWAIT, socket
from typing import Any

from django.conf import settings
from gunicorn import SERVER, http, util
from gunicorn.http import wsgi

from api import mount
from api.v2.request import Request, environ_key
from api.v2.response import FilePart, Response
from registry_site.connection import Connection
from repositories.waiting import MustWait

# What clients of the registry ask for. Such a path means what it says: nothing in it is encoded.
_TARGET = rb" (/v2/[A-Za-z0-9._:/-]*)(?:\?([A-Za-z0-9._~:/=&%+-]*))? HTTP/1\.1\r\n"
_READ = re.compile(rb"(GET|HEAD)" + _TARGET)
_ANY = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE)" + _TARGET)
_END = b"\r\n\r\n"
# With these a request has a body of unknown length, or wants something of the connection.
_UNUSUAL = frozenset({"TRANSFER-ENCODING", "EXPECT", "UPGRADE", "HTTP2-SETTINGS"})
# What lets somebody in for longer than a signed token does: looking at it takes the database
# anyway, and it is not kept in memory.
_SECRET = re.compile(
    rb"(?:^|\n)(?:cookie|proxy-authorization|authorization(?!: *bearer eyJ))[ \t]*:", re.IGNORECASE
)
# What header fields are written with, but for the line breaks between them (RFC 9110, section 5.5).
_FIELD = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
_OWN_LINES = 5  # the status, three fields, and the empty line at the end
_MOST_BYTES = 8 * 1024
_MOST_BYTES_OF_WRITES = 64 * 1024
_MOST_LINE = 2 * 1024
_MOST_BLOCK = 4 * 1024  # bytes of those that are kept
_MOST_BLOCKS = 512
_MOST_LINES = 1024

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
    """Answers small requests on connections that wait for their next, or first, one."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg
        # Blocks of header fields that gunicorn read, and what they are in an environment: each
        # client sends the same with every request.
        self._blocks: dict[bytes, dict[str, str] | None] = {}
        # Single lines of those that it took: a client that writes sends the same in other blocks.
        self._lines: dict[bytes, tuple[str, str]] = {}
        self._of_second = 0, ""

    def answer(self, conn: Any) -> bool | Unsent | None:
        """Answer the read that has arrived on `conn`, of whose last request nothing is left.

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
        answer = self._tried(conn, data, _READ)
        return self._send(conn.sock, *answer) if answer else False

    def answer_in_thread(self, conn: Any) -> bool | None:
        """The same with what takes waiting, writes among it. False: gunicorn has to read it."""
        try:
            data = conn.parser.unreader.take_buffered() or _receive(
                conn.sock, _MOST_BYTES_OF_WRITES, MSG_DONTWAIT
            )
        except BlockingIOError:
            return False
        if not data:
            return None
        answer = self._tried(conn, data, _ANY)
        sent = self._send(conn.sock, *answer) if answer else False
        return sent.send(conn.sock) if isinstance(sent, Unsent) else sent

    def _tried(
        self, conn: Any, data: bytes, known: re.Pattern[bytes]
    ) -> tuple[bytes, FilePart | None] | None:
        """The answer; None: it cannot be had here, and `data` is given back."""
        answer = None
        with suppress(MustWait):
            request = self._request(conn, data, known)
            answer = self._answer(request) if request else None
        if answer is None:
            conn.parser.unreader.unread(data)
        return answer

    def _request(self, conn: Any, data: bytes, known: re.Pattern[bytes]) -> Request | None:
        found = known.match(data)
        end = data.find(_END) + len(_END)
        if found is None or found.end() > _MOST_LINE or end < len(_END):
            return None
        block = data[found.end() : end]
        try:
            fields = self._blocks[block]
        except KeyError:
            fields = self._learn(conn, data[:end], block)
        if fields is None:
            return None
        method, path, query = found[1], found[2], found[3] or b""
        body = _body(method, fields, data[end:])
        if body is None:
            return None
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
                "wsgi.input": body,
            }
        )

    def _learn(self, conn: Any, data: bytes, block: bytes) -> dict[str, str] | None:
        """What gunicorn makes of the header fields; None: gunicorn should answer by itself."""
        if _SECRET.search(block):
            return None
        if len(block) > _MOST_BLOCK:
            return self._parse(conn, data)
        lines = block.split(b"\r\n")[:-2]
        fields = self._joined(lines)
        if fields is None:
            fields = self._parse(conn, data)
            self._learn_lines(lines, fields or {})
        if len(self._blocks) >= _MOST_BLOCKS:
            self._blocks.clear()
        self._blocks[block] = fields
        return fields

    def _joined(self, lines: Sequence[bytes]) -> dict[str, str] | None:
        """What the lines are together; None: not all are known, or two have the same name."""
        try:
            fields = dict([self._lines[line] for line in lines])
        except KeyError:
            return None
        is_plain = len(fields) == len(lines) <= self._cfg.limit_request_fields
        return fields if is_plain else None

    def _learn_lines(self, lines: Sequence[bytes], fields: Mapping[str, str]) -> None:
        keys = [environ_key(line.partition(b":")[0].decode("latin-1")) for line in lines]
        if len(fields) != len(lines) or fields.keys() != set(keys):
            return  # something was left out, or put together
        if len(self._lines) >= _MOST_LINES:
            self._lines.clear()
        known = [(key, fields[key]) for key in keys]
        self._lines.update(zip(lines, known, strict=True))

    def _parse(self, conn: Any, data: bytes) -> dict[str, str] | None:
        parser = http.RequestParser(self._cfg, [data], conn.client)
        try:
            request = next(parser)
            if any(_is_unusual(name, value) for name, value in request.headers):
                return None
            _, environ = wsgi.create(request, None, conn.client, conn.server, self._cfg)
        except Exception:  # whatever is wrong, gunicorn says it to the client when it reads it
            return None
        return {
            key: value
            for key, value in environ.items()
            if key.startswith(("HTTP_", "CONTENT_")) and isinstance(value, str)
        }

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
        now = int(time.time())
        second, fields = self._of_second  # as one, since threads do this as well
        if second != now:
            fields = f"Server: {SERVER}\r\nDate: {util.http_date()}\r\nConnection: keep-alive\r\n"
            self._of_second = now, fields
        return fields

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


def _body(method: bytes, fields: dict[str, str], rest: bytes) -> BytesIO | None:
    """The body, which is all that followed the header fields; None: gunicorn should look."""
    length = fields.get("CONTENT_LENGTH")
    if method in (b"GET", b"HEAD") and length is not None:
        return None
    # With more of them another request follows, and with fewer there are some to come.
    return BytesIO(rest) if len(rest) == int(length or 0) else None


def _is_unusual(name: str, value: str) -> bool:
    return name in _UNUSUAL or (name == "CONNECTION" and value.lower() != "keep-alive")


def can_be_used(worker: Any) -> bool:
    """Whether what this module leaves out is not asked for: TLS, a prefix, a line in the log."""
    return not (worker.cfg.is_ssl or settings.HTTP_PREFIX or worker.log.access_log_enabled)
