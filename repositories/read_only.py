"""Read-only: by a setting or a switch the whole registry, or one repository, which is archived.

Whatever changes what clients can pull, or brings bytes, asks here; pulls do not, and go on.
"""

from django.conf import settings

from repositories import limits
from repositories.limits import Limits, Shown
from repositories.oci.errors import ReadOnly
from repositories.postgresql.turns import Rows, Statement

_SETTING = "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED"


def setting() -> str:
    """The setting that makes the whole registry read-only, if one does."""
    return "REGISTRY_SHADOW" if settings.SHADOW else _SETTING


def hold(repository: str) -> Limits:
    """The limits of a write to the repository, held until the transaction ends. Raises ReadOnly."""
    return require(limits.hold(repository))


def hold_and_fetch(repository: str, *statements: Statement) -> tuple[Limits, list[Rows]]:
    """The same, and the rows of statements that came with it, and are undone where it raises."""
    held, found = limits.hold_and_fetch(repository, *statements)
    return require(held), found


def check(repository: str) -> Limits:
    """The limits outside of a transaction, for what begins now: its end has to `hold`."""
    return require(limits.look(repository))


def check_and_fetch(repository: str, *statements: Statement) -> tuple[Limits, list[Rows]]:
    """The same, and the rows of other look-ups. Raises ReadOnly."""
    found, rows = limits.look_and_fetch(repository, *statements)
    return require(found), rows


def is_on() -> bool:
    """Whether the whole registry is read-only."""
    return bool(settings.READ_ONLY) or limits.look("").is_read_only


def is_on_held() -> bool:
    """The same, and it stays so until the transaction ends."""
    return bool(settings.READ_ONLY) or limits.hold("").is_read_only


def require(found: Limits) -> Limits:
    """The limits themselves, if they let anything be written. Raises ReadOnly."""
    refusal = why(found.repository, found)
    if refusal:
        raise refusal
    return found


def why(repository: str, found: Limits | Shown) -> ReadOnly | None:
    """Why nothing can be written to the repository; None where it can."""
    if settings.SHADOW:
        return ReadOnly(
            "this registry only shows what another one holds, and takes no changes: push to that "
            "one",
            by_setting=True,
        )
    if settings.READ_ONLY:
        return ReadOnly(
            "the registry is read-only for now: pulls go on, and its operator can end this by "
            f"{_SETTING}=false",
            by_setting=True,
        )
    if found.is_read_only:
        return ReadOnly(
            "the registry is read-only for now: pulls go on; try again later, or ask an "
            "administrator, who can switch this off"
        )
    if found.is_archived:
        return ReadOnly(
            f"the repository {repository} is archived: pulls go on, and a maintainer can "
            "change this in its settings",
            repository=repository,
        )
    return None
