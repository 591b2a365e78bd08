"""Who may manage people, teams and tokens: the questions that every page and API call asks.

What somebody may not see raises the same DoesNotExist as what does not exist.
"""

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts.models import Membership, Team
from repositories.access import Principal, team_role

Role = Membership.Role


def require_user(principal: Principal) -> int:
    """The id of the signed-in user. Raises PermissionDenied for robots and for nobody.

    A token with scopes is for pushing and pulling: it manages nothing (CVE-2025-68944).
    """
    if principal.user_id is None or principal.scopes is not None or principal.grants is not None:
        raise PermissionDenied(
            gettext("Sign in as a user, or with a token that is not limited by scopes.")
        )
    return principal.user_id


def require_admin(principal: Principal) -> None:
    """Raises PermissionDenied for everybody but administrators."""
    require_user(principal)
    if not principal.is_site_admin:
        raise PermissionDenied(gettext("Only administrators may do this; ask one of them."))


def visible_team(principal: Principal, name: str) -> Team:
    """The team, if the principal is in it or an administrator. Raises Team.DoesNotExist."""
    return team_and_role(principal, name)[0]


def team_and_role(
    principal: Principal, name: str, *, teams: QuerySet[Team] | None = None
) -> tuple[Team, Role | None]:
    """The same with the principal's role in it; as one of `teams` if they are given.

    Raises Team.DoesNotExist.
    """
    team = (Team.objects.all() if teams is None else teams).get(name=name)
    role = team_role(principal=principal, team=name)
    if role is None and not principal.is_site_admin:
        raise Team.DoesNotExist
    return team, role


def require_role(principal: Principal, team: str, role: Role) -> Team:
    """The team, if the principal has at least this role in it.

    Raises Team.DoesNotExist for strangers, PermissionDenied for members of a lower role.
    """
    require_user(principal)
    found = visible_team(principal, team)
    own = team_role(principal=principal, team=team)
    if not principal.is_site_admin and (own is None or own < role):
        text = gettext("This takes the role “%(role)s” in the team; ask one of its owners for it.")
        raise PermissionDenied(text % {"role": role.label})
    return found
