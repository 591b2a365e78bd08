"""Deletes are undone, until their grace is over: whole, or not at all.

Who may delete in a repository sees what was deleted there, and puts it back; of a deleted
repository its team's maintainers and owners. Blobs that were collected meanwhile, as only
`collect_garbage --grace 0s` does, or that are damaged, cannot come back until they are pushed, nor
anything that is made of them: then nothing changes, and the refusal says what is gone. A tag that
was pushed anew since is never overwritten: `rest` puts back all others.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Membership
from accounts.permissions import require_role
from repositories import administration, deleted, limits, read_only, revival, tags
from repositories.access import Action, Principal, allowed
from repositories.audit import record as write_down
from repositories.database import again_on_conflict, pieces
from repositories.limits import Limits
from repositories.models import (
    DeletedManifest,
    DeletedTag,
    Deletion,
    Manifest,
    Repository,
    RetentionRun,
    Tag,
)
from repositories.revival import Missing

Role = Membership.Role

# How many names and digests a refusal tells.
MOST_TOLD = 20
# Whoever undoes what rules have removed has so long to change them, which applies them at once.
_TO_THINK = timedelta(days=1)


class Undone(NamedTuple):
    """What came back: a repository's name, tags, how many manifests; and the tags that did not."""

    repository: str
    tags: tuple[str, ...]
    manifests: int
    left: tuple[str, ...]


class CannotUndo(ValidationError):
    """Nothing was put back. `moved` are tags that were pushed anew, `missing` what is gone.

    With `can_rest` all but the tags can be put back, by the same call with `rest`.
    """

    def __init__(
        self,
        *,
        until: str = "",
        name: str = "",
        moved: Sequence[str] = (),
        missing: Sequence[Missing] = (),
        texts: Sequence[str] = (),
    ) -> None:
        self.moved = tuple(moved)
        self.missing = tuple(missing)
        self.can_rest = bool(name or moved) and not (until or missing)
        said = [
            *texts,
            *(
                [_("This could be undone until %(until)s (UTC).") % {"until": until}]
                if until
                else []
            ),
            *([_exists(name)] if name else []),
            *([_moved(moved)] if moved else []),
            *([_gone(missing)] if missing else []),
        ]
        super().__init__(said)


def _exists(name: str) -> str:
    text = _(
        "There is a repository %(name)s again. The images can be put back into it; then whoever "
        "sees it sees them, too."
    )
    return text % {"name": name}


def _moved(names: Sequence[str]) -> str:
    text = ngettext(
        "%(count)d tag has been pushed anew since, and stays as it is: %(names)s. The rest can be "
        "put back.",
        "%(count)d tags have been pushed anew since, and stay as they are: %(names)s. The rest can "
        "be put back.",
        len(names),
    )
    return text % {"count": len(names), "names": _some(names)}


def _gone(missing: Sequence[Missing]) -> str:
    text = ngettext(
        "Nothing was put back: this is lost until somebody pushes it again: %(names)s.",
        "Nothing was put back: these %(count)d are lost until somebody pushes them again: "
        "%(names)s.",
        len(missing),
    )
    lines = [
        _("%(blob)s, which %(manifest)s is made of")
        % {"blob": lacks.blob, "manifest": lacks.manifest}
        if lacks.blob
        else lacks.manifest
        for lacks in missing[:MOST_TOLD]
    ]
    return text % {"count": len(missing), "names": _some(lines, len(missing))}


def _some(names: Sequence[str], count: int | None = None) -> str:
    shown = ", ".join(names[:MOST_TOLD])
    more = (len(names) if count is None else count) - MOST_TOLD
    return shown if more <= 0 else _("%(some)s and %(more)d more") % {"some": shown, "more": more}


def of_repository(*, principal: Principal, repository: str) -> QuerySet[Deletion]:
    """What was deleted in the repository and can be undone, the newest first; see `counted`.

    For who may delete there. Raises Repository.DoesNotExist, PermissionDenied.
    """
    return undoable(_open(principal, repository))


def undoable(row: Repository) -> QuerySet[Deletion]:
    """The same, for a repository in which the caller may delete."""
    return _counted(Deletion.objects.filter(repository=row, until__gt=timezone.now()))


def of_team(*, principal: Principal, team: str) -> QuerySet[Deletion]:
    """The repositories that were deleted and can come back. Maintainers of the team.

    Raises Team.DoesNotExist, PermissionDenied.
    """
    return _counted(_of_team(principal, team).filter(until__gt=timezone.now()))


def _of_team(principal: Principal, team: str) -> QuerySet[Deletion]:
    row = require_role(principal, team, Role.MAINTAINER)
    return Deletion.objects.filter(
        team=row, kind=deleted.Kind.REPOSITORY, repository=None, within=None
    )


def _counted(rows: QuerySet[Deletion]) -> QuerySet[Deletion]:
    """With `tags_count` and `manifests_count`, and the first tag and digest by name."""
    tag_rows = DeletedTag.objects.filter(deletion=OuterRef("pk"))
    manifest_rows = DeletedManifest.objects.filter(deletion=OuterRef("pk"))

    def count(found: QuerySet[DeletedTag] | QuerySet[DeletedManifest]) -> Coalesce:
        counts = found.order_by().values("deletion").annotate(count=Count("pk"))
        return Coalesce(Subquery(counts.values("count")), 0)

    return (
        rows.annotate(
            tags_count=count(tag_rows),
            manifests_count=count(manifest_rows),
            first_tag=Subquery(tag_rows.order_by("name").values("name")[:1]),
            first_digest=Subquery(manifest_rows.order_by("pk").values("digest")[:1]),
        )
        .defer("settings")
        .order_by("-pk")
    )


@again_on_conflict
def undo(*, principal: Principal, repository: str, deletion: int, rest: bool = False) -> Undone:
    """Put back what was deleted in a repository. For who may delete there.

    With `rest` without the tags that were pushed anew. Raises Repository.DoesNotExist,
    PermissionDenied; Deletion.DoesNotExist when somebody else was quicker; CannotUndo, ReadOnly,
    QuotaExceeded.
    """
    row = _open(principal, repository)
    with transaction.atomic():
        held = read_only.hold(repository)
        record = _locked(Deletion.objects.filter(repository=row), deletion)
        return _put_back(principal, row, record, held=held, rest=rest)


@again_on_conflict
def undo_repository(
    *, principal: Principal, team: str, deletion: int, rest: bool = False
) -> Undone:
    """Put a deleted repository back. Maintainers of the team.

    Where there is one of the name again, which keeps its settings, that takes `rest`. Raises
    Team.DoesNotExist, PermissionDenied, Deletion.DoesNotExist, CannotUndo, ReadOnly, QuotaExceeded.
    """
    rows = _of_team(principal, team)
    name = rows.values_list("name", flat=True).get(pk=deletion)
    with transaction.atomic():
        read_only.hold(name)
        record = _locked(rows, deletion)
        row = Repository.objects.filter(name=record.name).first()
        if row is not None and not rest:
            raise CannotUndo(name=record.name)
        row = row or deleted.repository_again(record)
        held = limits.look(name)  # as they are again; even one that was archived comes back whole
        done = _put_back(principal, row, record, held=held, rest=rest)
        Deletion.objects.filter(within=deletion).update(repository=row, within=None)
        deleted.drop(deletion)
        return done


def _open(principal: Principal, name: str) -> Repository:
    """The repository. Raises Repository.DoesNotExist, PermissionDenied."""
    row = administration.visible_repository(principal, name)
    if Action.DELETE not in allowed(principal=principal, name=name):
        raise PermissionDenied(
            _("Only who may delete here sees what was deleted, and can undo it.")
        )
    return row


def _locked(rows: QuerySet[Deletion], id: int) -> Deletion:
    """Raises Deletion.DoesNotExist."""
    return rows.select_for_update(of=("self",)).get(pk=id)


def _put_back(
    principal: Principal, row: Repository, record: Deletion, *, held: Limits, rest: bool
) -> Undone:
    """Inside a transaction, which an error ends: nothing is done by halves."""
    moved, lost = _tags_now(row.pk, record)
    ids = set(record.manifests.values_list("pk", flat=True))
    own = set(record.manifests.values_list("digest", flat=True))
    # A tag that was deleted alone may have lost its manifest by a later delete.
    ids |= revival.kept(repository_id=row.pk, digests=lost - own) if lost - own else set()
    revived = revival.put_back(held=held, repository_id=row.pk, name=row.name, ids=ids)
    missing = [*revived.missing, *_nowhere(row.pk, lost - own, revived)]
    over = record.until <= timezone.now()
    if over or missing or (moved and not rest):
        until = f"{record.until:%Y-%m-%d %H:%M}" if over else ""
        raise CannotUndo(until=until, moved=moved, missing=missing)
    back = tags.put_back(
        principal=principal, repository=row.name, repository_id=row.pk, deletion=record.pk
    )
    pushed_meanwhile, _lost = _tags_now(row.pk, record)
    if pushed_meanwhile and not rest:
        raise CannotUndo(moved=pushed_meanwhile)
    write_down(
        principal,
        "deletion.undo",
        row.name,
        kind=record.kind,
        tags=len(back),
        manifests=len(revived.manifests),
    )
    if record.kind == deleted.Kind.RETENTION:
        RetentionRun.objects.filter(repository=row).update(due_at=timezone.now() + _TO_THINK)
    if record.kind != deleted.Kind.REPOSITORY:
        deleted.drop(record.pk)
    return Undone(row.name, tuple(sorted(back)), len(revived.manifests), tuple(pushed_meanwhile))


def _tags_now(repository_id: int, record: Deletion) -> tuple[list[str], set[str]]:
    """The record's tags that name something else now, and the digests of those that are none."""
    kept = dict(record.tags.order_by("name").values_list("name", "digest"))
    names = sorted(kept)
    now: dict[str, str] = {}
    for piece in pieces(names):
        tagged = Tag.objects.filter(repository=repository_id, name__in=piece)
        ids = dict(tagged.values_list("name", "manifest"))
        # No join, as in tags.put_back.
        rows = Manifest.objects.filter(pk__in=set(ids.values()))
        digests = dict(rows.values_list("pk", "digest"))
        now |= {name: digests[id] for name, id in ids.items() if id in digests}
    moved = [name for name in names if name in now and now[name] != kept[name]]
    return moved, {kept[name] for name in names if name not in now}


def _nowhere(
    repository_id: int, digests: Collection[str], revived: revival.Revived
) -> list[Missing]:
    """The manifests of tags that are neither in the repository nor in any record."""
    known = set(revived.manifests).union(lacks.manifest for lacks in revived.missing)
    unknown = sorted(set(digests) - known)
    for piece in pieces(unknown):
        rows = Manifest.objects.filter(repository=repository_id, digest__in=piece)
        known.update(rows.values_list("digest", flat=True))
    return [Missing(digest, "") for digest in unknown if digest not in known]
