"""`manage.py remove_second_factor`: for somebody who lost their authenticator app."""

import argparse
from typing import Any

from accounts import people
from accounts.management.local import OPERATOR, LocalCommand, find_user


class Command(LocalCommand):
    help = "Let a user sign in by password alone again; they can turn a second factor on anew."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name")

    def run(self, *, name: str, **_: Any) -> None:
        people.remove_second_factor(principal=OPERATOR, user=find_user(name))
        self.stderr.write(f"{name} has no second factor any more", self.style.SUCCESS)
