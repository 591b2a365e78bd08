"""Tags of a repository: listed, moved, deleted."""

from collections.abc import Collection, Iterable

from django.db import transaction

from repositories import reviews
from repositories.access import Principal, name_unknown
from repositories.audit import record
from repositories.database import fetch, for_update, insert, now, placeholders
from repositories.memory import forget_on_commit
from repositories.models import Repository, Tag
from repositories.oci.errors import ManifestUnknown
from repositories.reviews import Kind

_CURRENT = "SELECT name, manifest_id FROM repositories_tag WHERE repository_id = %s AND name IN"


def listing(*, repository: str, limit: int, last: str = "") -> list[str]:
    """Up to `limit` tags after `last`, which need not exist, in byte order (end-8).

    Raises NameUnknown.
    """
    repository_id = Repository.objects.filter(name=repository).values_list("id", flat=True).first()
    if repository_id is None:
        raise name_unknown(repository)
    tags = Tag.objects.filter(repository_id=repository_id, name__gt=last).order_by("name")
    return list(tags.values_list("name", flat=True)[:limit])


def move(
    *,
    principal: Principal,
    repository: str,
    repository_id: int,
    manifest_id: int,
    digest: str,
    names: Iterable[str],
) -> None:
    """Let each tag name the manifest, and write down those that did not. Inside a transaction.

    Tags are taken in the order of their names, so that two requests cannot wait for each other.
    """
    wanted = sorted(set(names))
    if not wanted:
        return
    query = f"{_CURRENT} {placeholders(len(wanted))} ORDER BY name {for_update()}"
    current = dict(fetch(query, [repository_id, *wanted]))
    at = now()
    row = {"repository_id": repository_id, "manifest_id": manifest_id}
    insert(
        "repositories_tag",
        [{**row, "name": name, "created_at": at, "pushed_at": at} for name in wanted],
        otherwise="ON CONFLICT (repository_id, name) DO UPDATE "
        "SET manifest_id = excluded.manifest_id, pushed_at = excluded.pushed_at",
    )
    # Also where all of them seem to be new: another push may just have made one, which this moves.
    forget_on_commit(repository)
    reviews.nominate(Kind.MANIFEST, set(current.values()) - {manifest_id})
    moved = (name for name in wanted if current.get(name) != manifest_id)
    _record(principal, repository_id, moved, digest)


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
        reviews.nominate(Kind.MANIFEST, [tag.manifest_id])
        forget_on_commit(repository)
        _record(principal, tag.repository_id, [name], "")
        record(principal, "tag.delete", f"{repository}:{name}")


def forget(*, principal: Principal, repository_id: int, names: Collection[str]) -> None:
    """Write down that the tags are gone, which went with their manifest. Inside a transaction."""
    _record(principal, repository_id, names, "")


def _record(principal: Principal, repository_id: int, names: Iterable[str], digest: str) -> None:
    row = {"repository_id": repository_id, "digest": digest, "changed_by": principal.name}
    at = now()
    insert("repositories_tagchange", [{**row, "name": name, "changed_at": at} for name in names])
