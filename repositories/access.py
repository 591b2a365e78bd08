"""Who may do what: the one place that decides, for `/v2/`, pages, admin and API alike.

A principal is whoever a request speaks for. What is not allowed to be seen looks exactly like what
does not exist (invariant I3).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value

from accounts.models import AccessToken, Membership, Robot, Team, User
from repositories.database import fetch, now
from repositories.models import Repository, RepositoryGrant
from repositories.oci.errors import Denied, NameUnknown, Unauthorized
from repositories.oci.names import is_repository, team_of
from repositories.oci.scopes import TokenScope, parse_token_scopes
from repositories.reach import Reach


class Action(StrEnum):
    """What can be done to a repository, as the token protocol names it."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"


Actions = frozenset[Action]

NOTHING: Actions = frozenset()
PULL: Actions = frozenset({Action.PULL})
PUSH: Actions = PULL | {Action.PUSH}
EVERYTHING: Actions = frozenset(Action)

Role = Membership.Role
# Grants of one user, beyond which their ids are too many to write into a query.
_MANY = 1000
_ROLES: Mapping[int, Actions] = {
    Role.READER: PULL,
    Role.WRITER: PUSH,
    Role.MAINTAINER: EVERYTHING,
    Role.OWNER: EVERYTHING,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a request speaks for, as plain values: a user, a robot, or nobody in particular.

    `scopes` is what an access token is limited to. `grants` is what a signed bearer token allows:
    that was decided when it was signed, and nothing else is asked while it is valid.
    """

    name: str = ""
    user_id: int | None = None
    is_admin: bool = False  # of every repository
    is_site_admin: bool = False  # of people and settings as well
    team: str = ""  # a robot's
    token_id: int | None = None
    scopes: tuple[TokenScope, ...] | None = None
    grants: Mapping[str, Actions] | None = None
    refused: Mapping[str, Actions] | None = None  # what it was asked for in vain
    may_list: bool = True  # a bearer token lists repositories only if it was asked for that
    # For the audit log.
    credential: str = ""
    address: str = ""

    @property
    def is_anonymous(self) -> bool:
        return not self.name

    @property
    def is_unlimited(self) -> bool:
        """Whether every repository is theirs: administrators, and everyone in open mode."""
        return settings.OPEN_ACCESS or (
            self.is_admin and self.scopes is None and self.grants is None
        )


ANONYMOUS = Principal()
# Written out: each list that is asked for with a bearer token begins with one of these.
_ACTIVE_USER = (
    "SELECT username, is_superuser, source FROM accounts_user WHERE id = %s AND is_active"
)
_USABLE_CREDENTIAL = """
SELECT token.kind, token.name, token.hint, token.scopes, robot.name, team.name,
    owner.id, owner.username, owner.is_superuser, owner.source
FROM accounts_accesstoken AS token
LEFT JOIN accounts_user AS owner ON owner.id = token.user_id
LEFT JOIN accounts_robot AS robot ON robot.id = token.robot_id
LEFT JOIN accounts_team AS team ON team.id = robot.team_id
WHERE token.id = %s AND (token.expires_at IS NULL OR token.expires_at > %s)
    AND (owner.is_active OR robot.is_active)
"""


def principal_of(user: User, *, credential: str = "", address: str = "") -> Principal:
    """The principal that a user is, by signing in."""
    return Principal(
        name=user.username,
        user_id=user.pk,
        is_admin=user.is_superuser or user.is_trusted_with_everything,
        is_site_admin=user.is_superuser,
        credential=credential,
        address=address,
    )


def principal_of_token(token: AccessToken, *, address: str = "") -> Principal:
    """The principal that an access token stands for. The token's owner is read with it."""
    scopes = parse_token_scopes(token.scopes) if token.scopes else None
    credential = f"{token.kind} token {token}"
    if token.robot is not None:
        owner = Principal(name=token.robot.name, team=token.robot.team.name)
    else:
        assert token.user is not None  # noqa: S101  (a constraint of the table)
        owner = principal_of(token.user)
    return replace(
        owner,
        is_site_admin=owner.is_site_admin and scopes is None,
        token_id=token.pk,
        scopes=scopes,
        credential=credential,
        address=address,
    )


class _Standing(NamedTuple):
    """What the database says of a repository (None where it is not) and of a principal there."""

    visibility: str | None
    granted: int | None  # the role in the repository alone
    role: int | None  # the role in its team


def allowed(*, principal: Principal, name: str) -> Actions:
    """What `principal` may do to the repository `name`, which need not exist."""
    actions = _decided(principal, name)
    if actions is None:
        actions = _looked_up(principal, name, partial(_standing, principal, name))
    return actions


def _decided(principal: Principal, name: str) -> Actions | None:
    """What they may do there if nothing has to be looked up for that."""
    if principal.is_unlimited:
        return EVERYTHING
    return None if principal.grants is None else principal.grants.get(name, NOTHING)


def readable(
    *,
    principal: Principal,
    names: Collection[str],
    repositories: QuerySet[Repository] | None = None,
) -> Mapping[str, tuple[Repository, Actions]]:
    """Those of the named repositories that `principal` may pull from, and what else they may do
    there; one query.

    The rows are some of `repositories`, if they are given: with what they know of each.
    """
    rows = Repository.objects.all() if repositories is None else repositories
    user_id = principal.user_id or 0  # nobody's, so that robots and guests have no role
    grants = RepositoryGrant.objects.filter(repository=OuterRef("pk"), user_id=user_id)
    members = Membership.objects.filter(team=OuterRef("team"), user_id=user_id)
    found = {}
    for row in rows.filter(name__in=names).annotate(
        granted=Subquery(grants.values("role")), role=Subquery(members.values("role"))
    ):
        standing = partial(_Standing, row.visibility, row.granted, row.role)
        actions = _decided(principal, row.name)
        if actions is None:
            actions = _looked_up(principal, row.name, standing)
        if Action.PULL in actions:
            found[row.name] = (row, actions)
    return found


def _looked_up(principal: Principal, name: str, standing: Callable[[], _Standing]) -> Actions:
    actions = EVERYTHING if principal.is_admin else _by_owner(principal, name, standing())
    if principal.scopes is None:
        return actions
    limits = (scope.actions for scope in principal.scopes if scope.matches(name))
    return actions & {Action(action) for actions in limits for action in actions}


def _by_owner(principal: Principal, name: str, standing: _Standing) -> Actions:
    if principal.is_anonymous:
        return _anonymous(standing.visibility)
    if team_of(name) in (principal.name if principal.user_id else None, principal.team or None):
        return EVERYTHING
    roles = (role for role in (standing.granted, standing.role) if role)
    return _seen(standing.visibility).union(*(_ROLES[role] for role in roles))


def _standing(principal: Principal, name: str) -> _Standing:
    """The same look-ups whether or not the repository exists, which the time must not tell."""
    user_id = principal.user_id or 0
    grants = RepositoryGrant.objects.filter(repository=OuterRef("pk"), user_id=user_id)
    found = Repository.objects.filter(name=name)
    row = found.values_list("visibility", Subquery(grants.values("role"))).first()
    visibility, granted = row or (None, None)
    return _Standing(visibility, granted, team_role(principal=principal, team=team_of(name)))


def _anonymous(visibility: str | None) -> Actions:
    if settings.ANONYMOUS_ACCESS == "none":
        return NOTHING
    if settings.ANONYMOUS_ACCESS == "push":
        # What Docker's registry image gives everyone; what was made private stays so.
        return PUSH if visibility in (None, Repository.Visibility.PUBLIC) else NOTHING
    return PULL if visibility == Repository.Visibility.PUBLIC else NOTHING


def _seen(visibility: str | None) -> Actions:
    return PULL if visibility in ("internal", "public") else NOTHING


def team_role(*, principal: Principal, team: str) -> Role | None:
    """The user's role in a team, by membership; an owner of everything is every team's owner."""
    if principal.user_id is None:
        return None
    if principal.is_unlimited or team == principal.name:
        return Role.OWNER
    roles = Membership.objects.filter(user_id=principal.user_id, team__name=team)
    role = roles.values_list("role", flat=True).first()
    return Role(role) if role else None


def require(*, principal: Principal, action: Action, name: str) -> None:
    """Return when `principal` may do `action` to the repository `name`.

    Raises Unauthorized when signing in, or another token, might help; NameUnknown when the caller
    may not even know whether the repository exists; Denied when they asked for more than reading.
    """
    actions = allowed(principal=principal, name=name)
    if action in actions:
        return
    detail = [{"Type": "repository", "Name": name, "Action": action.value}]
    if principal.is_anonymous:
        raise Unauthorized("authentication required: sign in with `docker login`", detail=detail)
    if not _was_asked(principal, action, name):
        raise InsufficientScope(_not_asked(action.value), detail=detail)
    if action is Action.PULL:
        raise name_unknown(name)
    raise Denied(_how_to_be_allowed(action, name), detail=detail)


def require_source(*, principal: Principal, name: str) -> None:
    """Return when nothing more can be asked for to read `name` as the source of a mount.

    The caller may still not be allowed to: what a token was refused, and what could be no
    repository's name, is of no use to ask for again. Raises InsufficientScope, whether there is
    such a repository or not.
    """
    if is_repository(name) and not _was_asked(principal, Action.PULL, name):
        raise InsufficientScope(
            _not_asked(f"pull on {name}"),
            detail=[{"Type": "repository", "Name": name, "Action": Action.PULL.value}],
        )


def _was_asked(principal: Principal, action: Action, name: str) -> bool:
    """Whether a bearer token says anything of the action; other credentials always do."""
    if principal.grants is None:
        return True
    decided = (principal.grants, principal.refused or {})
    return any(action in said.get(name, NOTHING) for said in decided)


def _not_asked(what: str) -> str:
    return f"this token was not asked for with {what}: ask the token service for another"


class InsufficientScope(Unauthorized):
    """The bearer token was not asked for with what the request needs (RFC 6750, section 3.1)."""


def _how_to_be_allowed(action: Action, name: str) -> str:
    return (
        f"you may not {action.value} here: ask an owner of the team {team_of(name)!r} for the role "
        "that you need, and check the scopes of the token that you use"
    )


def require_presence(principal: Principal) -> None:
    """Return when `principal` may use the registry at all. Raises Unauthorized."""
    if principal.is_anonymous and not principal.is_unlimited:
        raise Unauthorized("authentication required: sign in with `docker login`")


def require_listing(principal: Principal) -> None:
    """Return when `principal` may have the catalog. Raises Unauthorized."""
    is_guest = principal.is_anonymous and principal.grants is None
    if not is_guest or settings.ANONYMOUS_ACCESS == "none":
        require_presence(principal)
    if not principal.may_list:
        raise InsufficientScope(_not_asked("the catalog"))


def name_unknown(name: str) -> NameUnknown:
    """The answer for a repository that does not exist, or that the caller may not know of."""
    return NameUnknown("repository name not known to registry", detail={"name": name})


def reach_of(principal: Principal, action: Action = Action.PULL) -> Reach:
    """Where `principal` may do `action`."""
    if principal.grants is not None:
        principal = _as_it_is_now(principal)
    if principal.is_unlimited:
        return Reach(None)
    ways = (Q(),) if principal.is_admin else _ways(principal, action)
    scopes = principal.scopes
    return Reach(ways, Q() if scopes is None else _within(scopes, action))


def visible_to(principal: Principal) -> QuerySet[Repository]:
    """The repositories that `principal` may pull from, by what the database says now."""
    return reach_of(principal).repositories


def pushable_by(principal: Principal) -> QuerySet[Repository]:
    """The repositories that `principal` may push to, by what the database says now."""
    return reach_of(principal, Action.PUSH).repositories


def deletable_by(principal: Principal) -> QuerySet[Repository]:
    """The repositories that `principal` may delete in, by what the database says now."""
    return reach_of(principal, Action.DELETE).repositories


def _ways(principal: Principal, action: Action) -> tuple[Q, ...]:
    if action is Action.DELETE:
        return _with_role(principal, Role.MAINTAINER)
    return _visible(principal) if action is Action.PULL else _writable(principal)


def _visible(principal: Principal) -> tuple[Q, ...]:
    public = Q(visibility=Repository.Visibility.PUBLIC)
    if principal.is_anonymous:
        return () if settings.ANONYMOUS_ACCESS == "none" else (public,)
    internal = Q(visibility=Repository.Visibility.INTERNAL)
    return (public, internal, *_with_role(principal, Role.READER))


def _writable(principal: Principal) -> tuple[Q, ...]:
    if principal.is_anonymous:
        is_open = settings.ANONYMOUS_ACCESS == "push"
        return (Q(visibility=Repository.Visibility.PUBLIC),) if is_open else ()
    return _with_role(principal, Role.WRITER)


def _with_role(principal: Principal, least: Role) -> tuple[Q, ...]:
    """Those in which a user has at least this role, or which a robot's team owns.

    The ids are looked up first: given them, the database goes by its indexes, where with the
    look-ups inside of the condition it tries them at every repository there is.
    """
    user_id = principal.user_id or 0  # nobody's, so that robots have neither
    own = Team.objects.filter(name=principal.name if principal.user_id else principal.team)
    members = Membership.objects.filter(user=user_id, role__gte=least)
    grants = RepositoryGrant.objects.filter(user=user_id, role__gte=least)
    found = own.values_list(Value(True), "pk").union(
        members.values_list(Value(True), "team_id"),
        grants.values_list(Value(False), "repository_id"),
    )
    ids: dict[bool, list[int]] = {True: [], False: []}
    for is_team, id in found:
        ids[bool(is_team)].append(id)
    granted = ids[False] if len(ids[False]) <= _MANY else grants.values("repository")
    return (Q(team__in=ids[True]), Q(pk__in=granted))


def _within(scopes: tuple[TokenScope, ...], action: Action) -> Q:
    within = Q(pk__in=())
    for scope in scopes:
        if action in scope.actions:
            prefix = scope.prefix
            within |= Q(name=scope.pattern) if prefix is None else Q(name__startswith=prefix)
    return within


def _as_it_is_now(principal: Principal) -> Principal:
    """What a bearer token's owner may see: lists go by the database, not by the token."""
    if principal.token_id is not None:
        token = _usable_token(principal.token_id)
        return principal_of_token(token) if token else ANONYMOUS
    if principal.user_id is None:
        return ANONYMOUS
    for row in fetch(_ACTIVE_USER, [principal.user_id]):
        return principal_of(_user(principal.user_id, *row))
    return ANONYMOUS


def _usable_token(id: int) -> AccessToken | None:
    """The token, as far as `principal_of_token` asks for it."""
    for kind, name, hint, scopes, robot, team, *owner in fetch(_USABLE_CREDENTIAL, [id, now()]):
        token = AccessToken(pk=id, kind=kind, name=name, hint=hint, scopes=scopes)
        if robot is None:
            token.user = _user(*owner)
        else:
            token.robot = Robot(name=robot, team=Team(name=team))
        return token
    return None


def _user(id: int, username: str, is_superuser: bool, source: str) -> User:
    return User(pk=id, username=username, is_superuser=bool(is_superuser), source=source)
