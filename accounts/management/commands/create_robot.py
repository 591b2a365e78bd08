"""`manage.py create_robot`: a machine that acts for a team, and its first token."""

import argparse
from typing import Any

from django.db import transaction

from accounts import credentials, teams
from accounts.management.commands.create_token import add_token_arguments
from accounts.management.local import OPERATOR, LocalCommand, parse_expiry, parse_scopes
from accounts.models import Team


class Command(LocalCommand):
    help = (
        "Create a robot of a team. Its name, to sign in with, is printed on standard error; its "
        "token, alone, on standard output. It is not shown again."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("team")
        parser.add_argument("name", help="what it is for: the robot is called robot-TEAM-NAME")
        add_token_arguments(parser, expires="365d")
        parser.add_argument("--description", default="")

    def run(
        self,
        *,
        team: str,
        name: str,
        scope: list[str],
        expires: str,
        description: str,
        **_: Any,
    ) -> None:
        if not Team.objects.filter(name=team).exists():
            raise Team.DoesNotExist(f"There is no team {team!r}: make it, or push to it, first.")
        scopes, expires_at = parse_scopes(scope), parse_expiry(expires)
        with transaction.atomic():
            robot = teams.create_robot(
                principal=OPERATOR, team=team, name=name, description=description
            )
            secret = credentials.issue_token(
                principal=OPERATOR, owner=robot, name=name, scopes=scopes, expires_at=expires_at
            )[1]
        self.stderr.write(robot.name, self.style.SUCCESS)
        self.stdout.write(secret)
