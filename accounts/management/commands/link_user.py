"""`manage.py link_user`: hand an existing user over to LDAP or an htpasswd file, or back."""

import argparse
from typing import Any

from accounts import people
from accounts.management.local import OPERATOR, LocalCommand, find_user
from accounts.models import User


class Command(LocalCommand):
    help = (
        "Decide who keeps a user's password: ldap, htpasswd or local. The source has to know the "
        "user by the same name. Teams, tokens and rights stay."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("source", choices=[source.value for source in people.LINKABLE])

    def run(self, *, name: str, source: str, **_: Any) -> None:
        user = find_user(name)
        people.link_user(principal=OPERATOR, user=user, source=User.Source(source))
        by = User.Source(source).label
        self.stderr.write(f"the password of {name} is kept by {by} now", self.style.SUCCESS)
