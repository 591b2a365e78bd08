"""Which rows of a table have a text somewhere in a column, without reading all of them through.

An index of all pieces of three characters answers that: on SQLite a table of its own (FTS5, whose
tokenizer `trigram` makes them), kept by triggers; on PostgreSQL indexes of the extension pg_trgm,
which a database user who may not make it has to do without (then all rows are read through).

It is no part of a migration. SQLite drops the triggers of a table that a later migration rewrites,
and an extension may come to be allowed later: so every `migrate` makes what is missing.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass

from django.db import ProgrammingError, connection, transaction

from repositories.database import execute, fetch

# Of more that match, some are found soon in any order, by looking at the rows themselves.
MOST_LOOKED_UP = 1_000
PIECE = 3

_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
_IS_MADE = "SELECT indexname FROM pg_indexes WHERE tablename = %s"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """The index of some columns of a table, whose key is `id`.

    On SQLite it is the table `index`; on PostgreSQL the indexes `<prefix>_<column>_pieces`. Columns
    in `any_case` are found whatever the case is; the others are in lower case, as texts to look for
    in them have to be.
    """

    table: str
    columns: tuple[str, ...]
    index: str
    prefix: str
    any_case: Collection[str] = ()

    def ids(self, text: str) -> list[int] | None:
        """The rows that have `text` in one of the columns, in no order.

        None where they are more than `MOST_LOOKED_UP`, or where the text is shorter than a piece.
        """
        if "\0" in text:  # which ends a text in SQLite, and PostgreSQL takes none
            return []
        if len(text) < PIECE:
            return None
        found = fetch(self.matching, [*self._values(text), MOST_LOOKED_UP + 1])
        return [id for (id,) in found] if len(found) <= MOST_LOOKED_UP else None

    @property
    def matching(self) -> str:
        """The statement that finds them. Its names are written in our code."""
        if connection.vendor == "sqlite":
            return f"SELECT rowid FROM {self.index} WHERE {self.index} MATCH %s LIMIT %s"  # noqa: S608
        conditions = (
            f"{self._indexed(c)} LIKE {'UPPER(%s)' if c in self.any_case else '%s'}"
            for c in self.columns
        )
        return f"SELECT id FROM {self.table} WHERE {' OR '.join(conditions)} LIMIT %s"  # noqa: S608

    def make(self) -> None:
        """Make what is missing of the index. Inside no transaction on which others depend."""
        if self.table not in connection.introspection.table_names():
            return  # the migrations were taken back
        if connection.vendor == "sqlite":
            self._make_table()
        else:
            self._make_indexes()

    # --- PostgreSQL ---

    def _indexed(self, column: str) -> str:
        return f"UPPER({column})" if column in self.any_case else column

    def _values(self, text: str) -> list[str]:
        if connection.vendor == "sqlite":
            quoted = text.replace('"', '""')
            return [f'"{quoted}"']
        pattern = f"%{connection.ops.prep_for_like_query(text)}%"
        return [pattern for _ in self.columns]

    def _make_indexes(self) -> None:
        # Asking for one that is there would wait for all who write, at every start of a server.
        known = {name for (name,) in fetch(_IS_MADE, [self.table])}
        missing = [c for c in self.columns if f"{self.prefix}_{c}_pieces" not in known]
        if not missing:
            return
        try:
            with transaction.atomic():
                execute(_EXTENSION, [])
                for column in missing:
                    execute(
                        f"CREATE INDEX IF NOT EXISTS {self.prefix}_{column}_pieces "
                        f"ON {self.table} USING gin (({self._indexed(column)}) gin_trgm_ops)",
                        [],
                    )
        except ProgrammingError as error:
            logger.warning(
                "searching %s reads all rows through, as the database has no extension pg_trgm: %s "
                "Have an administrator of the database run: %s",
                self.table,
                error,
                _EXTENSION,
            )

    # --- SQLite ---

    def _triggers(self) -> dict[str, str]:
        columns, index = ", ".join(self.columns), self.index
        old, new = (", ".join(f"{row}.{c}" for c in self.columns) for row in ("old", "new"))
        forget = f"INSERT INTO {index} ({index}, rowid, {columns}) VALUES ('delete', old.id, {old})"  # noqa: S608
        learn = f"INSERT INTO {index} (rowid, {columns}) VALUES (new.id, {new})"  # noqa: S608
        return {
            f"{index}_insert": f"AFTER INSERT ON {self.table} BEGIN {learn}; END",
            f"{index}_delete": f"AFTER DELETE ON {self.table} BEGIN {forget}; END",
            f"{index}_update": f"AFTER UPDATE OF {columns} ON {self.table} "
            f"BEGIN {forget}; {learn}; END",
        }

    def _make_table(self) -> None:
        """Also the contents anew, if a trigger was missing: then changes may have been missed."""
        known = {name for (name,) in fetch("SELECT name FROM sqlite_master", [])}
        triggers = self._triggers()
        missing = triggers.keys() - known
        if self.index in known and not missing:
            return
        with transaction.atomic():
            if self.index not in known:
                tokenizer = f"trigram case_sensitive {0 if self.any_case else 1}"
                execute(
                    f"CREATE VIRTUAL TABLE {self.index} USING fts5({', '.join(self.columns)}, "
                    f"content='{self.table}', content_rowid='id', tokenize='{tokenizer}')",
                    [],
                )
            for name in sorted(missing):
                execute(f"CREATE TRIGGER {name} {triggers[name]}", [])
            execute(f"INSERT INTO {self.index} ({self.index}) VALUES ('rebuild')", [])  # noqa: S608
