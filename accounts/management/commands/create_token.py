"""`manage.py create_token`: a token for a user's or a robot's tools."""

import argparse
from typing import Any

from accounts import credentials
from accounts.management.local import (
    OPERATOR,
    LocalCommand,
    find_owner,
    parse_expiry,
    parse_scopes,
)


class Command(LocalCommand):
    help = "Create an access token and print it, alone, on standard output. It is not shown again."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="the user or robot it stands for")
        add_token_arguments(parser, expires="30d")
        parser.add_argument("--name", default="command line", help="what it is for")

    def run(self, *, user: str, scope: list[str], expires: str, name: str, **_: Any) -> None:
        secret = credentials.issue_token(
            principal=OPERATOR,
            owner=find_owner(user),
            name=name,
            scopes=parse_scopes(scope),
            expires_at=parse_expiry(expires),
        )[1]
        self.stdout.write(secret)


def add_token_arguments(parser: argparse.ArgumentParser, *, expires: str) -> None:
    """The options of every command that makes a token."""
    parser.add_argument(
        "--scope",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATTERN:ACTIONS",
        help="what it is limited to, such as 'team/*:pull,push'; otherwise all its owner may do",
    )
    parser.add_argument(
        "--expires",
        default=expires,
        metavar="LIFETIME",
        help=f"90m, 12h, 30d, 8w, or never (default: {expires})",
    )
