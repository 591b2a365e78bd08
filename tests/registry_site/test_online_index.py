"""Indexes that a migration makes while others write."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from repositories.database import execute, fetch
from repositories.online import AddIndexOnline

NAME = "manifest_referrers_of_type"
_IS_WHOLE = "SELECT indexrelid, indisvalid FROM pg_index WHERE indexrelid = %s::regclass"


def make_again() -> None:
    """Do what the migration does, which may have been interrupted, once more."""
    loader = MigrationLoader(connection)
    migration = loader.get_migration("repositories", "0015_referrers_of_type")
    (operation,) = migration.operations
    assert isinstance(operation, AddIndexOnline)
    assert not migration.atomic
    state = loader.project_state(("repositories", migration.name))
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("repositories", editor, state, state)


@pytest.mark.django_db(transaction=True)
def test_an_index_that_was_left_half_made_is_made_anew_and_a_whole_one_stays() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite makes an index in a transaction: all of it or nothing")
    ((first, _),) = fetch(_IS_WHOLE, [NAME])
    make_again()
    assert fetch(_IS_WHOLE, [NAME]) == [(first, True)]
    execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s", [first])
    make_again()
    ((second, is_whole),) = fetch(_IS_WHOLE, [NAME])
    assert is_whole
    assert second != first
