"""`python -m tests.registry_site.migrating`: every migration back and forth again, with rows in
every table. In a process of its own, over the database that its environment names."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry_site.settings")
django.setup()

from django.apps import apps  # noqa: E402
from django.contrib.auth.models import Group, Permission  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts import tokens  # noqa: E402
from accounts.models import Team, User  # noqa: E402
from repositories.access import principal_of  # noqa: E402
from repositories.models import RetentionPolicy  # noqa: E402
from tests.oci import documents  # noqa: E402
from tests.repositories.content import described, push_document, push_image  # noqa: E402

APPS = ("accounts", "repositories")
Rows = dict[str, list[dict[str, str]]]


def migrate(app: str, name: str) -> None:
    call_command("migrate", app, name, verbosity=0, interactive=False)


def names(app: str) -> list[str]:
    """The migrations of an app, in their order."""
    return sorted(name for label, name in MigrationLoader(None).disk_migrations if label == app)


def rows() -> Rows:
    """Everything that is in our tables, as text, by table and column."""
    found: Rows = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            if not table.startswith(APPS) or "_names" in table:  # see repositories/parts.py
                continue
            cursor.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in cursor.description]
            content = [
                {column: _text(value) for column, value in zip(columns, row, strict=True)}
                for row in cursor.fetchall()
            ]
            found[table] = sorted(content, key=lambda row: sorted(row.items()))
    return found


def _text(value: object) -> str:
    return repr(bytes(value)) if isinstance(value, memoryview | bytes) else str(value)


def shared(of: Rows, like: Rows) -> Rows:
    """The tables and columns of `of` that `like` has, too."""
    cut: Rows = {}
    for table, content in like.items():
        columns = content[0].keys() if content else ()
        kept = [{column: row[column] for column in columns} for row in of[table]]
        cut[table] = sorted(kept, key=lambda row: sorted(row.items()))
    return cut


def fill() -> None:
    """Images, an index and a referrer by the way of every push, and a row in each other table."""
    user = User.objects.create_superuser("operator", password="of the operator's")
    RetentionPolicy.objects.create(team=Team.objects.create(name="payments"))
    user.groups.add(Group.objects.create(name="of nobody"))
    user.user_permissions.add(*Permission.objects.all()[:1])
    tokens.create(owner=user, name="of the command line")
    principal = principal_of(user)
    pushed = [push_image(principal, layer, tags=[f"v{layer[0]}"]) for layer in (b"one", b"two")]
    push_document(principal, documents.index(*map(described, pushed)), tags=["all"])
    push_image(principal, b"a signature", subject=described(pushed[0]))
    for app in APPS:
        for model in apps.get_app_config(app).get_models():
            one_of(model)


def one_of(model: type[models.Model]) -> models.Model:
    """A row of the model: the first one there is, or a new one."""
    found = model._default_manager.first()
    if found is None:
        fields = [field for field in model._meta.concrete_fields if not _is_made(field)]
        found = model(**{field.name: _value(field) for field in fields})
        if isinstance(model._meta.pk, models.AutoField):
            found.pk = 1
        found.save(force_insert=True)
    return found


def _is_made(field: models.Field[Any, Any]) -> bool:
    return field.has_default() or field.null or isinstance(field, models.AutoField)


def _value(field: models.Field[Any, Any]) -> object:
    if field.flatchoices:
        return field.flatchoices[0][0]
    if isinstance(field, models.ForeignKey):
        return one_of(field.related_model)
    if isinstance(field, models.DateTimeField):
        return timezone.now()
    if isinstance(field, models.DateField):
        return timezone.now().date()
    if isinstance(field, models.IntegerField):
        return 1
    if isinstance(field, models.BooleanField):
        return True
    if isinstance(field, models.GenericIPAddressField):
        return "192.0.2.1"
    if isinstance(field, models.BinaryField):
        return b"bytes"
    return "x"


def differences(now: Rows, before: Rows) -> list[str]:
    return [table for table in before if now[table] != before[table]]


def main() -> int:
    """Print what was done, and what is not as it was."""
    problems: list[str] = []
    call_command("migrate", verbosity=0, interactive=False)
    fill()
    top = rows()
    problems += [f"{table} has no row" for table, content in top.items() if not content]
    order = names("repositories")
    for name in reversed(order[:-1]):
        migrate("repositories", name)
    bottom = rows()
    problems += [f"{table} is empty at {order[0]}" for table in bottom if not bottom[table]]
    problems += [f"{table} at {order[0]}" for table in differences(shared(top, bottom), bottom)]
    for name in order[1:]:
        migrate("repositories", name)
        problems += [f"{table} at {name}" for table in differences(shared(rows(), bottom), bottom)]
    read = sum(model.objects.count() for app in APPS for model in _models(app))
    for app in reversed(APPS):
        migrate(app, "zero")
    left = list(rows())
    call_command("migrate", verbosity=0, interactive=False)
    problems += [f"{table} is left" for table in left]
    json.dump({"problems": problems, "tables": len(top), "rows": read}, sys.stdout)
    return bool(problems)


def _models(app: str) -> list[Any]:
    found = list(apps.get_app_config(app).get_models())
    for model in found:
        list(model._default_manager.all())  # each column is there
    return found


if __name__ == "__main__":
    sys.exit(main())
