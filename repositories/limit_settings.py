"""Who sets which limit: quotas, immutable tags, archived repositories, the whole as read-only.

Each change waits for the writes that are under way, holds for all that come after it, and is
written into the audit log.
"""

from collections.abc import Collection, Sequence
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Membership, Team
from accounts.permissions import require_admin, require_role, visible_team
from repositories import limits, protection, quotas
from repositories.access import Principal
from repositories.administration import managed_repository
from repositories.audit import record
from repositories.limits import Quota
from repositories.models import RegistryMode, Repository, RepositoryLimits, TeamLimits
from repositories.models.limits import NEAR
from repositories.oci.names import team_of
from repositories.patterns import require as require_pattern

Role = Membership.Role
MAX_QUOTA = 2**63 - 1
# How many teams that are near their quotas are listed.
MOST_NEAR = 50

_Row = TypeVar("_Row", TeamLimits, RepositoryLimits)


def of_team(team: Team) -> TeamLimits:
    """The limits of a team that the caller may see; not saved where it has none."""
    return TeamLimits.objects.filter(team=team).first() or TeamLimits(team=team)


def of_repository(repository: Repository) -> RepositoryLimits:
    """The limits of a repository that the caller may see; not saved where it has none."""
    found = RepositoryLimits.objects.filter(repository=repository).first()
    return found or RepositoryLimits(repository=repository)


def set_team_quota(*, principal: Principal, team: str, quota: int | None) -> TeamLimits:
    """Let a team have so many bytes at most; None: as many as it likes. Administrators.

    Raises Team.DoesNotExist, PermissionDenied, ValidationError.
    """
    found = visible_team(principal, team)
    require_admin(principal)
    _check_quota(quota)
    with transaction.atomic():
        limits.change()
        row = TeamLimits.objects.get_or_create(team=found)[0]
        _store_quota(row, quota, Quota(True, found.pk, team, 0, 0))
        record(principal, "team.set-quota", team, quota=quota)
    return row


def set_repository_quota(*, principal: Principal, name: str, quota: int | None) -> RepositoryLimits:
    """Let a repository have so many bytes at most, within what its team may have. Owners.

    Raises DoesNotExist, PermissionDenied, ValidationError.
    """
    repository = managed_repository(principal, name)
    require_role(principal, team_of(name), Role.OWNER)
    _check_quota(quota)
    with transaction.atomic():
        limits.change()
        row = RepositoryLimits.objects.get_or_create(repository=repository)[0]
        _store_quota(row, quota, Quota(False, repository.pk, name, 0, 0))
        record(principal, "repository.set-quota", name, quota=quota)
    return row


def set_team_immutable_tags(
    *, principal: Principal, team: str, patterns: Sequence[str]
) -> TeamLimits:
    """Say which tags are immutable in all repositories of a team. Owners.

    Raises Team.DoesNotExist, PermissionDenied, ValidationError.
    """
    found = require_role(principal, team, Role.OWNER)
    checked = _checked_patterns(patterns)
    with transaction.atomic():
        limits.change()
        row = TeamLimits.objects.get_or_create(team=found)[0]
        before = _store_patterns(row, checked)
        record(principal, "team.set-immutable-tags", team, patterns=checked, before=before)
    return row


def set_immutable_tags(
    *, principal: Principal, name: str, patterns: Sequence[str]
) -> RepositoryLimits:
    """Say which tags are immutable in a repository, beside those of its team. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied, ValidationError.
    """
    repository = managed_repository(principal, name)
    checked = _checked_patterns(patterns)
    with transaction.atomic():
        limits.change()
        row = RepositoryLimits.objects.get_or_create(repository=repository)[0]
        before = _store_patterns(row, checked)
        record(principal, "repository.set-immutable-tags", name, patterns=checked, before=before)
    return row


def set_archived(*, principal: Principal, name: str, archived: bool) -> RepositoryLimits:
    """Make a repository read-only, or end that. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied.
    """
    repository = managed_repository(principal, name)
    with transaction.atomic():
        limits.change()
        row = RepositoryLimits.objects.get_or_create(repository=repository)[0]
        row.is_archived = archived
        row.save(update_fields=["is_archived"])
        record(principal, "repository.archive" if archived else "repository.unarchive", name)
    return row


def mode() -> RegistryMode:
    """The switch that makes the whole registry read-only; not saved where nobody ever used it."""
    return RegistryMode.objects.first() or RegistryMode(pk=RegistryMode.ONLY)


def set_read_only(*, principal: Principal, on: bool) -> RegistryMode:
    """Make the whole registry read-only, or end that. Administrators. Raises PermissionDenied.

    When it returns, no write is under way any more.
    """
    require_admin(principal)
    with transaction.atomic():
        limits.change()
        row = RegistryMode(
            pk=RegistryMode.ONLY,
            is_read_only=on,
            changed_at=timezone.now(),
            changed_by=principal.name,
        )
        row.save()
        record(principal, "registry.read-only", "on" if on else "off")
    return row


def nearly_full(*, principal: Principal) -> list[TeamLimits]:
    """Teams that are near their quotas, or over them, the fullest first; for administrators.

    Nobody else is told of any.
    """
    if not principal.is_site_admin:
        return []
    # No join: SQLite would go through all teams for those of them that have a quota.
    found = TeamLimits.objects.exclude(quota=None).prefetch_related("team")
    # Divided first: a product could be larger than what the database can hold.
    near = found.filter(used__gte=F("quota") / 100 * NEAR).order_by("pk")
    fullest = sorted(near, key=lambda row: -row.used / max(row.quota or 0, 1))
    return [row for row in fullest if row.is_nearly_full][:MOST_NEAR]


def _check_quota(quota: int | None) -> None:
    if quota is not None and not 0 <= quota <= MAX_QUOTA:
        message = _("A quota is a number of bytes from 0 to %(most)d.") % {"most": MAX_QUOTA}
        raise ValidationError({"quota": message})


def _store_quota(row: TeamLimits | RepositoryLimits, quota: int | None, counted: Quota) -> None:
    row.quota = quota
    row.used = 0 if quota is None else quotas.count(counted)
    row.save(update_fields=["quota", "used"])


def _store_patterns(row: _Row, patterns: Collection[str]) -> list[str]:
    """Returns the patterns of before."""
    before = row.patterns
    row.immutable_tags = "\n".join(patterns)
    row.save(update_fields=["immutable_tags"])
    return before


def _checked_patterns(patterns: Sequence[str]) -> list[str]:
    """Each once, in their order. Raises ValidationError."""
    found = list(dict.fromkeys(patterns))
    if len(found) > protection.MAX_PATTERNS:
        text = _("Too many patterns: use at most %(most)d.")
        raise ValidationError({"immutable_tags": text % {"most": protection.MAX_PATTERNS}})
    try:
        return [require_pattern(pattern) for pattern in found]
    except ValidationError as error:
        raise ValidationError({"immutable_tags": error.messages}) from error
