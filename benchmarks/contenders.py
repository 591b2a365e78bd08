"""Who takes part: where each program is found, and how it is started on an empty folder.

A new contender is a subclass of `Contender` and a place in `ALL` (`references.py` has those that
are no registries). Each runs as its users run it, with the settings that its own image or package
ships, and with logging off as far as it goes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import growing
from benchmarks.bearer import Account
from benchmarks.content import Content, Growth
from benchmarks.servers import (
    HOST,
    ROOT,
    Server,
    distribution_blob,
    free_port,
    oci_layout_blob,
    start_process,
    wait_ready,
)
from tests.postgres import Cluster, PostgresUnavailable, find_programs

# What a row can need. A contender that lacks one has no figure in those rows.
REGISTRY = frozenset(
    {"version", "manifest", "blob-get", "blob-push", "catalog", "tags", "tag-pages", "process"}
)
PASSWORD = "only for this benchmark"
FOLDERS = ("~/go/bin", "~/.cache/berth-bench/bin", "/usr/sbin")


def find_binary(*names: str) -> str | None:
    """The first program of these names on PATH, in $BERTH_BENCH_BIN or in one of FOLDERS."""
    places = [os.environ.get("PATH", os.defpath), os.environ.get("BERTH_BENCH_BIN", "")]
    places += [str(Path(folder).expanduser()) for folder in FOLDERS]
    for place in filter(None, places):
        for name in names:
            if found := shutil.which(name, path=place):
                return found
    return None


def first_line(command: list[str]) -> str:
    """What a program says first, to record its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # Without its path, which says nothing elsewhere.
    text = (done.stdout + done.stderr).replace(command[0], Path(command[0]).name)
    said = text.strip().splitlines()
    return " ".join(said[0].split()) if said and not done.returncode else "unknown"


class Contender:
    """Someone to measure. Its class says what it is; `start` makes a `Server` of it."""

    key = ""
    label = ""  # with {} for the number of its version
    offers = REGISTRY
    usual = True  # takes part without being named
    programs: tuple[str, ...] = ()
    version_option = "--version"
    ready_path = "/v2/"
    sends_digest = True
    find_blob: Callable[[Path, str, str], Path] | None = staticmethod(oci_layout_blob)
    grow: Callable[[Server, Content, Growth], None] | None = None

    def missing(self) -> str | None:
        """Why it cannot take part here, or None."""
        if find_binary(*self.programs):
            return None
        return f"`{self.programs[0]}` is not on this machine (see benchmarks/README.md)"

    def version(self) -> str:
        """What it says of itself, for the record."""
        return first_line([self.program(), self.version_option])

    def program(self) -> str:
        """The path of its binary. Call `missing` first."""
        return find_binary(*self.programs) or self.programs[0]

    def start(self, place: Path, content: Content) -> Server:
        """Start it on an empty folder; return when it is ready. Raises DidNotStart."""
        server = Server(
            key=self.key,
            offers=self.offers,
            port=free_port(),
            place=place / "data",
            find_blob=self.find_blob,
            grow=self.grow,
            sends_digest=self.sends_digest,
        )
        server.place.mkdir()
        try:
            self.prepare(server, content)
            log = place / "log"
            env = self.environment(server)
            server.process = start_process(self.command(server), log, env=env)
            wait_ready(server, self.ready_path, log)
        except BaseException:
            server.stop()
            raise
        return server

    def prepare(self, server: Server, content: Content) -> None:
        """What must be there before it starts: configuration, a database."""

    def environment(self, server: Server) -> Mapping[str, str]:
        """Its environment variables."""
        return {}

    def command(self, server: Server) -> list[str]:
        """How it is started."""
        raise NotImplementedError


class Berth(Contender):
    """This working tree, on SQLite, open to everybody."""

    key = "berth-sqlite"
    label = "Berth, SQLite, open"
    offers = REGISTRY | {"many"}
    grow = staticmethod(growing.rows)
    ready_path = "/readyz"
    find_blob = staticmethod(distribution_blob)
    is_open = True

    def missing(self) -> str | None:
        return None if (ROOT / "manage.py").exists() else "no manage.py in this tree"

    def version(self) -> str:
        return first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])

    def prepare(self, server: Server, content: Content) -> None:
        if not self.is_open:
            server.account = Account(HOST, server.port, "admin", PASSWORD)

    def environment(self, server: Server) -> Mapping[str, str]:
        return {} if self.is_open else {"REGISTRY_ADMIN_PASSWORD": PASSWORD}

    def command(self, server: Server) -> list[str]:
        where = ["--bind", f"{HOST}:{server.port}", "--data", str(server.place)]
        command = [sys.executable, str(ROOT / "manage.py"), "serve", *where]
        return [*command, "--open"] if self.is_open else command


class BerthToken(Berth):
    """The same, locked: each request brings the token of somebody who has signed in."""

    key = "berth-sqlite-token"
    label = "Berth, SQLite, token"
    is_open = False


class BerthPostgres(Berth):
    """This working tree, on a throwaway PostgreSQL cluster with its default, durable settings."""

    key = "berth-postgres"
    label = "Berth, PostgreSQL, open"
    usual = False  # the gap that a token makes shows on SQLite

    def missing(self) -> str | None:
        try:
            find_programs()
        except PostgresUnavailable as error:
            return str(error)
        return super().missing()

    def prepare(self, server: Server, content: Content) -> None:
        super().prepare(server, content)
        cluster = Cluster(durable=True)
        server.cleanups.append(cluster.stop)
        pid_file = cluster.folder / "data" / "postmaster.pid"
        server.database = int(pid_file.read_text().split()[0])
        server.database_url = cluster.create_database("berth")

    def environment(self, server: Server) -> Mapping[str, str]:
        return {**super().environment(server), "DATABASE_URL": server.database_url}


class BerthPostgresToken(BerthPostgres):
    """As a team runs it: PostgreSQL, locked, a token with each request. The one that counts."""

    key = "berth-postgres-token"
    label = "Berth, PostgreSQL, token"
    is_open = False
    usual = True


class Distribution3(Contender):
    """The CNCF Distribution registry, with the settings of the `registry:3` image."""

    key = "distribution-3"
    label = "Distribution {}"
    offers = REGISTRY | {"many"}
    grow = staticmethod(growing.tree)
    programs = ("registry",)
    find_blob = staticmethod(distribution_blob)

    def prepare(self, server: Server, content: Content) -> None:
        settings = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "cache": {"blobdescriptor": "inmemory"},
                "filesystem": {"rootdirectory": str(server.place)},
                "delete": {"enabled": True},
            },
            "http": {"addr": f"{HOST}:{server.port}", "secret": "benchmark"},
        }
        # Its file is YAML, and JSON is YAML.
        _config(server).write_text(json.dumps(settings))

    def environment(self, server: Server) -> Mapping[str, str]:
        # As its image sets it. Without it version 3 makes traces and tries to send them.
        return {"OTEL_TRACES_EXPORTER": "none"}

    def command(self, server: Server) -> list[str]:
        return [self.program(), "serve", str(_config(server))]


class Distribution2(Distribution3):
    """Debian's package of its second version, which answers all tags to any page asked for."""

    key = "distribution-2"
    label = "Distribution {}"
    offers = REGISTRY - {"tag-pages"}
    programs = ("docker-registry",)


class Zot(Contender):
    """zot with its core only."""

    key = "zot"
    label = "zot {}"
    programs = ("zot", "zot-minimal", "zot-linux-amd64-minimal")

    def prepare(self, server: Server, content: Content) -> None:
        settings = {
            "distSpecVersion": "1.1.1",
            "storage": {"rootDirectory": str(server.place)},
            "http": {"address": HOST, "port": str(server.port)},
            "log": {"level": "error"},
        }
        _config(server).write_text(json.dumps(settings))

    def command(self, server: Server) -> list[str]:
        return [self.program(), "serve", str(_config(server))]


class Olareg(Contender):
    """olareg on a folder. It has no catalog."""

    key = "olareg"
    label = "olareg {}"
    offers = REGISTRY - {"catalog"}
    programs = ("olareg",)
    version_option = "version"

    def command(self, server: Server) -> list[str]:
        where = ["--addr", HOST, "--port", str(server.port), "--dir", str(server.place)]
        return [self.program(), "serve", *where, "--api-delete", "--verbosity", "error"]


def _config(server: Server) -> Path:
    return server.place.with_name("config.json")
