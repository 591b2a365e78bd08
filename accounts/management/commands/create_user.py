"""`manage.py create_user`: somebody who may sign in."""

import argparse
import getpass
import secrets
import sys
from typing import Any

from django.core.management import CommandError

from accounts import people
from accounts.management.local import OPERATOR, LocalCommand


class Command(LocalCommand):
    help = "Create a user. Without --password-stdin a random password is printed, this once."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--admin", action="store_true", help="make them an administrator")
        parser.add_argument("--email", default="")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input"
        )

    def run(self, *, name: str, admin: bool, email: str, password_stdin: bool, **_: Any) -> None:
        password = _read_password() if password_stdin else secrets.token_urlsafe(18)
        people.create_user(
            principal=OPERATOR, name=name, password=password, email=email, is_admin=admin
        )
        what = "administrator" if admin else "user"
        self.stderr.write(f"{what} {name} created", self.style.SUCCESS)
        if not password_stdin:
            self.stdout.write(password)


def _read_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass()
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise CommandError("Standard input has no password: echo one into the command.")
    return password
