"""PostgreSQL's own programs: which of those that are installed to take, and running it."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from repositories.backups.archive import BackupError

# Where Debian keeps a folder for each version.
FOLDER = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) ([0-9]+)")
_TOLD = 2000


class Program(NamedTuple):
    """A program, and its major version."""

    path: str
    major: int

    def run(self, *arguments: str) -> str:
        """Run it on the database of the settings; what it prints. Raises BackupError."""
        address, password = _address()
        return self.run_alone(f"--dbname={address}", *arguments, environment=password)

    def run_alone(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        """Run it without a database; what it prints. Raises BackupError."""
        done = subprocess.run(
            [self.path, *arguments],
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            told = done.stderr.strip()[-_TOLD:]
            raise BackupError(f"{Path(self.path).name} failed: {told or done.returncode}")
        return done.stdout


def _address() -> tuple[str, dict[str, str]]:
    """The database of the settings as the programs take it, and the password, which is not shown.

    What the settings do not say, the programs take from the environment, as our driver does. What
    the connection itself tells of its options would be those of the driver's own version.
    """
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    given = {
        name: value
        for name, value in connection.get_connection_params().items()
        if name in known and value is not None
    }
    password = given.pop("password", None)
    return make_conninfo(**given), {"PGPASSWORD": str(password)} if password else {}


def server_major() -> int:
    """The major version of the server of the settings."""
    connection.ensure_connection()
    return int(connection.connection.info.server_version) // 10_000


def find(name: str, *, least: int) -> Program:
    """The program, of the lowest major version that is at least `least`. Raises BackupError."""
    found = [program for path in _candidates(name) if (program := _program(path))]
    fitting = [program for program in found if program.major >= least]
    if fitting:
        return min(fitting, key=lambda program: program.major)
    remedy = f"install PostgreSQL's client programs (Debian: apt install postgresql-client-{least})"
    if found:
        newest = max(program.major for program in found)
        raise BackupError(f"{name} is of version {newest}, and {least} is needed: {remedy}.")
    raise BackupError(f"There is no {name} on PATH or below {FOLDER}: {remedy}.")


def _candidates(name: str) -> list[str]:
    on_path = shutil.which(name)
    return ([on_path] if on_path else []) + sorted(map(str, FOLDER.glob(f"*/bin/{name}")))


def _program(path: str) -> Program | None:
    try:
        told = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = _VERSION.search(told)
    return Program(path, int(match[1])) if match else None
