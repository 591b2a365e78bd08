"""`manage.py read_only on|off`: stop pushes, deletes and garbage collection, or let them go on."""

import argparse
from typing import Any

from django.conf import settings

from accounts.management.local import OPERATOR, LocalCommand
from repositories import limit_settings, read_only


class Command(LocalCommand):
    help = (
        "Make the whole registry read-only, or end that; without a word, only say which it is. "
        "Pulls go on. When `on` has returned, no write is under way any more."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("state", nargs="?", choices=("on", "off"))

    def run(self, *, state: str | None, **_: Any) -> None:
        if state:
            limit_settings.set_read_only(principal=OPERATOR, on=state == "on")
        if settings.READ_ONLY:
            self.stdout.write(f"read-only: by {read_only.setting()}, whatever the switch says")
        elif read_only.is_on():
            self.stdout.write("read-only: pushes and deletes are refused, nothing is collected")
        else:
            self.stdout.write("not read-only: everything goes on")
