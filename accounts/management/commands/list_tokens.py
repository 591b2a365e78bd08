"""`manage.py list_tokens`: which tokens there are, without their secrets."""

import argparse
from datetime import datetime
from typing import IO, Any, cast

from rich.console import Console
from rich.table import Table

from accounts import credentials
from accounts.management.local import OPERATOR, LocalCommand, find_owner
from accounts.models import Robot

COLUMNS = ("id", "of", "kind", "name", "ends in", "scopes", "created", "expires", "last used")

WIDE = 240


class Command(LocalCommand):
    help = "List access tokens: the newest first, and never their secrets."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--user", help="only those of this user or robot")

    def run(self, *, user: str | None, **_: Any) -> None:
        found = credentials.visible_tokens(OPERATOR)
        if user is not None:
            owner = find_owner(user)
            found = found.filter(**{"robot" if isinstance(owner, Robot) else "user": owner})
        table = Table(*COLUMNS, box=None)
        for token in found.iterator(chunk_size=1000):
            table.add_row(
                str(token.pk),
                token.owner_name,
                token.kind,
                token.name,
                token.hint,
                token.scopes or "everything",
                _moment(token.created_at),
                _moment(token.expires_at),
                _moment(token.last_used_at),
            )
        width = None if self.stdout.isatty() else WIDE  # a file has no edge to wrap at
        Console(
            file=cast("IO[str]", self.stdout), width=width, highlight=False, markup=False
        ).print(table)


def _moment(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "never"
