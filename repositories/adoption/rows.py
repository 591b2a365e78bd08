"""The rows of a repository, written as its contents come: a batch in one transaction.

Nothing that is there already is changed, so that whoever was killed begins anew, and whoever pushes
meanwhile has the last word: a tag or a manifest that Berth has stays as it is. Only a shadow's tags
are moved.

A batch has its blobs, their links and the manifests that need them: so the collector sees none of
them without what needs it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Team
from repositories import database, limits
from repositories.adoption.contents import Batch, Contents, Held, Image
from repositories.adoption.findings import Finding, Kind
from repositories.adoption.tree import Link, TagRecord
from repositories.database import again_on_conflict, fetch, lock_digests, pieces, placeholders
from repositories.memory import forget_on_commit
from repositories.models import ManifestBlob
from repositories.oci.digests import Digest
from repositories.oci.names import team_of
from repositories.storage import storage
from repositories.storage.base import BlobMissing

Role = ManifestBlob.Role
_NEW = """
INSERT INTO repositories_repository (name, team_id, visibility, created_at, pushed_at)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING
"""
_ID = "SELECT id FROM repositories_repository WHERE name = %s"
_BLOBS = "SELECT digest, id, size FROM repositories_blob WHERE digest IN "
_CURRENT = """
SELECT tag.name, manifest.digest FROM repositories_tag AS tag
JOIN repositories_manifest AS manifest ON manifest.id = tag.manifest_id
WHERE tag.repository_id = %s AND tag.name IN
"""
_ONCE = "ON CONFLICT (repository_id, {}) DO NOTHING"
_MOVE = """
ON CONFLICT (repository_id, name) DO UPDATE
SET manifest_id = excluded.manifest_id, pushed_at = excluded.pushed_at
WHERE repositories_tag.manifest_id <> excluded.manifest_id
"""


class Gone(Exception):
    """Somebody has deleted the repository meanwhile: it is theirs, and does not come back."""


class CannotLink(Exception):
    """The file system lets no second name be made for the bytes of this digest."""


# Where the bytes of a digest are.
Paths = Callable[[Digest], str]


class Place(NamedTuple):
    """The repository that rows go to."""

    name: str
    id: int


@again_on_conflict
def open_place(*, name: str, visibility: str, contents: Contents) -> Place:
    """The repository, made with its team where there is none, and as old as its oldest record.

    `visibility` is that of one that is made.
    """
    with transaction.atomic():
        limits.hold(name)
        team, _ = Team.objects.get_or_create(name=team_of(name))
        created = _at(contents.created_at or timezone.now())
        pushed = contents.pushed_at and _at(contents.pushed_at)
        database.execute(_NEW, [name, team.pk, visibility, created, pushed])
        return Place(name, fetch(_ID, [name])[0][0])


def find_place(*, name: str) -> Place:
    """The repository, which was there before. Raises Gone."""
    rows = fetch(_ID, [name])
    if not rows:
        raise Gone(name)
    return Place(name, rows[0][0])


@again_on_conflict
def write(*, place: Place, batch: Batch, paths: Paths) -> None:
    """The batch's blobs, links and manifests. Raises Gone, CannotLink, OSError.

    `paths` says where the tree has a blob's bytes. Where storage has them elsewhere, or by another
    digest, it gets a link to them.
    """
    with transaction.atomic():
        _hold(place)
        forget_on_commit(place.name)
        rows = _blobs(batch.blobs, paths)
        links = _links(place.id, batch.blobs, rows)
        ids = _manifests(place.id, batch.images)
        new = [image for image in batch.images if str(image.digest) in ids]
        _parts([(ids[str(image.digest)], image) for image in new], links)


@again_on_conflict
def write_tags(
    *, place: Place, tags: Sequence[TagRecord], is_following: bool = False
) -> Collection[str]:
    """The tags, with the history of those that are new; their names. Raises Gone.

    With `is_following` those that name something else are moved; they are among the names, too.
    """
    with transaction.atomic():
        _hold(place)
        forget_on_commit(place.name)
        ids = _manifest_ids(place.id, {str(tag.current.target) for tag in tags})
        known = _tag_names(place.id, [tag.name for tag in tags]) if is_following else set()
        rows = [
            {
                "repository_id": place.id,
                "name": tag.name,
                "manifest_id": ids[str(tag.current.target)],
                "created_at": _at(min(link.at for link in (tag.current, *tag.earlier))),
                "pushed_at": _at(tag.current.at),
            }
            for tag in tags
            if str(tag.current.target) in ids
        ]
        conflict = _MOVE if is_following else _ONCE.format("name")
        written = {name for (name,) in _insert("repositories_tag", rows, conflict, "name")}
        moves = [
            (tag, link)
            for tag in tags
            if tag.name in written
            for link in ([tag.current] if tag.name in known else _history(tag))
        ]
        _insert("repositories_tagchange", [_change(place.id, *move) for move in moves])
    return written


def kept_tags(*, place: Place, tags: Sequence[TagRecord]) -> list[Finding]:
    """The tags that Berth has by these names, and that name something else."""
    findings = []
    for piece in pieces(tags):
        query = _CURRENT + placeholders(len(piece))
        current: dict[str, str] = dict(fetch(query, [place.id, *(tag.name for tag in piece)]))
        for tag in piece:
            wanted, actual = str(tag.current.target), current.get(tag.name)
            if actual not in (None, wanted):
                detail = f"it names {actual} here, and {wanted} in the tree"
                target = f"{place.name}:{tag.name}"
                findings.append(Finding(Kind.TAG_KEPT, place.name, target, "", detail))
    return findings


def _change(repository_id: int, tag: TagRecord, link: Link) -> dict[str, object]:
    """One move of a tag, by whom nothing tells."""
    return {
        "repository_id": repository_id,
        "name": tag.name,
        "digest": str(link.target),
        "changed_at": _at(link.at),
        "changed_by": "",
    }


def _history(tag: TagRecord) -> list[Link]:
    """What the tag has named, the oldest first, and what it names now at the end."""
    return [*sorted(tag.earlier, key=lambda link: link.at), tag.current]


def _hold(place: Place) -> None:
    """The limits, and the repository. Inside a transaction. Raises Gone."""
    limits.hold(place.name)
    if not fetch("SELECT 1 FROM repositories_repository WHERE id = %s", [place.id]):
        raise Gone(place.name)


def _blobs(blobs: Mapping[Digest, Held], paths: Paths) -> dict[str, tuple[int, int]]:
    """The id and the size of each blob's row, by digest. Raises CannotLink, OSError."""
    ordered = sorted(blobs.items())  # so that two writers cannot wait for each other
    rows = [
        {
            "digest": str(digest),
            "size": held.size,
            "created_at": _at(held.at),
            "damaged_at": database.now() if held.is_lost else None,
        }
        for digest, held in ordered
    ]
    new = _insert("repositories_blob", rows, "ON CONFLICT (digest) DO NOTHING", "digest")
    whole = [digest for (text,) in new if not blobs[digest := Digest.parse(text)].is_lost]
    lock_digests(whole)
    for digest in whole:
        _bring(digest, blobs[digest], paths)
    found: dict[str, tuple[int, int]] = {}
    for piece in pieces([str(digest) for digest, _ in ordered]):
        rows_of = fetch(_BLOBS + placeholders(len(piece)), piece)
        found |= {digest: (id, size) for digest, id, size in rows_of}
    return found


def _bring(digest: Digest, held: Held, paths: Paths) -> None:
    """See that storage has the bytes of a blob whose row is new, and whose digest is locked.

    A collector that is about to set the file aside is either done, and it is taken back, or waits
    and finds the row. Raises CannotLink, OSError.
    """
    with suppress(BlobMissing):
        if storage().blob_size(digest) == held.size:
            return
    if storage().restore(digest) and storage().blob_size(digest) == held.size:
        return
    if not storage().link_in(digest, Path(paths(held.source))):
        raise CannotLink(digest)


def _links(
    repository_id: int, blobs: Mapping[Digest, Held], rows: Mapping[str, tuple[int, int]]
) -> dict[str, int]:
    """The repository's links to the blobs, by digest."""
    _insert(
        "repositories_bloblink",
        [
            {
                "repository_id": repository_id,
                "blob_id": rows[str(digest)][0],
                "size": rows[str(digest)][1],
                "created_at": _at(held.linked_at),
            }
            for digest, held in sorted(blobs.items())
        ],
        _ONCE.format("blob_id"),
    )
    links: dict[int, int] = {}
    for piece in pieces(sorted(id for id, _ in rows.values())):
        query = (
            "SELECT blob_id, id FROM repositories_bloblink WHERE repository_id = %s AND blob_id IN "
        )
        links |= dict(fetch(query + placeholders(len(piece)), [repository_id, *piece]))
    return {digest: links[id] for digest, (id, _) in rows.items()}


def _manifests(repository_id: int, images: Iterable[Image]) -> dict[str, int]:
    """The ids of the manifests that are new, by digest."""
    rows = [
        {
            "repository_id": repository_id,
            "digest": str(image.digest),
            "media_type": image.parsed.media_type,
            "payload": image.payload,
            "artifact_type": image.parsed.artifact_type,
            "subject": str(image.parsed.subject.digest) if image.parsed.subject else "",
            "referrer": image.parsed.referrer(digest=image.digest, size=len(image.payload)),
            "pushed_at": _at(image.at),
            "pushed_by": "",
        }
        for image in images
    ]
    found = _insert("repositories_manifest", rows, _ONCE.format("digest"), "digest, id")
    return dict(found)


def _parts(new: Iterable[tuple[int, Image]], links: Mapping[str, int]) -> None:
    """What the new manifests are made of, and what they list."""
    blobs, children = [], []
    for id, image in new:
        first_layer = 1 if image.parsed.config else 0
        for position, blob in enumerate(image.parsed.stored_blobs):
            role = Role.LAYER if position >= first_layer else Role.CONFIG
            link = links[str(blob.digest)]
            blobs.append(
                {"manifest_id": id, "link_id": link, "role": role.value, "position": position}
            )
        for position, child in enumerate(image.parsed.manifests):
            children.append({"parent_id": id, "digest": str(child.digest), "position": position})
    _insert("repositories_manifestblob", blobs)
    _insert("repositories_manifestchild", children)


def _manifest_ids(repository_id: int, digests: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for piece in pieces(sorted(digests)):
        query = (
            "SELECT digest, id FROM repositories_manifest WHERE repository_id = %s AND digest IN "
        )
        found |= dict(fetch(query + placeholders(len(piece)), [repository_id, *piece]))
    return found


def _tag_names(repository_id: int, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for piece in pieces(names):
        query = "SELECT name FROM repositories_tag WHERE repository_id = %s AND name IN "
        found |= {
            name for (name,) in fetch(query + placeholders(len(piece)), [repository_id, *piece])
        }
    return found


def _insert(
    table: str, rows: Sequence[dict[str, object]], conflict: str = "", returning: str = ""
) -> list[tuple[Any, ...]]:
    """Insert rows, which have the same columns; what is `returning` of those that were written."""
    found: list[tuple[Any, ...]] = []
    for piece in pieces(rows):
        if returning:
            found += database.insert_returning(table, piece, returning, otherwise=conflict)
        else:
            database.insert(table, piece, otherwise=conflict)
    return found


def _at(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
