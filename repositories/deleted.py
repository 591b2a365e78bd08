"""Records of deletes, from which they can be undone until the grace is over: see `undo`.

Whatever deletes tags, manifests or a repository begins a record and has it keep them, in the
transaction that deletes them; one record for all that is deleted at once. Blobs are not kept: they
are nominated by the same transaction, and so stay for as long as the record does. With a grace of
nothing there is nothing to keep, and no record.
"""

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import serializers
from django.db import connection, transaction
from django.db.models import ForeignKey, Model
from django.utils import timezone

from repositories import database
from repositories.access import Principal
from repositories.database import execute, fetch, pieces, placeholders
from repositories.models import (
    Deletion,
    Repository,
    RepositoryGrant,
    RepositoryLimits,
    RetentionPolicy,
)

Kind = Deletion.Kind

# The models whose rows are settings of a repository, and come back with it.
SETTINGS: tuple[type[Model], ...] = (RepositoryGrant, RepositoryLimits, RetentionPolicy)
# What is removed without anybody's hand goes into one record for so long.
_RUN = timedelta(minutes=1)
_PIECE = 100

_BEGIN = """
INSERT INTO repositories_deletion
    (kind, name, team_id, repository_id, deleted_at, deleted_by, reason, until, settings)
SELECT %s, name, team_id, id, %s, %s, %s, %s, ''
FROM repositories_repository WHERE id = %s RETURNING id
"""
_COPIED = (
    "digest, media_type, payload, artifact_type, subject, referrer, pushed_at, pushed_by, "
    "pull_count, pulled_at"
)
_KEEP_MANIFESTS = f"""
INSERT INTO repositories_deletedmanifest (deletion_id, {_COPIED})
SELECT {{deletion}}, {_COPIED} FROM repositories_manifest WHERE {{column}} IN {{marks}}
"""  # noqa: S608  (columns are those that stand here)
_KEEP_TAGS = """
INSERT INTO repositories_deletedtag
    (deletion_id, name, digest, created_at, pushed_at, pull_count, pulled_at)
SELECT {deletion}, name, (SELECT digest FROM repositories_manifest WHERE id = tag.manifest_id),
    created_at, pushed_at, pull_count, pulled_at
FROM repositories_tag AS tag WHERE tag.{column} IN {marks}
ON CONFLICT (deletion_id, name) DO NOTHING
"""


def until() -> datetime | None:
    """When what is deleted now cannot be undone any more; None: it never can."""
    grace = timedelta(seconds=settings.GARBAGE_GRACE)
    return timezone.now() + grace if grace else None


def begin(*, principal: Principal, repository_id: int, kind: Kind, reason: str = "") -> int | None:
    """A new record's id; None where nothing is kept. Inside the transaction that deletes."""
    end = until()
    if end is None:
        return None
    what = [kind.value, database.now(), principal.name, reason, _adapted(end)]
    rows = fetch(_BEGIN, [*what, repository_id])
    return int(rows[0][0]) if rows else None


def of_this_run(
    *,
    principal: Principal,
    repository_id: int,
    kind: Kind,
    reason: str = "",
    since: datetime | None = None,
) -> int | None:
    """The record of what the principal, who is a job, has just begun to delete; else a new one.

    Just now is a minute, unless the run says `since` when it deletes.

    Inside the transaction that deletes. One that somebody is about to undo, or that another worker
    adds to, is left to them: a worker that has locked what it removes never waits for a record.
    """
    known = Deletion.objects.filter(
        repository=repository_id,
        kind=kind,
        deleted_by=principal.name,
        deleted_at__gt=since or timezone.now() - _RUN,
        until__gt=timezone.now(),
    )
    free = known.select_for_update(skip_locked=True, of=("self",)).order_by("-pk")
    found = free.values_list("pk", flat=True).first()
    return found or begin(
        principal=principal, repository_id=repository_id, kind=kind, reason=reason
    )


def keep_manifests(deletion: int | None, ids: Collection[int]) -> None:
    """Keep the manifests with these ids, and the tags that name them."""
    _keep(_KEEP_TAGS, deletion, "manifest_id", ids)
    _keep(_KEEP_MANIFESTS, deletion, "id", ids)


def keep_tags(deletion: int | None, ids: Collection[int]) -> None:
    """Keep the tags with these ids."""
    _keep(_KEEP_TAGS, deletion, "id", ids)


def keep_repository(deletion: int | None, repository: Repository) -> None:
    """Keep all of a repository that is locked, with what was deleted in it before."""
    if deletion is None:
        return
    _keep(_KEEP_TAGS, deletion, "repository_id", [repository.pk])
    _keep(_KEEP_MANIFESTS, deletion, "repository_id", [repository.pk])
    rows = [row for model in SETTINGS for row in _of(model, repository)]
    # Not Django's own JSON, which knows times to the millisecond only.
    text = json.dumps(serializers.serialize("python", [repository, *rows]), default=str)
    Deletion.objects.filter(pk=deletion).update(settings=text, repository=None)
    Deletion.objects.filter(repository=repository).update(repository=None, within=deletion)


def _keep(statement: str, deletion: int | None, column: str, ids: Collection[int]) -> None:
    if deletion is None:
        return
    for piece in pieces(sorted(ids)):
        marks = placeholders(len(piece))
        # A number of ours, which PostgreSQL could not tell the type of as a parameter.
        execute(statement.format(deletion=int(deletion), column=column, marks=marks), piece)


def _of(model: type[Model], repository: Repository) -> list[Model]:
    return list(model._default_manager.filter(repository=repository))  # noqa: SLF001  (public)


def repository_again(record: Deletion) -> Repository:
    """The repository with its settings, made anew. Inside a transaction.

    Settings that speak of somebody who is gone are left out. Raises IntegrityError where there is
    one of the name.
    """
    rows = [
        found.object
        for found in serializers.deserialize(
            "python", json.loads(record.settings), ignorenonexistent=True
        )
    ]
    repository: Any = rows[0]
    repository.pk = None
    repository.save(force_insert=True)
    for row in rows[1:]:
        row.pk = None
        row.repository = repository  # type: ignore[attr-defined]
        if _is_whole(row):
            row.save(force_insert=True)
    return Repository.objects.get(pk=repository.pk)


def _is_whole(row: Model) -> bool:
    """Whether everything that the row points at is still there."""
    keys = [field for field in row._meta.concrete_fields if isinstance(field, ForeignKey)]  # noqa: SLF001
    ends = ((field.related_model, getattr(row, field.attname)) for field in keys)
    return all(
        id is None or model._default_manager.filter(pk=id).exists()  # noqa: SLF001
        for model, id in ends
    )


def drop(deletion: int) -> None:
    """Remove a record, with what it keeps. Inside a transaction."""
    Deletion.objects.filter(pk=deletion).delete()


def purge() -> int:
    """Remove the records whose time is over; how many. What somebody is about to use waits."""
    count = 0
    while piece := _purge_some():
        count += piece
    return count


@transaction.atomic
def _purge_some() -> int:
    over = Deletion.objects.filter(until__lte=timezone.now()).order_by("pk")
    free = over.select_for_update(skip_locked=True, of=("self",))
    piece = list(free.values_list("pk", flat=True)[:_PIECE])
    Deletion.objects.filter(pk__in=piece).delete()
    return len(piece)


def _adapted(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)
