"""Groups of an identity provider as teams and roles: applied at every sign-in by OIDC or LDAP.

What a group gave goes with the group. What was given by hand is left as it is, whatever the groups
say: memberships, and being an administrator.
"""

import logging
from collections.abc import Iterable, Mapping

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import override

from accounts import audit
from accounts.models import Membership, Team, User

Role = Membership.Role

logger = logging.getLogger(__name__)


def apply(user: User, groups: Iterable[str], *, credential: str, address: str = "") -> None:
    """Make the user's memberships what the groups say, and write down what that changed."""
    names = frozenset(groups)
    with transaction.atomic():
        # Two sign-ins at once would otherwise each add what the other has added.
        User.objects.select_for_update().get(pk=user.pk)
        changes = _apply_teams(user, _wanted(names)) | _apply_admin(user, names)
        if changes:
            audit.record(
                "user.apply-groups",
                actor=user.username,
                target=user.username,
                address=address,
                credential=credential,
                detail=changes,
            )


def _wanted(groups: frozenset[str]) -> Mapping[str, Role]:
    """The highest role in each team that one of the groups gives."""
    wanted: dict[str, Role] = {}
    for group, team, role in settings.GROUP_TEAMS:
        if group in groups:
            wanted[team] = max(Role.__members__[role.upper()], wanted.get(team, Role.READER))
    return wanted


def _apply_teams(user: User, wanted: Mapping[str, Role]) -> dict[str, object]:
    changes: dict[str, object] = {}
    present = {m.team.name: m for m in user.memberships.select_related("team")}
    for name, membership in present.items():
        if membership.source == Membership.Source.GROUP and name not in wanted:
            membership.delete()
            changes[name] = "removed"
    for name, role in wanted.items():
        found = present.get(name)
        if found is not None and (found.source == Membership.Source.GIVEN or found.role == role):
            continue
        team = _team(name)
        if team is not None:
            Membership.objects.update_or_create(
                team=team, user=user, defaults={"role": role, "source": Membership.Source.GROUP}
            )
            changes[name] = role.name.lower()
    return changes


def _team(name: str) -> Team | None:
    """The team, made when it is missing; None when a user's namespace has that name."""
    team = Team.objects.filter(name=name).first()
    if team is not None:
        return team
    team = Team(name=name)
    with override("en"):  # as all of the log is
        try:
            team.full_clean()
        except ValidationError as error:
            logger.error("REGISTRY_GROUP_TEAMS: no team %s: %s", name, "; ".join(error.messages))
            return None
    team.save()
    return team


def _apply_admin(user: User, groups: frozenset[str]) -> dict[str, object]:
    is_admin = bool(settings.ADMIN_GROUP) and settings.ADMIN_GROUP in groups
    if is_admin == user.is_admin_by_group or (is_admin and user.is_superuser):
        return {}
    user.is_superuser = user.is_staff = user.is_admin_by_group = is_admin
    user.save(update_fields=["is_superuser", "is_staff", "is_admin_by_group"])
    return {"is_admin": is_admin}
