"""Deletes of whole images and repositories, and what they would free, said beforehand.

Deleting tags takes with them what only they led to: their images, what those list as indexes, and
what refers to them. What another tag leads to stays, and so does what an index lists that stays, or
what refers to a subject that stays. Manifests that are named by digest go whatever leads to them.

Bytes are those of the blobs that nothing would need any more: of no other image here, and linked by
no other repository. They are free once the collector has been (see `garbage`): a blob that was
pushed for an image of today, and by nobody else, after the grace.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from repositories import (
    administration,
    deleted,
    manifests,
    previews,
    protection,
    read_only,
    reviews,
    tags,
)
from repositories.access import Action, Principal, allowed
from repositories.audit import record
from repositories.database import again_on_conflict, fetch, for_update, pieces
from repositories.memory import forget_on_commit
from repositories.models import BlobLink, Manifest, Repository, RepositoryLimits
from repositories.oci.digests import Digest
from repositories.oci.errors import ManifestUnknown
from repositories.previews import Preview
from repositories.reviews import Kind

_LOCK_TAGS = "SELECT id FROM repositories_tag WHERE repository_id = %s ORDER BY name"


class DeletedTags(NamedTuple):
    """The tags that went, and the record by which that can be undone, if there is one."""

    names: tuple[str, ...]
    deletion: int | None


def preview(
    *, principal: Principal, repository: str, names: Collection[str], digests: Collection[str] = ()
) -> Preview:
    """What deleting these tags and manifests would take with it. What is not there counts nothing.

    For who may delete there. Raises Repository.DoesNotExist, PermissionDenied.
    """
    row = _deletable(principal, repository)
    return previews.preview(repository_id=row.pk, names=names, digests=digests)


def preview_repository(*, principal: Principal, repository: str) -> Preview:
    """What deleting the whole repository would take with it. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied.
    """
    row = administration.managed_repository(principal, repository)
    return previews.whole(repository=row)


@again_on_conflict
def delete(
    *,
    principal: Principal,
    repository: str,
    names: Collection[str],
    digests: Collection[str] = (),
    reason: str = "",
) -> Preview:
    """Delete tags and manifests with what only they led to; what that was.

    All of it can be undone at once; `reason` says there why it was done, if by no hand. What is not
    there, because somebody else was quicker, is passed over. For who may delete there. Raises
    Repository.DoesNotExist, PermissionDenied, ReadOnly, and TagImmutable: then nothing goes.
    """
    row = _deletable(principal, repository)
    with transaction.atomic():
        read_only.hold(repository)
        # Whoever pushes a tag of one of them meanwhile waits, or was first.
        candidates = previews.manifests_below(repository_id=row.pk, names=names, digests=digests)
        for ids in pieces(sorted(candidates)):
            rows = Manifest.objects.select_for_update().filter(pk__in=ids).order_by("pk")
            list(rows.values_list("pk"))
        found = previews.preview(repository_id=row.pk, names=names, digests=digests)
        if not (found.tags or found.manifests):
            return found
        kind = deleted.Kind.IMAGES if found.manifests else deleted.Kind.TAGS
        into = deleted.begin(principal=principal, repository_id=row.pk, kind=kind, reason=reason)
        for name in found.tags:
            with suppress(ManifestUnknown):
                tags.delete(principal=principal, repository=repository, name=name, into=into)
        for digest in map(Digest.parse, found.manifests):
            with suppress(ManifestUnknown):
                manifests.delete(
                    principal=principal, repository=repository, digest=digest, into=into
                )
    return replace(found, deletion=into)


@again_on_conflict
def delete_tags(*, principal: Principal, repository: str, names: Collection[str]) -> DeletedTags:
    """Delete tags alone, all by one delete that can be undone; which were there.

    For who may delete there. Raises Repository.DoesNotExist, PermissionDenied, ReadOnly, and
    TagImmutable: then nothing goes.
    """
    row = _deletable(principal, repository)
    gone: list[str] = []
    with transaction.atomic():
        read_only.hold(repository)
        into = deleted.begin(principal=principal, repository_id=row.pk, kind=deleted.Kind.TAGS)
        for name in sorted(set(names)):
            with suppress(ManifestUnknown):
                tags.delete(principal=principal, repository=repository, name=name, into=into)
                gone.append(name)
        if into and not gone:
            deleted.drop(into)
            into = None
    return DeletedTags(tuple(gone), into)


@again_on_conflict
def delete_repository(*, principal: Principal, repository: str) -> Preview:
    """Delete a repository with everything in it. Maintainers.

    Its tags, their history, its manifests, pulls, roles and uploads go at once; its blobs when the
    collector finds that no other repository links them. Tags, manifests, roles and settings come
    back when it is undone. One with immutable tags is kept until the patterns of those are changed.
    Raises Repository.DoesNotExist, PermissionDenied, ReadOnly, TagImmutable.
    """
    require_deletes()
    found = preview_repository(principal=principal, repository=repository)
    with transaction.atomic():
        held = read_only.hold(repository)
        # The quota before the repository, as pushes have it.
        quota = RepositoryLimits.objects.select_for_update(of=("self",))
        list(quota.filter(repository__name=repository).values_list("pk"))
        row = Repository.objects.select_for_update().get(name=repository)
        protection.require_none(held)
        # What was pushed until now is kept, and nothing can be pushed any more.
        fetch(f"{_LOCK_TAGS} {for_update()}", [row.pk])
        into = deleted.begin(
            principal=principal, repository_id=row.pk, kind=deleted.Kind.REPOSITORY
        )
        deleted.keep_repository(into, row)
        linked = BlobLink.objects.filter(repository=row).values_list("blob_id", flat=True)
        blobs = list(linked)
        # In this order: images protect the links that they are made of.
        ids = list(row.manifests.order_by("pk").values_list("pk", flat=True))
        for piece in pieces(ids):
            Manifest.objects.only("pk").filter(pk__in=piece).delete()
        row.delete()
        reviews.nominate(Kind.BLOB, blobs)  # after all locks on rows, as the collector has it
        forget_on_commit(repository)
        record(
            principal,
            "repository.delete",
            repository,
            manifests=len(found.manifests),
            tags=len(found.tags),
            bytes=found.bytes,
        )
    return replace(found, deletion=into)


def _deletable(principal: Principal, name: str) -> Repository:
    """The repository. Raises Repository.DoesNotExist, PermissionDenied."""
    row = administration.visible_repository(principal, name)
    if Action.DELETE not in allowed(principal=principal, name=name):
        raise PermissionDenied(_("Only maintainers may delete here; ask one of them."))
    require_deletes()
    return row


def require_deletes() -> None:
    """Return where deleting is not switched off. Raises PermissionDenied."""
    if not settings.DELETE_ENABLED:
        raise PermissionDenied(
            _("Deleting is switched off: REGISTRY_STORAGE_DELETE_ENABLED=true would allow it.")
        )
