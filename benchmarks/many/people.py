"""Rows of people: users, teams, robots, tokens, and what the audit log has of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Model
from django.utils import timezone

from accounts.models import AccessToken, AuditEvent, Membership, Robot, Team, User

OWNED = "team-002"  # whose robots the member manages
_OWN_TOKENS = 60  # more than a page
_OWNED_ROBOTS = 5
_PIECE = 2_000
_ACTIONS = ("manifest.push", "manifest.push", "token.create", "user.create", "team.create")

Role = Membership.Role


def fill(size: int) -> None:
    """Fill up to `size` users, each in a team of its own and in the team `many`, as many robots of
    that team, a token for each of both, and `size` events.

    The tokens of the two who ask are the oldest, and so are the only events of refusals.
    """
    have = User.objects.filter(username__startswith="person-").count()
    if not have:
        _of_those_who_ask()
    many = Team.objects.get(name="many")
    for start in range(have, size, _PIECE):
        numbers = range(start, min(start + _PIECE, size))
        _members(numbers, many)
        _robots(numbers, many)
        _insert(AuditEvent, _events(numbers, size))


def _of_those_who_ask() -> None:
    Membership.objects.filter(user__username="member", team__name=OWNED).update(role=Role.OWNER)
    team = Team.objects.get(name=OWNED)
    robots = _insert(
        Robot, [Robot(team=team, name=f"robot-{OWNED}-{n}") for n in range(_OWNED_ROBOTS)]
    )
    owners: list[Any] = [User.objects.get(username=who) for who in ("admin", "member")]
    _insert(AccessToken, (_token(o, f"own {n}") for o in owners for n in range(_OWN_TOKENS)))
    _insert(AccessToken, (_token(robot, "build") for robot in robots))
    refusal = AuditEvent(actor="member", action="sign-in", outcome=AuditEvent.Outcome.DENIED)
    _insert(AuditEvent, [refusal])


def _members(numbers: range, many: Team) -> None:
    users = _insert(
        User,
        [
            User(username=f"person-{n:06}", email=f"p{n:06}@example.org", password="!")
            for n in numbers
        ],
    )
    teams = _insert(Team, [Team(name=f"crew-{n:06}") for n in numbers])
    _insert(
        Membership,
        [
            row
            for user, team in zip(users, teams, strict=True)
            for row in (
                Membership(user=user, team=team, role=Role.OWNER),
                Membership(user=user, team=many, role=Role.READER),
            )
        ],
    )
    _insert(AccessToken, (_token(user, "laptop") for user in users))


def _robots(numbers: range, many: Team) -> None:
    robots = _insert(Robot, [Robot(team=many, name=f"robot-many-{n:06}") for n in numbers])
    _insert(AccessToken, (_token(robot, "build") for robot in robots))


def _token(owner: User | Robot, name: str) -> AccessToken:
    is_robot = isinstance(owner, Robot)
    secret = hashlib.sha256(f"{owner} {name}".encode()).digest()
    kind = AccessToken.Kind.ROBOT if is_robot else AccessToken.Kind.PERSONAL
    whose = {"robot": owner} if is_robot else {"user": owner}
    return AccessToken(kind=kind, name=name, secret_hash=secret, hint=secret.hex()[:4], **whose)


def _events(numbers: range, size: int) -> Iterator[AuditEvent]:
    now = timezone.now()
    for n in numbers:
        yield AuditEvent(
            at=now - timedelta(seconds=size - n),
            actor=f"person-{n:06}",
            action=_ACTIONS[n % len(_ACTIONS)],
            target=f"team-{n % 20:03}/app-{n:06}",
        )


def _insert(model: type[Model], rows: Any) -> list[Any]:
    return list(model._default_manager.bulk_create(list(rows), batch_size=500))  # noqa: SLF001
