"""Tags of a repository: listed, moved, deleted."""

from collections.abc import Collection, Iterable, Mapping

from django.db import transaction

from repositories import deleted, protection, read_only, reviews
from repositories.access import Principal, name_unknown
from repositories.audit import record
from repositories.database import (
    again_on_conflict,
    fetch,
    fetch_each,
    for_update,
    insert,
    insert_later,
    now,
    pieces,
    placeholders,
)
from repositories.limits import Limits
from repositories.memory import Names, forget_on_commit, remembered
from repositories.models import Manifest, Repository, Tag
from repositories.oci.errors import ManifestUnknown
from repositories.oci.names import MAX_TAG_BYTES
from repositories.patterns import matching
from repositories.postgresql.turns import Statement
from repositories.reviews import Kind

_CURRENT = "SELECT name, manifest_id FROM repositories_tag WHERE repository_id = %s AND name IN"
_KEPT = """
SELECT name, digest, created_at, pushed_at, pull_count, pulled_at
FROM repositories_deletedtag WHERE deletion_id = %s ORDER BY name
"""
_PUT_BACK = """
INSERT INTO repositories_tag
    (repository_id, name, manifest_id, created_at, pushed_at, pull_count, pulled_at)
VALUES {rows} ON CONFLICT (repository_id, name) DO NOTHING RETURNING name
"""
_PIECE = 1000
_ELSEWHERE = """
SELECT name FROM repositories_tag WHERE repository_id = %s AND manifest_id <> %s AND name IN
"""
_ON_CONFLICT = "ON CONFLICT (repository_id, name) DO UPDATE SET pushed_at = excluded.pushed_at"
_MOVE = f"{_ON_CONFLICT}, manifest_id = excluded.manifest_id"
_STAY = f"{_ON_CONFLICT} WHERE repositories_tag.manifest_id = excluded.manifest_id"

Current = Mapping[str, int]  # tags, and the ids of the manifests that they name


def listing(*, repository: str, limit: int, last: str = "") -> list[str]:
    """Up to `limit` tags after `last`, which need not exist, in byte order (end-8).

    Raises NameUnknown.
    """
    # What could be no tag is not worth remembering, of which somebody could send any number.
    look_up = _remembered_page if len(last) <= MAX_TAG_BYTES else _page
    return look_up(repository=repository, page=(limit, last)).listed()


def _page(*, repository: str, page: tuple[int, str]) -> Names:
    limit, last = page
    repository_id = Repository.objects.filter(name=repository).values_list("id", flat=True).first()
    if repository_id is None:
        raise name_unknown(repository)
    tags = Tag.objects.filter(repository_id=repository_id, name__gt=last).order_by("name")
    return Names.of(tags.values_list("name", flat=True)[:limit])


_remembered_page = remembered(by="page")(_page)


def looking(repository_id: int, names: Collection[str]) -> list[Statement]:
    """What finds, and locks, the tags that there are, and the ids of what they name.

    Tags are taken in the order of their names, so that two requests cannot wait for each other.
    """
    wanted = sorted(set(names))
    if not wanted:
        return []
    query = f"{_CURRENT} {placeholders(len(wanted))} ORDER BY name {for_update()}"
    return [(query, [repository_id, *wanted])]


def move(
    *,
    principal: Principal,
    repository: str,
    repository_id: int,
    manifest_id: int,
    digest: str,
    names: Collection[str],
    held: Limits | None = None,
    current: Current | None = None,
) -> None:
    """Let each tag name the manifest, and write down those that did not. Inside a transaction,
    which may have `held` the limits, and fetched what is `looking` for what they name now.

    Raises ReadOnly, TagImmutable.
    """
    wanted = sorted(set(names))
    if not wanted:
        return
    held = held or read_only.hold(repository)
    fixed = matching(held.patterns, wanted)
    if current is None:
        current = dict(*fetch_each(*looking(repository_id, wanted)))
    at = now()
    row = {"repository_id": repository_id, "manifest_id": manifest_id}
    rows = [{**row, "name": name, "created_at": at, "pushed_at": at} for name in wanted]
    insert("repositories_tag", [r for r in rows if r["name"] in fixed], otherwise=_STAY)
    if fixed:
        # Also those that another push has made just now.
        query = _ELSEWHERE + placeholders(len(fixed))
        there = fetch(query, [repository_id, manifest_id, *fixed])
        protection.require_movable(held, [name for (name,) in there])
    movable = [row for row in rows if row["name"] not in fixed]
    insert_later("repositories_tag", movable, otherwise=_MOVE)
    # Also where all of them seem to be new: another push may just have made one, which this moves.
    forget_on_commit(repository)
    reviews.nominate(Kind.MANIFEST, set(current.values()) - {manifest_id})
    moved = (name for name in wanted if current.get(name) != manifest_id)
    _record(principal, repository_id, moved, digest)


@again_on_conflict
def delete(
    *, principal: Principal, repository: str, name: str, into: int | None = None
) -> int | None:
    """Remove one tag; its manifest and its siblings stay (end-9).

    Kept in the record `into`, or one of its own, whose id is returned if there is one. Raises
    ManifestUnknown, NameUnknown, ReadOnly, TagImmutable.
    """
    with transaction.atomic():
        held = read_only.hold(repository)
        found = Tag.objects.select_for_update(of=("self",))
        tag = found.filter(repository__name=repository, name=name).first()
        if tag is None:
            if not Repository.objects.filter(name=repository).exists():
                raise name_unknown(repository)
            raise ManifestUnknown("this repository has no such tag", detail={"tag": name})
        protection.require_movable(held, [name])
        into = into or deleted.begin(
            principal=principal, repository_id=tag.repository_id, kind=deleted.Kind.TAGS
        )
        deleted.keep_tags(into, [tag.pk])
        tag.delete()
        reviews.nominate(Kind.MANIFEST, [tag.manifest_id])
        forget_on_commit(repository)
        _record(principal, tag.repository_id, [name], "")
        record(principal, "tag.delete", f"{repository}:{name}")
        return into


def put_back(
    *, principal: Principal, repository: str, repository_id: int, deletion: int
) -> set[str]:
    """Make the tags of a record again whose manifests are here; the names. Inside a transaction.

    A tag that is there stays as it is: it was pushed anew.
    """
    forget_on_commit(repository)
    back: set[str] = set()
    for piece in pieces(fetch(_KEPT, [deletion]), _PIECE):
        # No join: PostgreSQL, which may take tables that just filled for empty ones, would go
        # through all manifests for each tag.
        digests = {digest for _name, digest, *_times in piece}
        rows = Manifest.objects.filter(repository=repository_id, digest__in=digests)
        here = dict(rows.values_list("digest", "pk"))
        kept = [tag for tag in piece if tag[1] in here]
        values = [
            value
            for name, digest, *times in kept
            for value in (repository_id, name, here[digest], *times)
        ]
        lines = ", ".join([placeholders(7)] * len(kept))
        made = {name for (name,) in fetch(_PUT_BACK.format(rows=lines), values)} if kept else set()
        moves = [(digest, name) for name, digest, *_times in kept if name in made]
        _record_each(principal, repository_id, moves)
        back |= made
    return back


def forget(*, principal: Principal, repository_id: int, names: Collection[str]) -> None:
    """Write down that the tags are gone, which went with their manifest. Inside a transaction."""
    _record(principal, repository_id, names, "")


def _record(principal: Principal, repository_id: int, names: Iterable[str], digest: str) -> None:
    _record_each(principal, repository_id, [(digest, name) for name in names])


def _record_each(
    principal: Principal, repository_id: int, moves: Iterable[tuple[str, str]]
) -> None:
    row = {"repository_id": repository_id, "changed_by": principal.name, "changed_at": now()}
    insert_later(
        "repositories_tagchange",
        [{**row, "digest": digest, "name": name} for digest, name in moves],
    )
