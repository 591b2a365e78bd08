"""The database saved as it is at one moment, put back, and looked at: SQLite's or PostgreSQL's."""

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from django.db import connection

from repositories.backups import files, programs
from repositories.backups.archive import BackupError, Manifest
from repositories.database import execute, fetch, release, snapshot
from repositories.models import Blob
from repositories.storage.filesystem import sync_folder

FILES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
_BLOBS = "SELECT digest, size FROM repositories_blob ORDER BY digest"
# The rows of a long list are not all in memory at once.
_PIECE = 5_000

# Called with the digest and the size of every blob that the saved database names, by digest.
Listing = Callable[[Iterable[tuple[str, int]]], None]


class Saved(NamedTuple):
    """What was saved: `major` is the database's version, `program` that of pg_dump, or 0."""

    vendor: str
    major: int
    program: int


def save(folder: Path, listing: Listing) -> Saved:
    """Save the database as it is at one moment, and list its blobs. Raises BackupError, OSError."""
    target = folder / FILES[connection.vendor]
    os.close(files.for_owner(str(target), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    saved = _save_sqlite if connection.vendor == "sqlite" else _save_postgresql
    result = saved(target, listing)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return result


def _save_sqlite(target: Path, listing: Listing) -> Saved:
    connection.ensure_connection()
    with closing(sqlite3.connect(target)) as copy:
        # In one step, which reads the state of one moment: writers go on beside it (WAL).
        connection.connection.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, and nothing beside it
        listing(copy.execute(_BLOBS))
    return Saved("sqlite", sqlite3.sqlite_version_info[0], 0)


def _save_postgresql(target: Path, listing: Listing) -> Saved:
    major = programs.server_major()
    program = programs.find("pg_dump", least=major)
    with snapshot():
        [(name,)] = fetch("SELECT pg_export_snapshot()", [])
        rows = Blob.objects.order_by("digest").values_list("digest", "size")
        listing(rows.iterator(chunk_size=_PIECE))
        # The transaction is open until it has ended: the snapshot lives as long.
        program.run("--format=custom", f"--snapshot={name}", f"--file={target}")
    release()
    return Saved("postgresql", major, program.major)


def is_empty() -> bool:
    """Whether the database of the settings has no table."""
    return not connection.introspection.table_names()


def holds(token: str) -> bool:
    """Whether the database is the one that was saved while the lease of this token was held."""
    if "repositories_backuplease" not in connection.introspection.table_names():
        return False
    return bool(fetch("SELECT 1 FROM repositories_backuplease WHERE token = %s", [token]))


def check_target(manifest: Manifest) -> None:
    """Whether the database of the settings can take the snapshot. Raises BackupError."""
    if manifest.vendor != connection.vendor:
        raise BackupError(
            f"The snapshot is of a {_WORDS[manifest.vendor]} database, and the settings name "
            f"{_WORDS[connection.vendor]}: {_REMEDIES[manifest.vendor]} A snapshot of the one kind "
            "cannot be restored into the other."
        )
    if connection.vendor == "postgresql":
        if programs.server_major() < manifest.major:
            raise BackupError(
                f"The snapshot is of PostgreSQL {manifest.major}, and this server is older "
                f"({programs.server_major()}): restore it into one that is not."
            )
        _pg_restore(manifest)


_WORDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_REMEDIES = {
    "sqlite": "leave out DATABASE_URL, or let it name an SQLite file.",
    "postgresql": "let DATABASE_URL name an empty PostgreSQL database.",
}


def _pg_restore(manifest: Manifest) -> programs.Program:
    return programs.find("pg_restore", least=manifest.program)


def load(folder: Path, manifest: Manifest) -> None:
    """Put a saved database into the empty one of the settings, as a whole or not at all.

    Raises BackupError, OSError.
    """
    source = folder / FILES[manifest.vendor]
    if connection.vendor == "sqlite":
        _load_sqlite(source)
        return
    program = _pg_restore(manifest)
    # Roles are the server's own: everything will belong to who connects. The comments are those of
    # extensions, which only their owners may write.
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    program.run(*options, "--no-comments", str(source))
    execute("ANALYZE", [])


def _load_sqlite(source: Path) -> None:
    connection.ensure_connection()
    with closing(_read_only(source)) as copy:
        copy.backup(connection.connection)  # one transaction of the target's
    execute("PRAGMA wal_checkpoint(TRUNCATE)", [])
    name = Path(connection.settings_dict["NAME"])
    name.chmod(name.stat().st_mode & files.NOT_FOR_OTHERS)
    sync_folder(name.parent)


def problems(folder: Path, manifest: Manifest) -> list[str]:
    """What is wrong with a saved database. Raises BackupError without pg_restore."""
    source = folder / FILES[manifest.vendor]
    if manifest.vendor == "postgresql":
        program = _pg_restore(manifest)
        try:
            program.run_alone("--list", str(source))
        except BackupError as error:
            return [str(error)]
        return []
    try:
        with closing(_read_only(source)) as copy:
            found = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(20)")]
    except sqlite3.Error as error:
        found = [str(error)]
    return [f"{source.name}: {problem}" for problem in found if problem != "ok"]


def _read_only(path: Path) -> sqlite3.Connection:
    """Without a lock, and without a file beside it: the folder may be one that nobody can write."""
    # Not Path.as_uri() alone: SQLite reads the options behind the question mark.
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
