"""What the commands share: whoever runs them has the machine, so everything is allowed, and the
audit log says that it was done by command."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist, ValidationError
from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Robot, User
from repositories.access import Principal
from repositories.oci.scopes import TokenScope, parse_token_scopes

# No user has the id 0.
OPERATOR = Principal(
    name="command line",
    user_id=0,
    is_admin=True,
    is_site_admin=True,
    credential="command line",
)

_LIFETIME = re.compile(r"([0-9]{1,5})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class LocalCommand(BaseCommand):
    """A command over the domain functions: what they refuse is told in one line, exit status 1."""

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.run(**options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except (ImproperlyConfigured, ObjectDoesNotExist) as error:
            raise CommandError(str(error)) from error

    def run(self, *args: Any, **options: Any) -> None:
        raise NotImplementedError


def find_user(name: str) -> User:
    """Raises CommandError."""
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no user {name!r}; make one with: create_user NAME")
    return user


def find_owner(name: str) -> User | Robot:
    """The user or robot that tokens stand for. Raises CommandError."""
    found = User.objects.filter(username=name).first() or Robot.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no user or robot {name!r}; make one with: create_user NAME")
    return found


def parse_scopes(words: list[str]) -> tuple[TokenScope, ...]:
    """The `--scope` options. Raises CommandError."""
    try:
        return parse_token_scopes(" ".join(words))
    except ValueError as error:
        raise CommandError(f"--scope: {error}") from error


def parse_expiry(text: str) -> datetime | None:
    """The moment that `--expires 30d` means; None for `never`. Raises CommandError."""
    if text == "never":
        return None
    match = _LIFETIME.fullmatch(text)
    if match is None or not int(match[1]):
        raise CommandError(f"--expires: {text!r} is not a lifetime; write 90m, 12h, 30d, 8w, never")
    return timezone.now() + timedelta(**{_UNITS[match[2]]: int(match[1])})
