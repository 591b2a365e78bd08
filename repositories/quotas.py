"""Quotas: how many bytes a team, or a repository, may have of distinct blobs.

Manifests do not count, nor does what is still being uploaded. A blob that the team has already
costs it nothing, wherever in the team it goes.

The row of a quota says how much is used *at most*: whoever links a blob adds to it, with the row
locked, and what goes takes nothing away. When that would be too much, the blobs are counted. So a
quota is never exceeded by a byte, most pushes count nothing, and whatever takes links away, such as
the collector, need not know of quotas. Where there is no quota, nothing of this is done.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction

from repositories import database
from repositories.database import execute, fetch, for_update
from repositories.limits import Limits, Quota
from repositories.models import RepositoryLimits, TeamLimits
from repositories.models.limits import NEAR
from repositories.oci.digests import Digest
from repositories.oci.errors import QuotaExceeded

_TABLES = {
    True: ("repositories_teamlimits", "team_id"),
    False: ("repositories_repositorylimits", "repository_id"),
}
# Of a team, and of a repository: what they link.
_LINKS = {
    True: """
FROM repositories_repository AS repository
JOIN repositories_bloblink AS link ON link.repository_id = repository.id
WHERE repository.team_id = %s
""",
    False: "FROM repositories_bloblink AS link WHERE link.repository_id = %s",
}
_SUM = "SELECT SUM(size) FROM (SELECT DISTINCT link.blob_id, link.size {links}) AS part"
_LARGEST = "SELECT MAX(link.size) {links}"
_OF_BLOB = "SELECT link.size {links} AND link.blob_id = %s LIMIT 1"
_OF_DIGEST = """
SELECT link.size {links}
AND link.blob_id = (SELECT blob.id FROM repositories_blob AS blob WHERE blob.digest = %s) LIMIT 1
"""
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class Fill(NamedTuple):
    """How full a quota is, in bytes, of which `used` is at least what there is."""

    whose: str
    used: int
    most: int

    @property
    def is_near(self) -> bool:
        """Whether somebody should know."""
        return self.used * 100 >= self.most * NEAR

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 means full."""
        return 100 * self.used // self.most if self.most else 100

    def __str__(self) -> str:
        return (
            f"{self.whose} uses {in_words(self.used)} of its quota of {in_words(self.most)} "
            f"({self.percent} %)"
        )


def near(quotas: Iterable[Quota]) -> Fill | None:
    """The fullest quota, if it is nearly full."""
    fills = [Fill(_whose(quota), quota.used, quota.most) for quota in quotas]
    fullest = max(fills, key=lambda fill: fill.percent, default=None)
    return fullest if fullest and fullest.is_near else None


def charge(held: Limits, *, blob_id: int, size: int) -> Fill | None:
    """Count a blob that the repository is about to link; the fullest quota if that is nearly full.

    Inside the transaction that holds the limits and will link it: the quota's row stays locked, so
    that two cannot both fit into the last bytes. Raises QuotaExceeded.
    """
    return near([_charge(quota, blob_id, size) for quota in held.quotas])


def _charge(quota: Quota, blob_id: int, size: int) -> Quota:
    table, key = _TABLES[quota.is_team]
    # Tables and columns are those above.
    row = f"SELECT quota, used FROM {table} WHERE {key} = %s {for_update()}"  # noqa: S608
    for most, used in fetch(row, [quota.id]):
        quota = quota._replace(most=most, used=used)
    if _asked(_OF_BLOB, quota, blob_id):
        return quota
    used = quota.used
    if used + size > quota.most:
        used = count(quota)
        if used + size > quota.most:
            raise _exceeded(quota._replace(used=used), size)
    execute(f"UPDATE {table} SET used = %s WHERE {key} = %s", [used + size, quota.id])  # noqa: S608
    return quota._replace(used=used + size)


def count(quota: Quota) -> int:
    """The bytes that are used. It looks at every link."""
    return _asked(_SUM, quota)


def _asked(query: str, quota: Quota, *values: object) -> int:
    """A number, of what the team or the repository links; 0 for none."""
    rows = fetch(query.format(links=_LINKS[quota.is_team]), [quota.id, *values])
    return int(rows[0][0] or 0) if rows else 0


def require_open(held: Limits) -> None:
    """Return when no more is used already than may be. Raises QuotaExceeded."""
    for quota in held.quotas:
        if quota.used > quota.most and (used := count(quota)) > quota.most:
            raise _exceeded(quota._replace(used=used), 0)


class Room:
    """How large an upload may become, asked while it comes.

    Who streams need not have said which blob it is: so one that the team may have already is let
    in, and what is larger than any of its blobs and than the bytes that are left is not.
    """

    def __init__(self, held: Limits, digest: Digest | None = None) -> None:
        self._quotas = held.quotas
        self._digest = digest
        lefts = [quota.most - quota.used for quota in held.quotas]
        self._most = min(lefts) if lefts else None

    def require(self, size: int) -> None:
        """Return when an upload of so many bytes may fit. Raises QuotaExceeded."""
        if self._most is not None and size > self._most:
            self._most = min(self._counted(quota, size) for quota in self._quotas)
            database.release()

    def _counted(self, quota: Quota, size: int) -> int:
        """The most bytes that the quota has room for, by a count. Raises QuotaExceeded."""
        if quota.used + size <= quota.most:
            return quota.most - quota.used
        used = count(quota)
        known = self._largest_known(quota)
        if size > max(quota.most - used, known):
            raise _exceeded(quota._replace(used=used), size)
        return max(quota.most - used, known)

    def _largest_known(self, quota: Quota) -> int:
        """The size of the largest blob, or of the one that comes, that costs nothing."""
        if self._digest is None:
            return _asked(_LARGEST, quota)
        return _asked(_OF_DIGEST, quota, str(self._digest))


def recount() -> int:
    """Count what each quota's team or repository uses now; how many there are.

    Pages and warnings show that. A row at a time is locked while its blobs are counted.
    """
    quotas = [
        *((True, id) for id in _with_quota(TeamLimits)),
        *((False, id) for id in _with_quota(RepositoryLimits)),
    ]
    for is_team, id in quotas:
        recount_one(is_team=is_team, id=id)
    return len(quotas)


def _with_quota(model: type[TeamLimits | RepositoryLimits]) -> list[int]:
    return list(model.objects.exclude(quota=None).order_by("pk").values_list("pk", flat=True))


def recount_one(*, is_team: bool, id: int) -> None:
    """Count what a team or a repository with a quota uses now."""
    table, key = _TABLES[is_team]
    with transaction.atomic():
        row = f"SELECT quota, used FROM {table} WHERE {key} = %s {for_update()}"  # noqa: S608
        for most, known in fetch(row, [id]):
            if most is None:
                continue
            used = count(Quota(is_team, id, "", most, known))
            if used != known:
                execute(f"UPDATE {table} SET used = %s WHERE {key} = %s", [used, id])  # noqa: S608


def _whose(quota: Quota) -> str:
    return f"the {'team' if quota.is_team else 'repository'} {quota.name}"


def _exceeded(quota: Quota, wanted: int) -> QuotaExceeded:
    whose = _whose(quota)
    who = "an administrator" if quota.is_team else "an owner of the team"
    wants = f", and {in_words(wanted)} more are wanted" if wanted else ""
    return QuotaExceeded(
        f"{whose} has a quota of {in_words(quota.most)}, of which {in_words(quota.used)} are "
        f"used{wants}: delete what nobody needs, which is free when it has been collected, or ask "
        f"{who} for more",
        whose={"team" if quota.is_team else "repository": quota.name},
        numbers={"quota": quota.most, "used": quota.used, "wanted": wanted},
    )


def in_words(size: int) -> str:
    """Bytes for people who read English: `9.31 GiB`."""
    if size < 1024:
        return f"{size} bytes"
    value, unit = size / 1024, 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"
