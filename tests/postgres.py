"""A PostgreSQL cluster of its own for a test run, thrown away after it.

`start()` and `stop()` serve the pytest plugin that runs the whole suite on PostgreSQL;
`throwaway_cluster()` serves a test that wants one for itself. Where TEST_DATABASE_URL is set, that
server is used instead (its role must be allowed to create databases); a test that restarts or
crashes its server makes a `Cluster` by name.
"""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.live import migrate

ROLE = "berth"
PROGRAMS = Path("/usr/lib/postgresql")  # where Debian keeps a folder for each version
# For a unit run, which has nothing to lose in a crash. Fault tests keep fsync on.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresUnavailable(RuntimeError):
    """No PostgreSQL server programs here, or they did not start; the message says what to do."""


@functools.cache
def _template(url: str) -> str:
    """The name of a database on that server that has Berth's tables."""
    server = Server(url)
    name = f"berth_tables_{uuid.uuid4().hex[:12]}"
    _templates.append(server)
    with tempfile.TemporaryDirectory() as data:
        migrate(DATABASE_URL=server.create_database(name), REGISTRY_DATA=data)
    return name


def on_database(url: str, name: str) -> str:
    """The same server's URL with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


class Server:
    """A PostgreSQL server that can make fresh databases. `url` is its maintenance database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._created: list[str] = []

    def create_database(
        self, name: str | None = None, *, folder: Path | None = None, tables: bool = False
    ) -> str:
        """Create an empty database and return its URL.

        What it holds is in `folder` if one is given. It has Berth's `tables`, without rows, if that
        is said: they are copied, and made once for a run.
        """
        name = name or f"berth_{uuid.uuid4().hex[:12]}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if tables:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(_template(self.url)))
        with psycopg.connect(self.url, autocommit=True) as connection:
            if folder is not None:
                place = sql.SQL("CREATE TABLESPACE {} LOCATION {}")
                connection.execute(place.format(sql.Identifier(name), sql.Literal(str(folder))))
                statement += sql.SQL(" TABLESPACE {}").format(sql.Identifier(name))
            connection.execute(statement)
        self._created.append(name)
        return on_database(self.url, name)

    def drop_databases(self) -> None:
        """Drop what `create_database` made, also where a client is still connected."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name in self._created:
                statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                connection.execute(statement.format(sql.Identifier(name)))
        self._created.clear()

    def stop(self) -> None:
        """Leave the server as it was found."""
        self.drop_databases()


class Cluster(Server):
    """A server that we started ourselves, on loopback and a socket in a temporary folder."""

    def __init__(self, *, durable: bool = True) -> None:
        self._programs = find_programs()
        # /tmp by name: a socket's path may have 107 bytes at most, and TMPDIR can be long.
        self.folder = Path(tempfile.mkdtemp(prefix="berth-pg-", dir="/tmp"))
        self._durable = durable
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        super().__init__(f"postgres://{ROLE}@127.0.0.1:{self.port}/postgres")
        try:
            self._create()
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [f"port={self.port}", "listen_addresses=127.0.0.1"]
        options += [f"unix_socket_directories={self.folder}", "max_connections=200"]
        options += () if self._durable else CARELESS
        settings = " ".join(f"-c {option}" for option in options)
        log = self.folder / "log"
        self._control("start", "-w", "-t", "60", "-l", str(log), "-o", settings)

    def shut_down(self, mode: str = "fast") -> None:
        """Stop it and keep its data; `immediate` is a crash, with recovery at the next start."""
        self._control("stop", "-w", "-m", mode)

    def restart(self, mode: str = "fast") -> None:
        """Stop it in the given mode and start it again on the same port."""
        self.shut_down(mode)
        self.start()

    def stop(self) -> None:
        """Stop the server, if it runs, and remove its folder."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.shut_down("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _create(self) -> None:
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        sync = () if self._durable else ("--no-sync",)
        # C.UTF-8 is the one locale that every machine has.
        arguments = ["-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", *sync]
        self._run("initdb", "-D", str(self.folder / "data"), *arguments)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            account = ["--reuid=postgres", "--regid=postgres", "--init-groups"]
            command = ["setpriv", *account, *command]
        # A file, not a pipe: the server inherits it and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            output.seek(0)
            if done.returncode:
                raise PostgresUnavailable(f"{program} failed: {output.read()}{self._log()}")

    def _log(self) -> str:
        log = self.folder / "log"
        return f"\n{log.read_text(errors='replace')[-5000:]}" if log.exists() else ""


def find_programs() -> Path:
    """The folder of initdb and pg_ctl, the newest version first; raises PostgresUnavailable."""
    versions = [folder for folder in PROGRAMS.glob("*/bin") if (folder / "initdb").exists()]
    if versions:
        return max(versions, key=lambda folder: int(folder.parent.name))
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    raise PostgresUnavailable(
        "no initdb here: install PostgreSQL's server (Debian: apt install postgresql), "
        "or name a server in TEST_DATABASE_URL"
    )


def open_server(*, durable: bool = True) -> Server:
    """TEST_DATABASE_URL's server if given, else a new cluster. The caller stops it."""
    given = os.environ.get("TEST_DATABASE_URL")
    return Server(given) if given else Cluster(durable=durable)


@contextmanager
def throwaway_cluster(*, durable: bool = True) -> Iterator[Server]:
    """A server for the length of a `with` block."""
    server = open_server(durable=durable)
    try:
        yield server
    finally:
        server.stop()


_running: list[Server] = []
_templates: list[Server] = []


def start() -> str:
    """Start the server of this test run, and return its maintenance database.

    It is fast and not durable, but where `make faults` asks what is lost.
    """
    _running.append(open_server(durable=os.environ.get("BERTH_FAULTS") == "long"))
    return _running[-1].url


def current() -> Server:
    """The server of this test run, for a test that wants a database of its own on it."""
    if not _running:
        raise PostgresUnavailable("this run is not on PostgreSQL: BERTH_TEST_DATABASE=postgresql")
    return _running[-1]


def stop() -> None:
    """Stop what `start` started."""
    while _templates:
        _templates.pop().stop()
    while _running:
        _running.pop().stop()
