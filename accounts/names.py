"""Parts of the names of users, teams, robots and tokens, as administrators search for them.

Each is found by an index (`repositories.parts`). Where very many match, or the text is shorter than
three characters, rows are looked at in the order of the list until enough of them match.
"""

from django.db.models import Q

from accounts.models import AccessToken
from repositories.parts import MOST_LOOKED_UP, Parts

_USERS = Parts(
    table="accounts_user",
    columns=("username", "email"),
    index="accounts_user_names",
    prefix="user",
    any_case=("email",),
)
_TEAMS = Parts(table="accounts_team", columns=("name",), index="accounts_team_names", prefix="team")
_ROBOTS = Parts(
    table="accounts_robot", columns=("name",), index="accounts_robot_names", prefix="robot"
)
_TOKENS = Parts(
    table="accounts_accesstoken",
    columns=("name",),
    index="accounts_accesstoken_names",
    prefix="access_token",
    any_case=("name",),
)


def make_indexes() -> None:
    """Make what is missing of them. Inside no transaction on which others depend."""
    for parts in (_USERS, _TEAMS, _ROBOTS, _TOKENS):
        parts.make()


def users_with(text: str) -> Q:
    """The users whose name or address contains the text, whatever its case."""
    ids = _USERS.ids(text.lower())
    if ids is not None:
        return Q(pk__in=ids)
    return Q(username__contains=text.lower()) | Q(email__icontains=text)


def teams_with(text: str) -> Q:
    """The teams whose name contains the text, whatever its case."""
    ids = _TEAMS.ids(text.lower())
    return Q(name__contains=text.lower()) if ids is None else Q(pk__in=ids)


def tokens_with(text: str) -> Q:
    """The tokens whose name, or whose owner's name or address, contains the text, whatever its
    case; and those whose secret ends with the last characters of the text."""
    ids = _tokens_with(text)
    if ids is not None:
        return Q(pk__in=ids)
    return (
        Q(name__icontains=text)
        | Q(user__username__contains=text.lower())
        | Q(user__email__icontains=text)
        | Q(robot__name__contains=text.lower())
        | _ending_with(text)
    )


def _ending_with(text: str) -> Q:
    return Q(hint=text[-4:])


def _tokens_with(text: str) -> list[int] | None:
    """None where they are many, or may be."""
    own, users, robots = (parts.ids(text.lower()) for parts in (_TOKENS, _USERS, _ROBOTS))
    if own is None or users is None or robots is None:
        return None
    rows = AccessToken.objects.order_by().values_list("pk")
    found = rows.filter(user__in=users).union(
        rows.filter(robot__in=robots), rows.filter(_ending_with(text)), rows.filter(pk__in=own)
    )
    ids = [pk for (pk,) in found[: MOST_LOOKED_UP + 1]]
    return ids if len(ids) <= MOST_LOOKED_UP else None
