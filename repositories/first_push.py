"""The repository that a push goes to: made with its team on the first one."""

from accounts.models import Team
from repositories import database
from repositories.access import Principal
from repositories.limits import Limits
from repositories.models import Repository
from repositories.oci.names import team_of
from repositories.postgresql.turns import Statement

_REPOSITORY_ID = "SELECT id FROM repositories_repository WHERE name = %s"
_NEW_REPOSITORY = """
INSERT INTO repositories_repository (name, team_id, visibility, created_at)
VALUES (%s, %s, %s, %s) ON CONFLICT (name) DO NOTHING
"""


def make_later(*, principal: Principal, held: Limits) -> None:
    """Make the repository of the limits that are held, where there is none, at the end of the block
    of `writing`: what else comes there has to find it by its name.

    The caller has made sure of `Action.PUSH`.
    """
    if held.repository_id is None:
        database.later(*_new(principal, held))


def repository_for_push(*, principal: Principal, held: Limits) -> int:
    """The id of the repository, which is made now where there is none. Otherwise the same."""
    if held.repository_id is not None:
        return held.repository_id
    rows: list[tuple[int]] = []
    while not rows:  # what another request has just made may go again
        _, rows = database.fetch_each(_new(principal, held), (_REPOSITORY_ID, [held.repository]))
    return rows[0][0]


def _new(principal: Principal, held: Limits) -> Statement:
    # What nobody in particular made, everybody could reach already.
    visibility = (
        Repository.Visibility.PUBLIC if principal.is_anonymous else Repository.Visibility.PRIVATE
    )
    team_id = held.team_id
    if team_id is None:
        team_id = Team.objects.get_or_create(name=team_of(held.repository))[0].pk
    return _NEW_REPOSITORY, [held.repository, team_id, visibility.value, database.now()]
