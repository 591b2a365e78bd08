"""Tags of a repository: listed, moved, deleted."""

from collections.abc import Collection, Iterable

from django.db import transaction

from repositories.access import Principal, name_unknown
from repositories.audit import record
from repositories.models import Manifest, Repository, Tag, TagChange
from repositories.oci.errors import ManifestUnknown


def listing(*, repository: str, limit: int, last: str = "") -> list[str]:
    """Up to `limit` tags after `last`, which need not exist, in byte order (end-8).

    Raises NameUnknown.
    """
    repository_id = Repository.objects.filter(name=repository).values_list("id", flat=True).first()
    if repository_id is None:
        raise name_unknown(repository)
    tags = Tag.objects.filter(repository_id=repository_id, name__gt=last).order_by("name")
    return list(tags.values_list("name", flat=True)[:limit])


def move(*, principal: Principal, manifest: Manifest, names: Iterable[str]) -> None:
    """Let each tag name `manifest`, and write down those that did not. Inside a transaction.

    Tags are taken in the order of their names, so that two requests cannot wait for each other.
    """
    repository_id = manifest.repository_id
    wanted = sorted(set(names))
    if not wanted:
        return
    current = dict(
        Tag.objects.select_for_update()
        .filter(repository_id=repository_id, name__in=wanted)
        .order_by("name")
        .values_list("name", "manifest_id")
    )
    Tag.objects.bulk_create(
        [Tag(repository_id=repository_id, name=name, manifest=manifest) for name in wanted],
        update_conflicts=True,
        update_fields=["manifest", "pushed_at"],
        unique_fields=["repository", "name"],
    )
    _record(
        principal,
        repository_id,
        (name for name in wanted if current.get(name) != manifest.id),
        manifest.digest,
    )


def delete(*, principal: Principal, repository: str, name: str) -> None:
    """Remove one tag; its manifest and its siblings stay (end-9).

    Raises ManifestUnknown, NameUnknown.
    """
    with transaction.atomic():
        found = Tag.objects.select_for_update(of=("self",))
        tag = found.filter(repository__name=repository, name=name).first()
        if tag is None:
            if not Repository.objects.filter(name=repository).exists():
                raise name_unknown(repository)
            raise ManifestUnknown("this repository has no such tag", detail={"tag": name})
        tag.delete()
        _record(principal, tag.repository_id, [name], "")
        record(principal, "tag.delete", f"{repository}:{name}")


def forget(*, principal: Principal, repository_id: int, names: Collection[str]) -> None:
    """Write down that the tags are gone, which went with their manifest. Inside a transaction."""
    _record(principal, repository_id, names, "")


def _record(principal: Principal, repository_id: int, names: Iterable[str], digest: str) -> None:
    TagChange.objects.bulk_create(
        TagChange(repository_id=repository_id, name=name, digest=digest, changed_by=principal.name)
        for name in names
    )
