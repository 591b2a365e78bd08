"""Who may do what: the one place that decides, for `/v2/`, pages, admin and API alike.

A principal is whoever a request speaks for. What is not allowed to be seen looks exactly like what
does not exist (invariant I3).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q, QuerySet

from accounts.models import Membership, Team
from repositories.models import Repository
from repositories.oci.errors import Denied, NameUnknown, Unauthorized
from repositories.oci.names import team_of

if TYPE_CHECKING:
    from accounts.models import User


class Action(StrEnum):
    """What can be done to a repository, as the token protocol names it."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"


NOTHING: frozenset[Action] = frozenset()
PULL = frozenset({Action.PULL})
PUSH = PULL | {Action.PUSH}
EVERYTHING = frozenset(Action)

_ROLES = {
    Membership.Role.READER: PULL,
    Membership.Role.WRITER: PUSH,
    Membership.Role.MAINTAINER: EVERYTHING,
    Membership.Role.OWNER: EVERYTHING,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, or nobody in particular."""

    user: "User | None" = None

    @property
    def is_anonymous(self) -> bool:
        return self.user is None

    @property
    def is_unlimited(self) -> bool:
        """Whether every repository is theirs: administrators, and everyone in open mode."""
        return settings.OPEN_ACCESS or (self.user is not None and self.user.is_superuser)


ANONYMOUS = Principal()


def allowed(*, principal: Principal, name: str) -> frozenset[Action]:
    """What `principal` may do to the repository `name`, which need not exist."""
    if principal.is_unlimited:
        return EVERYTHING
    repository = Repository.objects.filter(name=name).only("visibility").first()
    visibility = repository.visibility if repository else None
    if principal.user is None:
        return _anonymous(visibility)
    return _in_team(principal.user, team_of(name)) | _by_visibility(visibility)


def _anonymous(visibility: str | None) -> frozenset[Action]:
    if settings.ANONYMOUS_ACCESS == "none":
        return NOTHING
    if settings.ANONYMOUS_ACCESS == "push":
        # What Docker's registry image gives everyone; what was made private stays so.
        return PUSH if visibility in (None, Repository.Visibility.PUBLIC) else NOTHING
    return PULL if visibility == Repository.Visibility.PUBLIC else NOTHING


def _by_visibility(visibility: str | None) -> frozenset[Action]:
    return PULL if visibility in ("internal", "public") else NOTHING


def _in_team(user: "User", team: str) -> frozenset[Action]:
    if team == user.username:
        return EVERYTHING
    role = Membership.objects.filter(user=user, team__name=team).values_list("role", flat=True)
    return _ROLES[Membership.Role(role[0])] if role else NOTHING


def require(*, principal: Principal, action: Action, name: str) -> None:
    """Return when `principal` may do `action` to the repository `name`.

    Raises Unauthorized when signing in might help, NameUnknown when the caller may not even know
    whether the repository exists, Denied when they may see it or asked for more than reading.
    """
    if principal.is_unlimited:
        return
    actions = allowed(principal=principal, name=name)
    if action in actions:
        return
    if principal.is_anonymous:
        raise Unauthorized(
            "authentication required: sign in with `docker login`",
            detail=[{"Type": "repository", "Name": name, "Action": action.value}],
        )
    if action is Action.PULL:
        raise name_unknown(name)
    raise Denied(
        f"you may not {action.value} here: ask a maintainer of the team {team_of(name)!r} for "
        "the role that you need",
        detail=[{"Type": "repository", "Name": name, "Action": action.value}],
    )


def require_presence(principal: Principal) -> None:
    """Return when `principal` may use the registry at all. Raises Unauthorized.

    Where anonymous access is on, whoever shows no credentials gets as far as its repositories.
    """
    is_unknown = principal.is_anonymous and not principal.is_unlimited
    if is_unknown and settings.ANONYMOUS_ACCESS == "none":
        raise Unauthorized("authentication required: sign in with `docker login`")


def name_unknown(name: str) -> NameUnknown:
    """The answer for a repository that does not exist, or that the caller may not know of."""
    return NameUnknown("repository name not known to registry", detail={"name": name})


def visible_to(principal: Principal) -> QuerySet[Repository]:
    """The repositories that `principal` may pull from."""
    repositories = Repository.objects.all()
    if principal.is_unlimited:
        return repositories
    if principal.user is None:
        if settings.ANONYMOUS_ACCESS == "none":
            return repositories.none()
        return repositories.filter(visibility=Repository.Visibility.PUBLIC)
    return repositories.filter(
        Q(visibility__in=(Repository.Visibility.INTERNAL, Repository.Visibility.PUBLIC))
        | Q(team__in=Team.objects.filter(memberships__user=principal.user))
        | Q(team__name=principal.user.username)
    )


def repository_for_push(*, principal: Principal, name: str) -> int:
    """The id of the repository, made with its team on the first push to it.

    The caller has made sure of `Action.PUSH`.
    """
    found = Repository.objects.filter(name=name).values_list("id", flat=True).first()
    if found is not None:
        return found
    team, _ = Team.objects.get_or_create(name=team_of(name))
    # What nobody in particular made, everybody could reach already.
    visibility = (
        Repository.Visibility.PUBLIC if principal.is_anonymous else Repository.Visibility.PRIVATE
    )
    Repository.objects.bulk_create(
        [Repository(name=name, team=team, visibility=visibility)], ignore_conflicts=True
    )
    return Repository.objects.values_list("id", flat=True).get(name=name)
