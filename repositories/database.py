"""How the registry uses the database: what every domain module needs beyond the ORM."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, connection

from repositories.oci.digests import Digest

P = ParamSpec("P")
R = TypeVar("R")


def release() -> None:
    """Give the connection back before bytes stream (invariant I6).

    On PostgreSQL a slow client would hold a connection that others need; connecting again is cheap
    beside any transfer. On SQLite nothing is held.
    """
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        connection.close()


def lock_digest(digest: Digest) -> None:
    """Serialise with everybody who publishes or collects this digest, until the transaction ends.

    SQLite has one writer at a time anyway.
    """
    if connection.vendor == "postgresql":
        key = int(digest.hex[:16], 16) - 2**63
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def once_more_on_conflict(function: Callable[P, R]) -> Callable[P, R]:
    """Run a whole transaction again when what it read was gone by the time it committed.

    Foreign keys are checked at COMMIT, so a race with a delete shows as IntegrityError there; the
    second run reads the new state and raises whatever that means.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except IntegrityError:
            return function(*args, **kwargs)

    return run
