"""The rows of one moment, brought into a file beside the tree.

Blobs can take hours to copy. No transaction is held so long, and what is pushed or deleted
meanwhile changes nothing here; all that is written fits together.
"""

import itertools
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from repositories import database, patterns
from repositories.backups.archive import BackupError, NamedBlob
from repositories.backups.taking import Lost
from repositories.leaving import fallback
from repositories.models import BlobLink, Manifest, Repository, Tag, TagChange
from repositories.oci.digests import Digest
from repositories.oci.media_types import OCI_INDEX, OCI_MANIFEST

# The rows of a long list are not all in memory at once; those of manifests are larger.
_PIECE, _MANIFESTS = 5_000, 100
_TABLES = """
CREATE TABLE repository (name TEXT PRIMARY KEY);
CREATE TABLE blob (digest TEXT PRIMARY KEY, size INTEGER, is_damaged INTEGER);
CREATE TABLE manifest (digest TEXT PRIMARY KEY, payload BLOB);
CREATE TABLE layer (repository TEXT, digest TEXT, at INTEGER, PRIMARY KEY (repository, digest));
CREATE TABLE revision (repository TEXT, digest TEXT, at INTEGER, subject TEXT, referrer TEXT,
                       PRIMARY KEY (repository, digest));
CREATE TABLE tag (repository TEXT, name TEXT, digest TEXT, at INTEGER,
                  PRIMARY KEY (repository, name));
CREATE TABLE change (repository TEXT, name TEXT, digest TEXT, at INTEGER);
CREATE INDEX changes ON change (repository, name);
"""
_COUNTS = """
SELECT (SELECT COUNT(*) FROM repository), (SELECT COUNT(*) FROM revision),
       (SELECT COUNT(*) FROM tag JOIN revision USING (repository, digest)),
       (SELECT COALESCE(SUM(size), 0) FROM blob)
"""
_REFERRERS = """
SELECT subject, referrer, at FROM revision
WHERE repository = ? AND subject <> '' ORDER BY subject, digest
"""
_NAMED = """
SELECT payload FROM tag JOIN manifest USING (digest) WHERE repository = ? AND name = ?
"""
_TAGS = """
SELECT name, digest, tag.at FROM tag JOIN revision USING (repository, digest)
WHERE repository = ? ORDER BY name
"""
_MOVES = """
SELECT digest, MAX(change.at) FROM change JOIN revision USING (repository, digest)
WHERE repository = ? AND name = ? GROUP BY digest
"""


class Link(NamedTuple):
    """A digest that something has had since `at`, in nanoseconds since 1970."""

    digest: str
    at: int


class NamedTag(NamedTuple):
    """A tag, and what it names since when."""

    name: str
    current: Link


@dataclass(slots=True)
class Found:
    """How many there are of what, and what is to be told of them.

    `fallbacks` are tags that were made, or brought up to date, for referrers. `retyped` are images,
    `repository@digest`, that say no media type: Docker's registry guesses another.
    """

    repositories: int = 0
    manifests: int = 0
    tags: int = 0
    bytes: int = 0  # of blobs
    fallbacks: int = 0
    retyped: list[str] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)


class Rows:
    """The file. Whoever makes one closes it."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.execute("PRAGMA journal_mode=OFF")  # a run that is killed begins a new one
        self._file.execute("PRAGMA synchronous=OFF")
        self._file.executescript(_TABLES)

    def close(self) -> None:
        self._file.close()

    def read(self, globs: Sequence[str]) -> Found:
        """Fill it with the repositories that one of the globs matches, or with all.

        Raises BackupError where a glob matches none, Error.
        """
        found = Found()
        with database.snapshot():
            for pk, name in _chosen(globs):
                self._file.execute("BEGIN")
                self._add("repository", name)
                self._read_links(pk, name)
                self._read_manifests(pk, name, found)
                self._read_tags(pk, name)
                self._list_referrers(name, found)
                self._file.execute("COMMIT")
        database.release()
        found.repositories, found.manifests, found.tags, found.bytes = self._one(_COUNTS)
        return found

    def _read_links(self, pk: int, name: str) -> None:
        fields = ("blob__digest", "blob__size", "blob__damaged_at", "created_at")
        rows = BlobLink.objects.filter(repository=pk).values_list(*fields)
        for digest, size, damaged_at, at in rows.iterator(chunk_size=_PIECE):
            self._add("blob", digest, size, damaged_at is not None)
            self._add("layer", name, digest, _nanoseconds(at))

    def _read_manifests(self, pk: int, name: str, found: Found) -> None:
        fields = ("digest", "payload", "media_type", "pushed_at", "subject", "referrer")
        rows = Manifest.objects.filter(repository=pk).values_list(*fields)
        for text, payload, media_type, at, *reference in rows.iterator(chunk_size=_MANIFESTS):
            digest, content = Digest.parse(text), bytes(payload)
            if Digest.of(content, digest.algorithm) != digest:
                why = "the bytes of the manifest do not hash to its digest"
                found.lost.append(Lost(digest, why, [name]))
                continue
            if _guessed_type(content) != media_type:
                found.retyped.append(f"{name}@{digest}")
            self._add("manifest", text, content)
            self._add("revision", name, text, _nanoseconds(at), *reference)

    def _read_tags(self, pk: int, name: str) -> None:
        tags = Tag.objects.filter(repository=pk).values_list(
            "name", "manifest__digest", "pushed_at"
        )
        for tag, digest, at in tags.iterator(chunk_size=_PIECE):
            self._add("tag", name, tag, digest, _nanoseconds(at))
        changes = TagChange.objects.filter(repository=pk).exclude(digest="")
        moves = changes.values_list("name", "digest", "changed_at")
        for tag, digest, at in moves.iterator(chunk_size=_PIECE):
            self._add("change", name, tag, digest, _nanoseconds(at))

    def _list_referrers(self, name: str, found: Found) -> None:
        rows = self._file.execute(_REFERRERS, [name]).fetchall()
        for subject, group in itertools.groupby(rows, itemgetter(0)):
            referrers = list(group)
            tag = fallback.tag_of(subject)
            [old] = self._one(_NAMED, name, tag) or [None]
            payload = fallback.listing([row[1] for row in referrers], old)
            if payload is None:
                continue
            digest, at = str(Digest.of(payload)), max(row[2] for row in referrers)
            self._add("manifest", digest, payload)
            self._add("revision", name, digest, at, "", "")
            self._add("tag", name, tag, digest, at)
            found.fallbacks += 1

    def blobs(self) -> Iterator[tuple[NamedBlob, bool]]:
        """What is to be taken from the storage, by digest; each with whether it is damaged."""
        for digest, size, is_damaged in self._all("SELECT * FROM blob ORDER BY digest"):
            yield NamedBlob(Digest.parse(digest), size), bool(is_damaged)

    def manifests(self) -> Iterator[tuple[Digest, bytes]]:
        """The bytes of all manifests, by digest."""
        for digest, payload in self._all("SELECT * FROM manifest ORDER BY digest"):
            yield Digest.parse(digest), payload

    def repositories(self) -> Iterator[str]:
        """By name."""
        return (name for (name,) in self._all("SELECT name FROM repository ORDER BY name"))

    def layers(self, repository: str) -> Iterator[Link]:
        """The blobs that it may serve."""
        statement = "SELECT digest, at FROM layer WHERE repository = ?"
        return itertools.starmap(Link, self._all(statement, repository))

    def revisions(self, repository: str) -> Iterator[Link]:
        """Its manifests."""
        statement = "SELECT digest, at FROM revision WHERE repository = ?"
        return itertools.starmap(Link, self._all(statement, repository))

    def tags(self, repository: str) -> Iterator[NamedTag]:
        """Those whose manifest is whole, by name."""
        for name, digest, at in self._all(_TAGS, repository):
            yield NamedTag(name, Link(digest, at))

    def moves(self, repository: str, tag: NamedTag) -> dict[str, int]:
        """What the tag has named that is still here, and since when: where it did so several times,
        the last time."""
        moves = dict(self._all(_MOVES, repository, tag.name))
        moves.setdefault(tag.current.digest, tag.current.at)
        return moves

    def _add(self, table: str, *values: object) -> None:
        """Once; but a tag that is there already moves."""
        verb = "REPLACE" if table == "tag" else "INSERT OR IGNORE"
        marks = ", ".join("?" * len(values))
        # Tables are named in our code.
        self._file.execute(f"{verb} INTO {table} VALUES ({marks})", values)

    def _all(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._file.execute(statement, values)

    def _one(self, statement: str, *values: object) -> Any:
        return self._all(statement, *values).fetchone()


def _chosen(globs: Sequence[str]) -> list[tuple[int, str]]:
    """Raises BackupError."""
    rows = list(Repository.objects.order_by("name").values_list("pk", "name"))
    for glob in globs:
        if not any(patterns.matches(glob, name) for _, name in rows):
            raise BackupError(f"No repository is called {glob!r}: nothing is exported.")
    return [row for row in rows if is_chosen(row[1], globs)]


def is_chosen(name: str, globs: Sequence[str]) -> bool:
    """Whether a repository of that name is to be exported."""
    return not globs or any(patterns.matches(glob, name) for glob in globs)


def _guessed_type(payload: bytes) -> str:
    """What the Distribution project's registry takes a manifest for."""
    document: dict[str, Any] = json.loads(payload)
    guess = OCI_MANIFEST if document.get("manifests") is None else OCI_INDEX
    return document.get("mediaType") or guess


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000
