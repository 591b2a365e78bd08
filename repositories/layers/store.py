"""The file that a listing is: SQLite, written once by the child, then only read.

Rows are in the order in which they are shown: the children of a folder have consecutive ids. So a
page of a folder is a range of the primary key, and nobody reads more of a listing than a page.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from repositories.layers.tree import Kind, Node

FORMAT = 1
PAGE_SIZE = 200
MAX_HITS = 200
_MAX_TOTAL = 2**63 - 1
_HIDES, _OPAQUE, _IMPLIED = 1, 2, 4
_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA user_version = {FORMAT};
CREATE TABLE summary (content TEXT NOT NULL);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, parent INTEGER, name TEXT, kind TEXT, size INTEGER, mode INTEGER,
    uid INTEGER, gid INTEGER, mtime INTEGER, link TEXT, layer INTEGER, flags INTEGER,
    first INTEGER, children INTEGER, total INTEGER, files INTEGER
);
"""
_INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BY_ID = "SELECT * FROM entry WHERE id = ?"
_BY_NAME = "SELECT * FROM entry WHERE parent = ? AND name = ?"


class Row(NamedTuple):
    """A row of a listing. `total` is the size in bytes of all files below, itself included, and
    `files` their number; `layer` where it came from, the lowest being 0; `mtime` is UTC seconds."""

    id: int
    parent: int
    name: str
    kind: Kind
    size: int
    mode: int
    uid: int
    gid: int
    mtime: int
    link: str
    layer: int
    flags: int
    first: int
    children: int
    total: int
    files: int

    @property
    def hides(self) -> bool:
        return bool(self.flags & _HIDES)

    @property
    def is_opaque(self) -> bool:
        return bool(self.flags & _OPAQUE)

    @property
    def is_implied(self) -> bool:
        return bool(self.flags & _IMPLIED)

    @property
    def is_folder(self) -> bool:
        return self.kind is Kind.FOLDER


class Folder(NamedTuple):
    """A page of a folder; `next` is the id to go on behind, None on the last page."""

    row: Row
    rows: list[Row]
    next: int | None


class Found(NamedTuple):
    """What a search found, each with its path; `is_cut` when there is more."""

    rows: list[tuple[str, Row]]
    is_cut: bool


def write(path: Path, root: Node, summary: Mapping[str, object]) -> None:
    """Write a listing. Raises sqlite3.Error, which a full disk is too."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.executescript(_SCHEMA)
        database.execute("BEGIN")
        database.executemany(_INSERT, _rows(root))
        database.execute("INSERT INTO summary VALUES (?)", [json.dumps(summary)])
        database.execute("CREATE UNIQUE INDEX entry_name ON entry (parent, name)")
        database.execute("COMMIT")
    finally:
        database.close()


def _rows(root: Node) -> Iterator[tuple[object, ...]]:
    nodes, parents, firsts = [root], [0], []
    for number, node in enumerate(nodes):  # which grows meanwhile
        children = node.sorted_children()
        firsts.append(len(nodes) + 1)
        nodes.extend(children)
        parents.extend([number + 1] * len(children))
    totals = [node.size for node in nodes]
    files = [int(node.kind not in (Kind.FOLDER, Kind.DELETED)) for node in nodes]
    for number in range(len(nodes) - 1, 0, -1):
        totals[parents[number] - 1] += totals[number]
        files[parents[number] - 1] += files[number]
    for number, node in enumerate(nodes):
        flags = _HIDES * node.hides | _OPAQUE * node.is_opaque | _IMPLIED * node.is_implied
        yield (
            *(number + 1, parents[number], node.name, node.kind.value, node.size, node.mode),
            *(node.uid, node.gid, node.mtime, node.link, node.layer, flags),
            *(firsts[number], len(node.children), min(totals[number], _MAX_TOTAL)),
            files[number],
        )


class Listing:
    """A listing to read from. Its methods raise sqlite3.Error and ValueError when the file is
    damaged."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != FORMAT:
            raise ValueError("a listing of another version")
        row = database.execute("SELECT content FROM summary").fetchone()
        if row is None:
            raise ValueError("a listing without a summary")
        self.summary: dict[str, Any] = json.loads(row[0])

    def rows(self) -> Iterator[Row]:
        """Every row, folders before what is in them."""
        return map(_row, self._database.execute("SELECT * FROM entry ORDER BY id"))

    def entry(self, path: str) -> Row | None:
        """The row of a path such as `usr/bin`; the root's for an empty one."""
        row = self._one(_BY_ID, 1)
        for name in filter(None, path.split("/")):
            if row is None:
                return None
            row = self._one(_BY_NAME, row.id, name)
        return row

    def _one(self, query: str, *values: object) -> Row | None:
        row = self._database.execute(query, values).fetchone()
        return _row(row) if row else None

    def folder(self, path: str, *, after: int = 0, limit: int = PAGE_SIZE) -> Folder | None:
        """What is in a folder, folders first, behind the id `after`; None if it is no folder."""
        row = self.entry(path)
        if row is None or not row.is_folder:
            return None
        end = row.first + row.children
        start = max(row.first, min(after, end) + 1)
        found = self._database.execute(
            "SELECT * FROM entry WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            [start, end, limit + 1],
        )
        rows = [_row(item) for item in found]
        has_more = len(rows) > limit
        return Folder(row, rows[:limit], rows[limit - 1].id if has_more else None)

    def find(self, text: str, *, limit: int = MAX_HITS) -> Found:
        """What has `text` in its name; ASCII letters are the same in either case."""
        found = self._database.execute(
            "SELECT * FROM entry WHERE id > 1 AND instr(lower(name), ?) LIMIT ?",
            [_ascii_lower(text), limit + 1],
        )
        rows = [_row(item) for item in found]
        return Found([(self._path(row), row) for row in rows[:limit]], len(rows) > limit)

    def _path(self, row: Row) -> str:
        names = [row.name]
        while row.parent > 1:
            above = self._one(_BY_ID, row.parent)
            if above is None or above.id >= row.id:
                raise ValueError("a listing that leads in circles")
            row = above
            names.append(row.name)
        return "/".join(reversed(names))


def _ascii_lower(text: str) -> str:
    """As SQLite's lower() has it."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def _row(values: tuple[Any, ...]) -> Row:
    return Row(*values)._replace(kind=Kind(values[3]))


@contextmanager
def reading(path: Path) -> Iterator[Listing]:
    """Open a listing. Raises FileNotFoundError, and sqlite3.Error, ValueError when damaged."""
    with path.open("rb"):  # SQLite tells less about what is missing
        database = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    try:
        yield Listing(database)
    finally:
        database.close()
