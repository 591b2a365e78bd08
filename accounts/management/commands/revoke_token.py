"""`manage.py revoke_token`: end tokens, such as one that was found where it should not be."""

import argparse
from typing import Any

from django.core.management import CommandError
from django.db.models import Q, QuerySet

from accounts import credentials
from accounts.management.local import OPERATOR, LocalCommand, find_owner
from accounts.models import AccessToken, Robot


class Command(LocalCommand):
    help = "Revoke a token by its id or its last four characters, or all tokens of a user or robot."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("token", nargs="?", help="its id (see list_tokens), or how it ends")
        parser.add_argument("--user", help="a token of this user or robot; with --all, each")
        parser.add_argument("--all", action="store_true", help="every token of --user")

    def run(self, *, token: str | None, user: str | None, all: bool, **_: Any) -> None:  # noqa: A002
        if all == (token is not None) or (all and user is None):
            raise CommandError("Name one token, by its id or its end, or give --user NAME --all.")
        found = credentials.visible_tokens(OPERATOR)
        if user is not None:
            owner = find_owner(user)
            found = found.filter(**{"robot" if isinstance(owner, Robot) else "user": owner})
        for chosen in found if token is None else [_one(found, token)]:
            credentials.revoke_token(principal=OPERATOR, token_id=chosen.pk)
            self.stdout.write(f"revoked {chosen.owner_name}: {chosen}")


def _one(found: QuerySet[AccessToken], text: str) -> AccessToken:
    """The token of this id or this end; nothing is revoked on a guess. Raises CommandError."""
    wanted = Q(hint=text.removeprefix("…")[-4:]) if text else Q(pk__in=())
    if text.isascii() and text.isdigit() and len(text) < 19:
        wanted |= Q(pk=int(text))
    matches = list(found.filter(wanted)[:10])
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise CommandError(f"No token has the id or the end {text!r}; see list_tokens.")
    listed = "\n".join(f"  {match.pk}  {match.owner_name}: {match}" for match in matches)
    raise CommandError(f"{text!r} means several tokens; name one by its id:\n{listed}")
