"""`manage.py migrate`: Django's, by one process at a time."""

from typing import Any

from django.core.management.commands import migrate

from registry_site import migrating


class Command(migrate.Command):
    """While another process changes the database, this one waits, and finds little left to do."""

    def handle(self, *args: Any, **options: Any) -> None:
        with migrating.alone():
            super().handle(*args, **options)
