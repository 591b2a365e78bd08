"""A client's connection, with fewer system calls.

Each system call lets go of the interpreter and has to get hold of it again, which costs more than
the call where several threads answer small requests. gunicorn makes nine for a request that is
read at once: this class does without the ones that change nothing.
"""

import errno
import os
import select
import socket
from typing import Any

_SMALL = 64 * 1024
_PIECE = 512 * 1024  # of a file
# What the kernel says of files that it cannot send by itself.
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class Connection(socket.socket):
    """A stream socket that sends headers with what follows, and sets time-outs when they matter."""

    def __init__(self, connection: socket.socket) -> None:
        """Take `connection` over; it is of no use afterwards."""
        timeout = connection.gettimeout()
        family, kind, proto = connection.family, connection.type, connection.proto
        super().__init__(family, kind, proto, fileno=connection.detach())
        super().settimeout(timeout)
        self._actual = self._wanted = timeout
        self._is_holding = False
        self._held = b""
        # Bytes of files that went out since `hold`: gunicorn does not count them.
        self.sent_of_files = 0

    # --- time-outs: gunicorn sets one around each read that may not happen ------------------------

    def settimeout(self, value: float | None) -> None:
        self._wanted = value

    def setblocking(self, flag: bool) -> None:
        self._wanted = None if flag else 0.0

    def gettimeout(self) -> float | None:
        return self._wanted

    def _settle(self) -> None:
        if self._wanted != self._actual:
            super().settimeout(self._wanted)
            self._actual = self._wanted

    def recv(self, *args: Any) -> bytes:
        self._settle()
        return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        self._settle()
        return super().recv_into(*args)

    # --- writes: headers wait for the first piece of the body -------------------------------------

    def hold(self) -> None:
        """Keep the next write back until another follows, or `flush`."""
        self._is_holding = True
        self.sent_of_files = 0

    def flush(self) -> None:
        """Send what is held back. Raises OSError."""
        held = self.drop()
        if held:
            self._settle()
            super().sendall(held)

    def drop(self) -> bytes:
        """Hold nothing back any more, and forget what was."""
        self._is_holding = False
        held, self._held = self._held, b""
        return held

    def sendall(self, data: Any, *args: Any) -> None:
        if self._is_holding:
            self._is_holding = False
            self._held = bytes(data)
            return
        if self._held:
            if len(data) <= _SMALL:
                data = self.drop() + data
            else:
                self.flush()
        self._settle()
        super().sendall(data, *args)

    def send(self, *args: Any) -> int:
        self._settle()
        return super().send(*args)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a regular file, or `count` bytes of it; how many. Raises OSError.

        In pieces, and waiting between them rather than within: so the client more often reads on
        the other processor what we write on this one. A pull of 200 MB takes a sixth less.
        """
        self.flush()
        self._settle()
        number, start = file.fileno(), offset
        end = os.fstat(number).st_size if count is None else offset + count
        poll = select.poll()
        poll.register(self, select.POLLOUT)
        super().settimeout(0.0)
        self._actual = 0.0
        while offset < end:
            try:
                sent = os.sendfile(self.fileno(), number, offset, min(_PIECE, end - offset))
            except BlockingIOError:
                poll.poll()  # also until the kernel gives up a client that has stopped reading
                continue
            except OSError as error:
                if error.errno not in _CANNOT or offset != start:
                    raise
                offset += super().sendfile(file, offset, end - offset)  # reads and writes instead
                break
            if not sent:
                break  # the file is shorter
            offset += sent
        self.sent_of_files += offset - start
        return offset - start
