"""A Berth server of its own for a test: `manage.py serve`, started as a user starts it.

Everything that needs a real process, real sockets and a real data folder (interop, faults, bad
input over the wire) starts it through `LiveServer`. It listens on a free loopback port, keeps that
port over restarts, and hands out its log, which is added to whatever fails meanwhile.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 40.0
LOG_TAIL = 20_000
# What a server may inherit. The rest stays out: a developer's settings must not change a test.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class ServerError(RuntimeError):
    """The server did not start or stop as it should; the message carries its log."""


class Process(NamedTuple):
    """What /proc/PID tells of a process."""

    pid: int
    parent: int
    session: int
    zombie: bool
    command: tuple[str, ...]


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def processes() -> Iterator[Process]:
    """Every process that this machine runs."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name may hold spaces and brackets: fields count from after the last bracket.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace")
        except OSError:
            continue  # gone meanwhile
        yield Process(
            pid=int(entry.name),
            parent=int(fields[1]),
            session=int(fields[3]),
            zombie=fields[0] == "Z",
            command=tuple(command.split("\0")),
        )


def wait_for(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Poll until `condition()` holds; raises TimeoutError, which says `what` was awaited."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def inherited() -> dict[str, str]:
    """The environment of a server or command, as far as it comes from that of the tests."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def migrate(**environment: str) -> None:
    """Make Berth's tables in the database that the environment names."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=inherited() | environment, check=True, timeout=120)


@functools.cache
def tables() -> Path:
    """A SQLite database that has Berth's tables and no rows, made once for a run of tests."""
    folder = Path(tempfile.mkdtemp(prefix="berth-tables-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    migrate(REGISTRY_DATA=str(folder))
    return folder / "berth.sqlite3"


class LiveServer:
    """`manage.py serve` on a data folder: `with LiveServer(tmp_path / "data") as server: …`.

    The data folder outlives the server, so that a test can stop or kill it and start it again over
    what it left. Making the tables takes most of a first start: a new SQLite database has them
    already, but in a test of what a start makes `from_nothing`.
    """

    def __init__(
        self,
        data: Path,
        *,
        database_url: str | None = None,
        open_access: bool = True,
        from_nothing: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.database_url = database_url
        self.open_access = open_access
        self.from_nothing = from_nothing
        # Beside the data folder, not inside: a test may fill, inspect or replace the folder.
        self.log_path = data.parent / f"{data.name}.{self.port}.log"
        self._extra = dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
            return
        error.add_note(f"--- log of {self.url} ---\n{self.log_tail()}")
        self.kill()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervising process, the leader of its own session and process group."""
        if self._process is None:
            raise ServerError("the server has not been started")
        return self._process

    @property
    def storage(self) -> Path:
        """The folder that blobs and uploads are in."""
        return Path(self._extra.get("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", self.data))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server, and of management commands over the same data."""
        variables = inherited() | {"PYTHONUNBUFFERED": "1"}
        if self.database_url:
            variables["DATABASE_URL"] = self.database_url
        return variables | self._extra

    def start(self) -> None:
        """Start it and wait until /readyz answers 200; raises ServerError, with the log."""
        if self._process is not None and self._process.poll() is None:
            raise ServerError("the server is running already")
        self._bring_tables()
        command = [sys.executable, "manage.py", "serve"]
        command += ["--bind", self.host, "--data", str(self.data)]
        if self.open_access:
            command.append("--open")
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_for(self._started, seconds=START_SECONDS, what="/readyz")
        except BaseException as error:
            self.kill()
            raise ServerError(f"{self.url} did not start: {error}\n{self.log_tail()}") from error

    def _bring_tables(self) -> None:
        database = self.data / "berth.sqlite3"
        if self.from_nothing or self.database_url or database.exists():
            return
        self.data.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tables(), database)

    def manage(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run a management command over the server's data; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment | {"REGISTRY_DATA": str(self.data)} | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"manage.py {' '.join(arguments)}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def log(self) -> str:
        """Everything the server has written so far, over all its starts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self) -> str:
        """The end of the log, short enough for a failure report."""
        return self.log()[-LOG_TAIL:]

    def members(self) -> list[Process]:
        """The server's living processes: supervisor, gunicorn's master and workers, job loop."""
        session = self.process.pid
        return [entry for entry in processes() if entry.session == session and not entry.zombie]

    def workers(self) -> list[int]:
        """The processes that answer: forks of gunicorn's master, with its command line."""
        members = {entry.pid: entry for entry in self.members()}
        masters = {
            entry.parent
            for entry in members.values()
            if entry.parent in members and members[entry.parent].command == entry.command
        }
        return sorted(
            entry.pid
            for entry in members.values()
            if entry.parent in masters
            and entry.command == members[entry.parent].command
            and entry.pid not in masters
        )

    def kill(self) -> None:
        """SIGKILL to every process at once, as a crash of the machine would end them."""
        if self._process is None:
            return
        self._signal_all(signal.SIGKILL)
        self.process.wait()
        wait_for(self._gone, seconds=10, what="the end of killed processes")

    def stop(self) -> int:
        """SIGTERM to the supervisor; waits until all is gone and returns its exit status."""
        if self._process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(timeout=STOP_SECONDS)
            wait_for(self._gone, seconds=5, what="the end of the supervisor's children")
        except (subprocess.TimeoutExpired, TimeoutError) as error:
            left = [" ".join(entry.command) for entry in self.members()]
            self.kill()
            raise ServerError(f"left after SIGTERM: {left}\n{self.log_tail()}") from error
        return status

    def restart(self) -> None:
        """Stop it, if it runs, and start it again on the same port and data."""
        self.stop()
        self.start()

    def _started(self) -> bool:
        if self.process.poll() is not None:
            raise ServerError(f"exited with {self.process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _gone(self) -> bool:
        left = self.members()
        if left and self.process.returncode == -signal.SIGKILL:
            self._signal_all(signal.SIGKILL)  # forked between the signal and its arrival
        return not left

    def _signal_all(self, number: signal.Signals) -> None:
        # The group first, in one call; then whoever left the group but not the session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        for entry in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(entry.pid, number)
