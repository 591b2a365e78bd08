"""Retention policies of teams and repositories: a repository's stands in the place of its team's.

See `retention_rules` for what a policy can say, `retention_plan` for what follows from it,
`retention_previews` for saying so beforehand, and `retention_runs` for doing it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from accounts.models import Membership
from accounts.permissions import require_role
from repositories import reviews
from repositories.access import Principal
from repositories.administration import managed_repository
from repositories.audit import record
from repositories.models import Repository, RetentionPolicy
from repositories.retention_rules import Rules, parse

Role = Membership.Role


class Policy(NamedTuple):
    """The rules that are in force somewhere; `team` says whether they are those of the team."""

    rules: Rules = ()
    is_set: bool = False
    is_teams: bool = False
    changed_at: datetime | None = None
    changed_by: str = ""


NONE = Policy()


def policy_of(repository: Repository) -> Policy:
    """The policy in force in a repository: its own, or its team's, or none."""
    own = RetentionPolicy.objects.filter(repository=repository).first()
    row = own or RetentionPolicy.objects.filter(team=repository.team_id).first()
    return _policy(row, is_teams=own is None)


def repository_policy(*, principal: Principal, repository: str) -> Policy:
    """The policy in force in a repository. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied.
    """
    return policy_of(managed_repository(principal, repository))


def team_policy(*, principal: Principal, team: str) -> Policy:
    """The team's policy, or none. Owners. Raises Team.DoesNotExist, PermissionDenied."""
    found = require_role(principal, team, Role.OWNER)
    return _policy(RetentionPolicy.objects.filter(team=found).first(), is_teams=True)


def _policy(row: RetentionPolicy | None, *, is_teams: bool) -> Policy:
    if row is None:
        return NONE
    return Policy(parse(row.rules), True, is_teams, row.changed_at, row.changed_by)


def set_repository_policy(*, principal: Principal, repository: str, rules: Rules) -> Policy:
    """Give a repository rules of its own; without any it keeps everything. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied.
    """
    row = managed_repository(principal, repository)
    with _changing(principal, repository, rules):
        _save(principal, rules, repository=row)
    return policy_of(row)


def set_team_policy(*, principal: Principal, team: str, rules: Rules) -> Policy:
    """Give a team rules, for its repositories without their own. Owners.

    Raises Team.DoesNotExist, PermissionDenied.
    """
    row = require_role(principal, team, Role.OWNER)
    with _changing(principal, team, rules):
        _save(principal, rules, team=row)
    return team_policy(principal=principal, team=team)


def remove_repository_policy(*, principal: Principal, repository: str) -> None:
    """Let the team's policy be in force in a repository. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied.
    """
    row = managed_repository(principal, repository)
    with _changing(principal, repository, None):
        RetentionPolicy.objects.filter(repository=row).delete()


def remove_team_policy(*, principal: Principal, team: str) -> None:
    """Let a team have no policy. Owners. Raises Team.DoesNotExist, PermissionDenied."""
    row = require_role(principal, team, Role.OWNER)
    with _changing(principal, team, None):
        RetentionPolicy.objects.filter(team=row).delete()


def _save(principal: Principal, rules: Rules, **owner: Any) -> None:
    values = {
        "rules": [rule.as_json() for rule in rules],
        "changed_at": timezone.now(),
        "changed_by": principal.name,
    }
    RetentionPolicy.objects.update_or_create(**owner, defaults=values)


@contextmanager
def _changing(principal: Principal, target: str, rules: Rules | None) -> Iterator[None]:
    """A transaction that changes a policy, and says so in the audit log."""
    with transaction.atomic():
        yield
        if rules is None:
            record(principal, "retention.remove-policy", target)
        else:
            told = [rule.as_json() for rule in rules]
            record(principal, "retention.set-policy", target, rules=told)
        transaction.on_commit(reviews.forget_policies)
