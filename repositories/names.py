"""Which repositories have a text somewhere in their names, without reading all names through.

An index of all pieces of three characters answers that: on SQLite a table of its own (FTS5, whose
tokenizer `trigram` makes them), kept by triggers; on PostgreSQL an index of the extension pg_trgm,
which a database user who may not make it has to do without (then all names are read through).

It is no part of a migration. SQLite drops the triggers of a table that a later migration rewrites,
and an extension may come to be allowed later: so every `migrate` makes what is missing.
"""

import logging
import re

from django.db import ProgrammingError, connection, transaction
from django.db.models import Q

from repositories.database import execute, fetch
from repositories.models import Repository
from repositories.oci.names import MAX_NAME_BYTES

# Of more that match, some are found soon in any order, by looking at the names themselves.
MOST_LOOKED_UP = 1_000
_NAME = re.compile(r"[a-z0-9._/-]+", re.ASCII)
_PIECE = 3
# Sorts behind every character of names.
_LAST = "~"

_TABLE = """
CREATE VIRTUAL TABLE repositories_names USING fts5(
    name, content='repositories_repository', content_rowid='id',
    tokenize='trigram case_sensitive 1'
)
"""
_FORGET = "INSERT INTO repositories_names (repositories_names, rowid, name) VALUES ('delete', {})"
_LEARN = "INSERT INTO repositories_names (rowid, name) VALUES (new.id, new.name)"
_OLD = _FORGET.format("old.id, old.name")
_TRIGGERS = {
    "repositories_names_insert": f"AFTER INSERT {{on}} BEGIN {_LEARN}; END",
    "repositories_names_delete": f"AFTER DELETE {{on}} BEGIN {_OLD}; END",
    "repositories_names_update": f"AFTER UPDATE OF name {{on}} BEGIN {_OLD}; {_LEARN}; END",
}
_REBUILD = "INSERT INTO repositories_names (repositories_names) VALUES ('rebuild')"
_MATCHING = "SELECT rowid FROM repositories_names WHERE repositories_names MATCH %s LIMIT %s"

_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
_IS_MADE = "SELECT 1 FROM pg_indexes WHERE indexname = 'repository_name_pieces'"
_INDEX = """
CREATE INDEX IF NOT EXISTS repository_name_pieces
ON repositories_repository USING gin (name gin_trgm_ops)
"""
logger = logging.getLogger(__name__)


def containing(text: str) -> Q:
    """The repositories whose name contains `text`, which is in lower case as names are.

    As ids when they are few: whatever the order is, its index is looked through for them once.
    Two characters are no piece: names are read through until enough have them, as with many ids.
    """
    if not text:
        return Q()
    if len(text) > MAX_NAME_BYTES or not _NAME.fullmatch(text):
        return Q(pk__in=())
    ids = _ids(text) if len(text) >= _PIECE else None
    few = ids is not None and len(ids) <= MOST_LOOKED_UP
    return Q(pk__in=ids) if few else Q(name__contains=text)


def beginning(text: str) -> Q:
    """Those whose name begins with `text`: a range of the index of names."""
    return Q(name__gte=text, name__lt=text + _LAST)


def _ids(text: str) -> list[int]:
    """In no order, and one more than `MOST_LOOKED_UP` where there are more."""
    if connection.vendor == "sqlite":
        return [id for (id,) in fetch(_MATCHING, [f'"{text}"', MOST_LOOKED_UP + 1])]
    found = Repository.objects.filter(name__contains=text).values_list("pk", flat=True)
    return list(found[: MOST_LOOKED_UP + 1])


def make_index() -> None:
    """Make what is missing of the index. Inside no transaction on which others depend."""
    if "repositories_repository" not in connection.introspection.table_names():
        return  # the migrations were taken back
    if connection.vendor == "sqlite":
        _make_table()
        return
    # Asking for an index that is there would wait for all who write, at every start of a server.
    if fetch(_IS_MADE, []):
        return
    try:
        with transaction.atomic():
            execute(_EXTENSION, [])
            execute(_INDEX, [])
    except ProgrammingError as error:
        logger.warning(
            "searching reads all names through, as the database has no extension pg_trgm: %s "
            "Have an administrator of the database run: %s",
            error,
            _EXTENSION,
        )


def _make_table() -> None:
    """Also the contents anew, if a trigger was missing: then changes may have been missed."""
    known = {name for (name,) in fetch("SELECT name FROM sqlite_master", [])}
    missing = _TRIGGERS.keys() - known
    if "repositories_names" in known and not missing:
        return
    with transaction.atomic():
        if "repositories_names" not in known:
            execute(_TABLE, [])
        for name in sorted(missing):
            when = _TRIGGERS[name].format(on="ON repositories_repository")
            execute(f"CREATE TRIGGER {name} {when}", [])
        execute(_REBUILD, [])
