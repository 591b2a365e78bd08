"""How much is stored where, measured now and then: counting on each page would cost seconds.

All figures are bytes of distinct blobs and of manifests. A measure reads first and writes only what
has changed, in small pieces: nobody who pushes waits for it.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Team
from accounts.permissions import require_user, visible_team
from repositories.access import Principal, reach_of
from repositories.database import pieces
from repositories.models import Repository, RepositoryUsage, StorageSample, TeamUsage

# A blob whose links are one is unique to that link's repository. Only what has changed comes back.
_OF_REPOSITORIES = """
WITH part AS (
    SELECT linked.repository_id, blob.size AS bytes,
        CASE WHEN linked.owners = 1 THEN blob.size ELSE 0 END AS unique_bytes
    FROM (
        SELECT repository_id, blob_id, COUNT(*) OVER (PARTITION BY blob_id) AS owners
        FROM repositories_bloblink
    ) AS linked
    JOIN repositories_blob AS blob ON blob.id = linked.blob_id
    UNION ALL
    SELECT repository_id, LENGTH(payload), LENGTH(payload) FROM repositories_manifest
), measured AS (
    SELECT repository_id, CAST(SUM(bytes) AS bigint) AS bytes,
        CAST(SUM(unique_bytes) AS bigint) AS unique_bytes
    FROM part GROUP BY repository_id
)
SELECT repository.id, COALESCE(measured.bytes, 0), COALESCE(measured.unique_bytes, 0)
FROM repositories_repository AS repository
LEFT JOIN measured ON measured.repository_id = repository.id
LEFT JOIN repositories_repositoryusage AS known ON known.repository_id = repository.id
WHERE known.repository_id IS NULL
    OR known.bytes <> COALESCE(measured.bytes, 0)
    OR known.unique_bytes <> COALESCE(measured.unique_bytes, 0)
"""
_OF_TEAMS = """
WITH linked AS (
    SELECT team_id, blob_id, COUNT(*) OVER (PARTITION BY blob_id) AS owners
    FROM (
        SELECT DISTINCT link.blob_id, repository.team_id
        FROM repositories_bloblink AS link
        JOIN repositories_repository AS repository ON repository.id = link.repository_id
    ) AS of_team
), part AS (
    SELECT linked.team_id, blob.size AS bytes,
        CASE WHEN linked.owners = 1 THEN blob.size ELSE 0 END AS unique_bytes,
        1 AS blobs, 0 AS manifests
    FROM linked JOIN repositories_blob AS blob ON blob.id = linked.blob_id
    UNION ALL
    SELECT repository.team_id, LENGTH(manifest.payload), LENGTH(manifest.payload), 0, 1
    FROM repositories_manifest AS manifest
    JOIN repositories_repository AS repository ON repository.id = manifest.repository_id
)
SELECT team.id, CAST(COALESCE(SUM(part.bytes), 0) AS bigint),
    CAST(COALESCE(SUM(part.unique_bytes), 0) AS bigint),
    COALESCE(SUM(part.blobs), 0), COALESCE(SUM(part.manifests), 0)
FROM accounts_team AS team LEFT JOIN part ON part.team_id = team.id
GROUP BY team.id
"""
_OF_BLOBS = "SELECT CAST(COALESCE(SUM(size), 0) AS bigint), COUNT(*) FROM repositories_blob"
_OF_MANIFESTS = """
SELECT CAST(COALESCE(SUM(LENGTH(payload)), 0) AS bigint), COUNT(*) FROM repositories_manifest
"""
_UNLINKED = """
SELECT CAST(COALESCE(SUM(blob.size), 0) AS bigint) FROM repositories_blob AS blob
WHERE NOT EXISTS (SELECT 1 FROM repositories_bloblink AS link WHERE link.blob_id = blob.id)
"""
# Linked or not: what no image is made of.
_IN_NO_IMAGE = """
SELECT CAST(COALESCE(SUM(blob.size), 0) AS bigint) FROM repositories_blob AS blob
WHERE NOT EXISTS (
    SELECT 1 FROM repositories_bloblink AS link
    JOIN repositories_manifestblob AS part ON part.link_id = link.id
    WHERE link.blob_id = blob.id
)
"""
_LIVE = """
SELECT repository_id, CAST(SUM(bytes) AS bigint) FROM (
    SELECT link.repository_id, blob.size AS bytes
    FROM repositories_bloblink AS link
    JOIN repositories_blob AS blob ON blob.id = link.blob_id
    WHERE link.repository_id IN ({ids})
    UNION ALL
    SELECT repository_id, LENGTH(payload) FROM repositories_manifest
    WHERE repository_id IN ({ids})
) AS part GROUP BY repository_id
"""


class _OfTeam(NamedTuple):
    team_id: int
    bytes: int
    unique_bytes: int
    blobs: int
    manifests: int


def measure() -> int:
    """Measure everything, and write what has changed; the bytes stored in all."""
    _store_repositories(_rows(_OF_REPOSITORIES))
    _store_teams([_OfTeam(*row) for row in _rows(_OF_TEAMS)])
    ((blob_bytes, blobs),) = _rows(_OF_BLOBS)
    ((manifest_bytes, manifests),) = _rows(_OF_MANIFESTS)
    ((unlinked,),) = _rows(_UNLINKED)
    ((in_no_image,),) = _rows(_IN_NO_IMAGE)
    StorageSample.objects.update_or_create(
        team=None,
        day=timezone.now().date(),
        defaults={
            "measured_at": timezone.now(),
            "bytes": blob_bytes + manifest_bytes,
            "blobs": blobs,
            "manifests": manifests,
            "repositories": Repository.objects.count(),
            "unlinked_bytes": unlinked,
            "unused_bytes": max(in_no_image - unlinked, 0),
        },
    )
    return int(blob_bytes + manifest_bytes)


def _rows(query: str, values: Sequence[int] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _store_repositories(rows: Sequence[tuple[Any, ...]]) -> None:
    for piece in pieces(rows):
        RepositoryUsage.objects.bulk_create(
            [
                RepositoryUsage(repository_id=id, bytes=size, unique_bytes=unique)
                for id, size, unique in piece
            ],
            update_conflicts=True,
            update_fields=["bytes", "unique_bytes"],
            unique_fields=["repository"],
        )


def _store_teams(teams: Sequence[_OfTeam]) -> None:
    rows = TeamUsage.objects.values_list("team_id", "bytes", "unique_bytes")
    known = {id: figures for id, *figures in rows}
    # A team that never owned anything has no row, and no line in a chart.
    owners = [team for team in teams if team.bytes or team.team_id in known]
    changed = [t for t in owners if known.get(t.team_id) != [t.bytes, t.unique_bytes]]
    for piece in pieces(changed):
        TeamUsage.objects.bulk_create(
            [
                TeamUsage(team_id=team.team_id, bytes=team.bytes, unique_bytes=team.unique_bytes)
                for team in piece
            ],
            update_conflicts=True,
            update_fields=["bytes", "unique_bytes"],
            unique_fields=["team"],
        )
    _store_samples(owners)


def _store_samples(teams: Sequence[_OfTeam]) -> None:
    now = timezone.now()
    today = StorageSample.objects.filter(day=now.date()).exclude(team=None)
    known = {
        id: figures for id, *figures in today.values_list("team_id", "bytes", "blobs", "manifests")
    }
    changed = [t for t in teams if known.get(t.team_id) != [t.bytes, t.blobs, t.manifests]]
    for piece in pieces(changed):
        StorageSample.objects.bulk_create(
            [
                StorageSample(
                    team_id=team.team_id,
                    day=now.date(),
                    measured_at=now,
                    bytes=team.bytes,
                    blobs=team.blobs,
                    manifests=team.manifests,
                )
                for team in piece
            ],
            update_conflicts=True,
            update_fields=["measured_at", "bytes", "blobs", "manifests"],
            unique_fields=["team", "day"],
        )


def totals(*, principal: Principal) -> StorageSample | None:
    """The last measure of the whole registry; None before the first.

    For those who may see everything. Raises PermissionDenied.
    """
    _require_everything(principal)
    return StorageSample.objects.filter(team=None).order_by("-day").first()


def by_repository(*, principal: Principal, team: str = "") -> QuerySet[RepositoryUsage]:
    """The repositories that `principal` may pull from, the largest first; of one team, if named."""
    found = RepositoryUsage.objects.select_related("repository__team")
    if not principal.is_unlimited or team:
        reach, of_team = reach_of(principal), None
        if team:
            # Its id first: how many it has is known of a team, and not of a name.
            of_team = Q(team__in=list(Team.objects.filter(name=team).values_list("pk", flat=True)))
        few = reach.few(of_team)
        if few is not None:
            found = found.filter(repository__in=few)
        else:
            # Row by row in the order of size: an `IN` would gather all of them first.
            visible = reach.repositories.filter(of_team or Q(), pk=OuterRef("repository"))
            found = found.filter(Exists(visible))
    return found.order_by("-bytes", "pk")


def by_team(*, principal: Principal) -> QuerySet[TeamUsage]:
    """The teams that `principal` is in, or all for who may see everything; the largest first.

    A user's own is the one of their name. Robots and tokens with scopes are in none.
    """
    found = TeamUsage.objects.select_related("team")
    if not _sees_everything(principal):
        user_id = principal.user_id if principal.scopes is None else None
        teams = Team.objects.filter(memberships__user=user_id or 0).values("pk")
        own = Team.objects.filter(name=principal.name if user_id else "").values("pk")
        found = found.filter(team__in=teams.union(own))
    return found.order_by("-bytes", "pk")


def growth(*, principal: Principal, team: str = "", days: int = 90) -> list[StorageSample]:
    """A sample for each of the last `days` days that were measured, the oldest first.

    Of a team, for its members, or of the whole registry, for those who may see everything. Raises
    Team.DoesNotExist, PermissionDenied.
    """
    if not team:
        _require_everything(principal)
        return samples_of(team=None, days=days)
    if _sees_everything(principal):
        return samples_of(team=Team.objects.get(name=team), days=days)
    require_user(principal)
    return samples_of(team=visible_team(principal, team), days=days)


def samples_of(*, team: Team | None, days: int) -> list[StorageSample]:
    """The same where the caller has made sure that the principal may know; None: of everything."""
    since = timezone.now().date() - timedelta(days=days - 1)
    return list(StorageSample.objects.filter(day__gte=since, team=team).order_by("day"))


def live_sizes(repository_ids: Collection[int]) -> dict[int, int]:
    """The bytes of repositories that were never measured, by id: of a page of them, 50 or so."""
    ids = sorted(set(repository_ids))
    if not ids:
        return {}
    marks = ", ".join(["%s"] * len(ids))
    found = dict(_rows(_LIVE.format(ids=marks), [*ids, *ids]))
    return {id: found.get(id, 0) for id in ids}


def _sees_everything(principal: Principal) -> bool:
    return principal.is_unlimited or principal.is_site_admin


def _require_everything(principal: Principal) -> None:
    if not _sees_everything(principal):
        raise PermissionDenied(
            _("Only administrators may see the storage of the whole registry; ask one of them.")
        )
