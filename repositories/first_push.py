"""The repository that a push goes to: made with its team on the first one."""

from accounts.models import Team
from repositories import database
from repositories.access import Principal
from repositories.limits import Limits
from repositories.models import Repository
from repositories.oci.names import team_of

_REPOSITORY_ID = "SELECT id FROM repositories_repository WHERE name = %s"
_NEW_REPOSITORY = """
INSERT INTO repositories_repository (name, team_id, visibility, created_at)
SELECT %s, id, %s, %s FROM accounts_team WHERE name = %s
ON CONFLICT (name) DO NOTHING RETURNING id
"""


def repository_for_push(*, principal: Principal, name: str, found: Limits | None = None) -> int:
    """The id of the repository, made with its team on the first push to it.

    The caller has made sure of `Action.PUSH`, and may just have `found` its limits.
    """
    if found is not None and found.repository_id is not None:
        return found.repository_id
    # What nobody in particular made, everybody could reach already.
    visibility = (
        Repository.Visibility.PUBLIC if principal.is_anonymous else Repository.Visibility.PRIVATE
    )
    team = team_of(name)
    values = [name, visibility.value, database.now(), team]
    rows = [] if found else database.fetch(_REPOSITORY_ID, [name])  # else it is known to be new
    while not (rows := rows or database.fetch(_NEW_REPOSITORY, values)):
        # Its team is new, too; or another request has just made it.
        Team.objects.get_or_create(name=team)
        rows = database.fetch(_REPOSITORY_ID, [name])
    return int(rows[0][0])
