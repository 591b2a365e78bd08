"""Nominations for the garbage collector: what may have lost the last thing that needed it.

Whoever takes a need away nominates, in the transaction that does it, and goes on. Nominating again
begins the grace anew. Nothing is decided here: see `garbage`.
"""

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from repositories import database
from repositories.models import RetentionPolicy, Review

Kind = Review.Kind

# How long another process may not know yet of the first policy that removes something.
POLICY_SECONDS = 10.0
_PIECE = 1000
_TABLES = {
    Kind.MANIFEST: "repositories_manifest",
    Kind.LINK: "repositories_bloblink",
    Kind.BLOB: "repositories_blob",
}
_BEGIN_ANEW = (
    "ON CONFLICT (kind, target) DO UPDATE "
    "SET nominated_at = excluded.nominated_at, failures = 0, retry_at = NULL"
)
_NOMINATE_MADE = f"""
INSERT INTO repositories_review (kind, target, nominated_at)
SELECT %s, made.id, %s FROM made {_BEGIN_ANEW}
"""  # noqa: S608  (no value is in it)
_NOT_NOMINATED = """
AND NOT EXISTS (
    SELECT 1 FROM repositories_review AS review
    WHERE review.kind = %s AND review.target = subject.id
) LIMIT %s
"""
_FORGOTTEN = {
    Kind.MANIFEST: """
SELECT subject.id FROM repositories_manifest AS subject
WHERE NOT EXISTS (SELECT 1 FROM repositories_tag AS tag WHERE tag.manifest_id = subject.id)
AND NOT EXISTS (
    SELECT 1 FROM repositories_manifestchild AS entry
    JOIN repositories_manifest AS parent ON parent.id = entry.parent_id
    WHERE entry.digest = subject.digest AND parent.repository_id = subject.repository_id
) AND NOT EXISTS (
    SELECT 1 FROM repositories_manifest AS other
    WHERE other.repository_id = subject.repository_id AND other.digest = subject.subject
)
""",
    Kind.LINK: """
SELECT subject.id FROM repositories_bloblink AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM repositories_manifestblob AS part WHERE part.link_id = subject.id
)
""",
    Kind.BLOB: """
SELECT subject.id FROM repositories_blob AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM repositories_bloblink AS link WHERE link.blob_id = subject.id
)
""",
}


def removes_untagged() -> bool:
    """Whether the collector removes manifests that no tag leads to."""
    return bool(settings.GARBAGE_UNTAGGED and settings.DELETE_ENABLED)


def holds_manifests() -> bool:
    """Whether anything removes manifests by itself; otherwise nobody need care for them."""
    return removes_untagged() or (settings.DELETE_ENABLED and _policies.are_there())


class _Policies:
    """Whether there is a retention policy that removes something: asked every few seconds only."""

    def __init__(self) -> None:
        self._answer, self._until = False, 0.0

    def are_there(self) -> bool:
        if time.monotonic() >= self._until:
            self._answer = RetentionPolicy.objects.exclude(rules=[]).exists()
            self._until = time.monotonic() + POLICY_SECONDS
        return self._answer

    def forget(self) -> None:
        self._until = 0.0


_policies = _Policies()


def forget_policies() -> None:
    """Ask anew whether there is a retention policy."""
    _policies.forget()


def nominate(kind: Kind, targets: Collection[int], *, since: datetime | None = None) -> None:
    """Have the rows with these ids looked at when the grace is over. Inside a transaction.

    With `since` the grace has run from then on, unless they have been nominated already. Manifests
    are nominated where something removes them, and kept otherwise. Ids are taken in their order,
    so that two requests cannot wait for each other.
    """
    if kind is Kind.MANIFEST and not holds_manifests():
        return
    at = connection.ops.adapt_datetimefield_value(since or timezone.now())
    for ids in database.pieces(sorted(set(targets)), _PIECE):
        database.insert(
            "repositories_review",
            [{"kind": kind.value, "target": id, "nominated_at": at} for id in ids],
            otherwise="ON CONFLICT (kind, target) DO NOTHING" if since else _BEGIN_ANEW,
        )


def nominate_made(kind: Kind, statement: str, values: Sequence[object]) -> None:
    """Run a statement that makes rows and returns their ids, and nominate them. Inside a
    transaction.

    For links and blobs, which are nominated always.
    """
    if not database.is_sqlite():  # in one turn; the statements are written in our code
        database.later(
            f"WITH made AS ({statement}) {_NOMINATE_MADE}", [*values, kind.value, database.now()]
        )
    else:
        nominate(kind, [id for (id,) in database.fetch(statement, values)])


def hold(kind: Kind, target: int) -> bool:
    """Begin the row's grace anew; whether it is still there. Inside a transaction.

    A collector that is about to remove the row is either done, or leaves it alone.
    """
    nominate(kind, [target])
    return exists(kind, target)


def renew(kind: Kind, target: int) -> bool:
    """Promise somebody who may push that the row stays for a while; whether it is still there.

    At least half of the grace is left then: asking again and again does not write each time.
    """
    untagged = timedelta(days=settings.GARBAGE_UNTAGGED)
    grace = max(untagged, _grace()) if kind is Kind.MANIFEST else _grace()
    known = Review.objects.filter(kind=kind, target=target).values_list("nominated_at").first()
    if known and known[0] > timezone.now() - grace / 2:
        return exists(kind, target)
    with transaction.atomic():
        return hold(kind, target)


def _grace() -> timedelta:
    return timedelta(seconds=settings.GARBAGE_GRACE)


def exists(kind: Kind, target: int) -> bool:
    """Whether there is such a row."""
    # The table is one of three that are written above.
    statement = f"SELECT 1 FROM {_TABLES[kind]} WHERE id = %s"  # noqa: S608
    return bool(database.fetch(statement, [target]))


def nominate_forgotten(*, manifests_since: datetime | None = None) -> int:
    """Nominate what nothing needs and nobody has nominated: how many rows.

    Such as what was changed past Berth, or before it had a collector. The grace of manifests has
    run since then, or begins now.
    """
    count = 0
    for kind, statement in _FORGOTTEN.items():
        if kind is Kind.MANIFEST and not removes_untagged():
            continue
        while rows := database.fetch(statement + _NOT_NOMINATED, [kind.value, _PIECE]):
            with transaction.atomic():
                since = manifests_since if kind is Kind.MANIFEST else None
                nominate(kind, [id for (id,) in rows], since=since)
            count += len(rows)
    return count
