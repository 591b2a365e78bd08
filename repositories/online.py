"""What migrations do to large tables while everybody goes on reading and writing them."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddIndex
from django.db.migrations.state import ProjectState

_IS_WHOLE = """
SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = %s
"""


class AddIndexOnline(AddIndex):
    """Make an index; on PostgreSQL without a lock that writers wait for.

    For migrations that are not `atomic` and have no other operations: these may be done again.
    What was left half made, when the server ended say, is made anew.
    """

    atomic = False

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        editor: Any = schema_editor
        with editor.connection.cursor() as cursor:
            cursor.execute(_IS_WHOLE, [self.index.name])
            found = cursor.fetchone()
        if found == (True,):
            return
        if found:
            editor.remove_index(model, self.index, concurrently=True)
        editor.add_index(model, self.index, concurrently=True)
