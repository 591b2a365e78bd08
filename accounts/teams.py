"""Teams: made, joined, left; their robots. Each change is checked and audited."""

import secrets
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from accounts import names
from accounts.models import Invitation, Membership, Robot, Team, User
from accounts.models.people import RESERVED_NAMES
from accounts.people import record
from accounts.permissions import require_admin, require_role, require_user
from accounts.tokens import hash_secret
from repositories.access import Principal
from repositories.counting import CountUpTo
from repositories.oci.names import is_component

Role = Membership.Role
MOST_COUNTED = 1_000
INVITATION_LIFETIME = timedelta(days=7)


def memberships(*, principal: Principal) -> QuerySet[Membership]:
    """One's own teams, by name, with the role in each. Raises PermissionDenied."""
    own = Membership.objects.filter(user=require_user(principal))
    return own.select_related("team").order_by("team__name")


def all_teams(*, principal: Principal, search: str = "") -> QuerySet[Team]:
    """Every team whose name contains `search`. Administrators only. Raises PermissionDenied."""
    require_admin(principal)
    found = Team.objects.order_by("name")
    return found.filter(names.teams_with(search)) if search else found


def with_member_counts(found: QuerySet[Team]) -> QuerySet[Team]:
    """The teams with their `member_count`; more than `MOST_COUNTED` stand for however many more.

    Counted for the teams of one page: a join would count the members of all.
    """
    members = Membership.objects.filter(team=OuterRef("pk"))
    return found.annotate(member_count=CountUpTo(members, MOST_COUNTED + 1))


def members(team: Team) -> QuerySet[Membership]:
    """The members, by name; the caller has made sure that the principal may know.

    Of few the database looks for each; where they are many, it goes through the names of users,
    and soon has a page of them.
    """
    found = Membership.objects.select_related("user").order_by("user__username")
    ids = list(team.memberships.values_list("pk", flat=True)[: MOST_COUNTED + 1])
    if len(ids) <= MOST_COUNTED:
        return found.filter(pk__in=ids)
    if connection.vendor == "sqlite":
        # A sum has no index: it would sort all that it finds by that of the team.
        return found.annotate(of_team=F("team_id") + 0).filter(of_team=team.pk)
    return found.filter(team=team)


def create_team(*, principal: Principal, name: str) -> Team:
    """A new team, whose owner is whoever makes it. Raises PermissionDenied, ValidationError."""
    user_id = require_user(principal)
    if name in RESERVED_NAMES:  # whoever had the default team would own all names without a slash
        require_admin(principal)
    team = Team(name=name)
    with transaction.atomic():
        team.full_clean()
        team.save()
        Membership.objects.create(team=team, user_id=user_id, role=Role.OWNER)
        record(principal, "team.create", name)
    return team


def delete_team(*, principal: Principal, team: str) -> None:
    """Remove a team that owns no repository. Owners only.

    Raises Team.DoesNotExist, PermissionDenied, ValidationError.
    """
    found = require_role(principal, team, Role.OWNER)
    if found.repositories.exists():
        raise ValidationError(
            gettext("The team still owns repositories; delete or move them first.")
        )
    with transaction.atomic():
        found.delete()
        record(principal, "team.delete", team)


def set_member(*, principal: Principal, team: str, user: User, role: Role) -> Membership:
    """Make a user a member, or change their role. Owners only; the last owner stays one.

    Raises Team.DoesNotExist, PermissionDenied, ValidationError.
    """
    found = require_role(principal, team, Role.OWNER)
    with transaction.atomic():
        if role < Role.OWNER:
            _keep_an_owner(found, user)
        membership, _ = Membership.objects.update_or_create(
            team=found,
            user=user,
            defaults={"role": role, "source": Membership.Source.GIVEN},
        )
        record(principal, "team.set-member", team, member=user.username, role=role.name.lower())
    return membership


def remove_member(*, principal: Principal, team: str, user: User) -> None:
    """Take a user out of a team. Owners, and the user themselves.

    Raises Team.DoesNotExist, PermissionDenied, ValidationError.
    """
    least = Role.READER if user.pk == principal.user_id else Role.OWNER
    found = require_role(principal, team, least)
    with transaction.atomic():
        _keep_an_owner(found, user)
        found.memberships.filter(user=user).delete()
        record(principal, "team.remove-member", team, member=user.username)


def _keep_an_owner(team: Team, leaving: User) -> None:
    owners = list(
        team.memberships.select_for_update()
        .filter(role=Role.OWNER)
        .values_list("user_id", flat=True)
    )
    if owners == [leaving.pk]:
        raise ValidationError(gettext("The team needs an owner: make somebody else one first."))


def invite(*, principal: Principal, team: str, role: Role) -> tuple[Invitation, str]:
    """An invitation and the secret of its link, shown once. Owners only."""
    found = require_role(principal, team, Role.OWNER)
    secret = secrets.token_urlsafe(24)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            team=found,
            role=role,
            secret_hash=hash_secret(secret),
            created_by_id=require_user(principal),
            expires_at=timezone.now() + INVITATION_LIFETIME,
        )
        record(principal, "team.invite", team, role=role.name.lower())
    return invitation, secret


def open_invitations(*, principal: Principal, team: str) -> QuerySet[Invitation]:
    """Invitations that can still be used, the newest first. Owners only.

    Raises Team.DoesNotExist, PermissionDenied.
    """
    found = require_role(principal, team, Role.OWNER).invitations.select_related("created_by")
    return found.filter(used_at=None, expires_at__gt=timezone.now()).order_by("-pk")


def find_invitation(secret: str) -> Invitation:
    """The open invitation of a link. Raises Invitation.DoesNotExist."""
    return Invitation.objects.select_related("team", "created_by").get(
        secret_hash=hash_secret(secret), used_at=None, expires_at__gt=timezone.now()
    )


def accept(*, principal: Principal, secret: str) -> Membership:
    """Join a team by an invitation; a member keeps the higher role.

    Raises Invitation.DoesNotExist for one that is unknown, used or expired, PermissionDenied.
    """
    user_id = require_user(principal)
    with transaction.atomic():
        invitation = find_invitation(secret)
        taken = Invitation.objects.filter(pk=invitation.pk, used_at=None).update(
            used_at=timezone.now(), used_by_id=user_id
        )
        if not taken:
            raise Invitation.DoesNotExist
        membership, is_new = Membership.objects.get_or_create(
            team=invitation.team, user_id=user_id, defaults={"role": invitation.role}
        )
        if not is_new and membership.role < invitation.role:
            membership.role = invitation.role
            membership.source = Membership.Source.GIVEN
            membership.save(update_fields=["role", "source"])
        record(principal, "team.join", invitation.team.name)
    return membership


def withdraw(*, principal: Principal, invitation: Invitation) -> None:
    """Make an invitation's link useless. Owners only."""
    require_role(principal, invitation.team.name, Role.OWNER)
    invitation.delete()
    record(principal, "team.withdraw-invitation", invitation.team.name)


def purge_invitations() -> int:
    """Remove invitations that nobody can use any more; how many."""
    is_over = Q(expires_at__lt=timezone.now()) | Q(used_at__isnull=False)
    deleted, _ = Invitation.objects.filter(is_over).delete()
    return deleted


def create_robot(*, principal: Principal, team: str, name: str, description: str = "") -> Robot:
    """A robot of the team, called `robot-<team>-<name>`. Owners only.

    Raises Team.DoesNotExist, PermissionDenied, ValidationError.
    """
    found = require_role(principal, team, Role.OWNER)
    if not is_component(name):
        raise ValidationError(
            {"name": gettext("Use lower-case letters and digits, separated by '-'.")}
        )
    robot = Robot(team=found, name=f"robot-{team}-{name}", description=description)
    with transaction.atomic():
        robot.full_clean()
        if User.objects.filter(username=robot.name).exists():
            raise ValidationError({"name": gettext("A user has that name; choose another.")})
        robot.save()
        record(principal, "robot.create", robot.name)
    return robot


def robots(*, principal: Principal, team: str) -> QuerySet[Robot]:
    """The team's robots, by name. Owners only. Raises Team.DoesNotExist, PermissionDenied."""
    found = require_role(principal, team, Role.OWNER).robots.select_related("team")
    return found.order_by("name")


def set_robot_active(*, principal: Principal, robot: Robot, is_active: bool) -> None:
    """Disable or enable a robot with all its tokens. Owners only."""
    require_role(principal, robot.team.name, Role.OWNER)
    robot.is_active = is_active
    robot.save(update_fields=["is_active"])
    record(principal, "robot.update", robot.name, is_active=is_active)


def delete_robot(*, principal: Principal, robot: Robot) -> None:
    """Remove a robot with its tokens. Owners only."""
    require_role(principal, robot.team.name, Role.OWNER)
    name = robot.name
    robot.delete()
    record(principal, "robot.delete", name)
