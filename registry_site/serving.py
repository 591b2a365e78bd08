"""`serve`, taken apart: gunicorn as a child, the job loop beside it, and one end for both."""

import ctypes
import errno
import ipaddress
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from django.conf import settings

from repositories import job_loop

CONFIGURATION = Path(__file__).with_name("gunicorn.conf.py")
_PR_SET_PDEATHSIG = 1
_START_SECONDS = 30.0
_PORT_SECONDS = 3.0

logger = logging.getLogger(__name__)


class Address(NamedTuple):
    """Where to listen; an empty host means everywhere."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`127.0.0.1:5000`, `:5000`, `[::1]:5000`. Raises ValueError."""
        match = re.fullmatch(
            r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]/\s]*)):([0-9]{1,5})", text, re.ASCII
        )
        if match is None or not 0 < int(match[3]) < 65536:
            raise ValueError(f"{text!r} is not ADDR:PORT; write one such as 127.0.0.1:5000.")
        return cls(match[1] or match[2] or "0.0.0.0", int(match[3]))  # noqa: S104

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def reachable(self) -> str:
        """The address as somebody on this machine would call it."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def wait_for_port(address: Address) -> None:
    """Return when the address can be listened on. Raises OSError: somebody else does.

    A predecessor that was killed may need a moment to let go of it. Without this look, whoever
    answers at the address would be taken for our own server.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    deadline = time.monotonic() + _PORT_SECONDS
    while True:
        try:
            socket.create_server(address, family=family).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


class Supervisor:
    """Runs both parts until a signal or gunicorn's own end."""

    def __init__(self, address: Address, *, is_open: bool) -> None:
        self._address = address
        self._is_open = is_open
        self._stop = threading.Event()
        self.on_ready: Callable[[], None] = lambda: None

    def run(self) -> int:
        """The exit status: 0 after a stop that was asked for, else gunicorn's."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        server = self._start_server()
        loop = threading.Thread(target=job_loop.run_until, args=(self._stop,), name="jobs")
        try:
            if self._wait_for_server(server):
                self.on_ready()
                loop.start()
            while not self._stop.wait(0.5) and server.poll() is None:
                pass
        finally:
            was_asked = self._stop.is_set()
            self._stop.set()
            status = _end(server)
            if loop.is_alive():
                loop.join()
        return 0 if was_asked else status or 1

    def _start_server(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gunicorn", "-c", str(CONFIGURATION)]
        environment = os.environ | {
            "REGISTRY_HTTP_ADDR": str(self._address),
            "BERTH_OPEN_ACCESS": "true" if self._is_open else "false",
        }
        return subprocess.Popen(
            command,
            cwd=settings.BASE_DIR,
            env=environment,
            # A Ctrl-C goes to us alone: we pass it on, once.
            process_group=0,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  (no thread of ours runs yet)
        )

    def _wait_for_server(self, server: subprocess.Popen[bytes]) -> bool:
        """Whether the server takes connections, before it ends or is told to."""
        host, _, port = self._address.reachable.rpartition(":")
        deadline = time.monotonic() + _START_SECONDS
        while server.poll() is None and not self._stop.is_set():
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline:
                    logger.error("the server takes no connections at %s yet", self._address)
                    return True
                self._stop.wait(0.05)
            else:
                return server.poll() is None
        return False


def _end(server: subprocess.Popen[bytes]) -> int:
    """Let the server finish what it is doing; a second signal ends it at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.send_signal(signal.SIGQUIT))
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    return server.wait()


def _die_with_parent() -> None:
    """In the child: end at once when the supervisor is killed: its successor wants the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
