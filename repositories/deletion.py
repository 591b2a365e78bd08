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
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from repositories import administration, manifests, needs, reviews, tags
from repositories.access import Action, Principal, allowed
from repositories.audit import record
from repositories.database import once_more_on_conflict
from repositories.memory import forget_on_commit
from repositories.models import BlobLink, Manifest, Repository, Tag
from repositories.oci.digests import Digest
from repositories.oci.errors import ManifestUnknown
from repositories.reviews import Kind


class Preview(NamedTuple):
    """What a delete takes with it. `bytes` would be freed, `shared_bytes` not: others need them."""

    tags: tuple[str, ...]
    manifests: tuple[str, ...]  # digests, in their order
    children: int  # of the manifests: those that only an index of them lists
    blobs: int
    bytes: int
    shared_bytes: int


class _Going(NamedTuple):
    """Ids of manifests; `chosen` of them were named, themselves or by a tag."""

    all: frozenset[int]
    chosen: frozenset[int]


def preview(
    *, principal: Principal, repository: str, names: Collection[str], digests: Collection[str] = ()
) -> Preview:
    """What deleting these tags and manifests would take with it. What is not there counts nothing.

    For who may delete there. Raises Repository.DoesNotExist, PermissionDenied.
    """
    row = _deletable(principal, repository)
    return _preview(row, names, _going(row.pk, names, digests))


def preview_repository(*, principal: Principal, repository: str) -> Preview:
    """What deleting the whole repository would take with it. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied.
    """
    row = administration.managed_repository(principal, repository)
    links = set(BlobLink.objects.filter(repository=row).values_list("pk", flat=True))
    ids = frozenset(row.manifests.values_list("pk", flat=True))
    return _described(
        going=_Going(ids, ids),
        names=list(row.tags.order_by("name").values_list("name", flat=True)),
        links=links,
        freed=needs.blobs_only_of(links),
    )


@once_more_on_conflict
def delete(
    *, principal: Principal, repository: str, names: Collection[str], digests: Collection[str] = ()
) -> Preview:
    """Delete tags and manifests with what only they led to; what that was.

    What is not there, because somebody else was quicker, is passed over. For who may delete there.
    Raises Repository.DoesNotExist, PermissionDenied.
    """
    row = _deletable(principal, repository)
    with transaction.atomic():
        # Whoever pushes a tag of one of them meanwhile waits, or was first.
        candidates = needs.below(row.pk, _start(row.pk, names, digests))
        for ids in needs.pieces(sorted(candidates)):
            list(Manifest.objects.select_for_update().filter(pk__in=ids).values_list("pk"))
        going = _going(row.pk, names, digests)
        found = _preview(row, names, going)
        for name in found.tags:
            with suppress(ManifestUnknown):
                tags.delete(principal=principal, repository=repository, name=name)
        for digest in map(Digest.parse, found.manifests):
            with suppress(ManifestUnknown):
                manifests.delete(principal=principal, repository=repository, digest=digest)
    return found


@once_more_on_conflict
def delete_repository(*, principal: Principal, repository: str) -> Preview:
    """Delete a repository with everything in it. Maintainers.

    Its tags, their history, its manifests, pulls, roles and uploads go at once; its blobs when the
    collector finds that no other repository links them. Raises Repository.DoesNotExist,
    PermissionDenied.
    """
    _require_deletes()
    found = preview_repository(principal=principal, repository=repository)
    with transaction.atomic():
        row = Repository.objects.select_for_update().get(name=repository)
        linked = BlobLink.objects.filter(repository=row).values_list("blob_id", flat=True)
        blobs = list(linked)
        # In this order: images protect the links that they are made of.
        ids = list(row.manifests.order_by("pk").values_list("pk", flat=True))
        for piece in needs.pieces(ids):
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
    return found


def _deletable(principal: Principal, name: str) -> Repository:
    """The repository. Raises Repository.DoesNotExist, PermissionDenied."""
    row = administration.visible_repository(principal, name)
    if Action.DELETE not in allowed(principal=principal, name=name):
        raise PermissionDenied(_("Only maintainers may delete here; ask one of them."))
    _require_deletes()
    return row


def _require_deletes() -> None:
    if not settings.DELETE_ENABLED:
        raise PermissionDenied(
            _("Deleting is switched off: REGISTRY_STORAGE_DELETE_ENABLED=true would allow it.")
        )


def _start(repository_id: int, names: Collection[str], digests: Collection[str]) -> set[int]:
    tagged = Tag.objects.filter(repository=repository_id, name__in=names)
    return {*tagged.values_list("manifest_id", flat=True), *_named(repository_id, digests)}


def _named(repository_id: int, digests: Collection[str]) -> set[int]:
    rows = Manifest.objects.filter(repository=repository_id, digest__in=digests)
    return set(rows.values_list("pk", flat=True))


def _going(repository_id: int, names: Collection[str], digests: Collection[str]) -> _Going:
    """Which manifests go: of what the chosen ones lead to, what nothing else leads to."""
    named = _named(repository_id, digests)
    start = _start(repository_id, names, digests)
    candidates = needs.below(repository_id, start)
    keepers = needs.keepers(repository_id, candidates)
    tagged = _tagged_otherwise(candidates, names)
    new = {id for id in candidates - named if id in tagged or keepers.get(id, set()) - candidates}
    staying: set[int] = set()
    while new:
        staying |= new
        new = {id for id in candidates - named - staying if keepers.get(id, set()) & staying}
    going = candidates - staying
    return _Going(frozenset(going), frozenset(start & going))


def _tagged_otherwise(manifests: Collection[int], names: Collection[str]) -> set[int]:
    """Those that a tag leads to which is none of `names`."""
    found: set[int] = set()
    for ids in needs.pieces(sorted(manifests)):
        rows = Tag.objects.filter(manifest__in=ids).exclude(name__in=names)
        found |= set(rows.values_list("manifest_id", flat=True))
    return found


def _preview(row: Repository, names: Collection[str], going: _Going) -> Preview:
    tags_here = Tag.objects.filter(repository=row)
    chosen = set(tags_here.filter(name__in=names).values_list("name", flat=True))
    for ids in needs.pieces(sorted(going.all)):
        chosen |= set(tags_here.filter(manifest__in=ids).values_list("name", flat=True))
    links: set[int] = set()
    for ids in needs.pieces(sorted(going.all)):
        used = BlobLink.objects.filter(uses__manifest__in=ids)
        links |= set(used.values_list("pk", flat=True))
    only = needs.links_only_of(going.all)
    return _described(
        going=going, names=sorted(chosen), links=links, freed=needs.blobs_only_of(only)
    )


def _described(
    *, going: _Going, names: Collection[str], links: set[int], freed: dict[int, int]
) -> Preview:
    digests: list[str] = []
    for ids in needs.pieces(sorted(going.all)):
        rows = Manifest.objects.filter(pk__in=ids)
        digests += rows.values_list("digest", flat=True)
    total = 0
    for ids in needs.pieces(sorted(links)):
        total += sum(BlobLink.objects.filter(pk__in=ids).values_list("blob__size", flat=True))
    size = sum(freed.values())
    return Preview(
        tags=tuple(names),
        manifests=tuple(sorted(digests)),
        children=len(going.all - going.chosen),
        blobs=len(freed),
        bytes=size,
        shared_bytes=total - size,
    )
