"""Manifests that are put back from the records of deletes, as a push would put them there.

A manifest comes back only with all the blobs that it is made of; a damaged one counts as gone until
it is pushed again, as for a push. What is still stored is linked again: that the repository was
allowed to serve it, the record says. Foreign keys, which are checked at commit, stand behind that,
as behind a push: a collector that removed a blob meanwhile makes the whole transaction fail, which
then runs again and says what is gone.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from repositories import quotas, reviews
from repositories.database import fetch, insert, now, pieces, placeholders
from repositories.limits import Limits
from repositories.memory import forget_on_commit
from repositories.models import DeletedManifest, Manifest, ManifestBlob
from repositories.oci.errors import ManifestInvalid
from repositories.oci.manifests import ParsedManifest, parse
from repositories.reviews import Kind

# A manifest may have 4 MiB.
_PIECE = 20
_ROWS = 1000

_INSERT = """
INSERT INTO repositories_manifest (
    repository_id, digest, media_type, payload, artifact_type, subject, referrer, pushed_at,
    pushed_by, pull_count, pulled_at
)
SELECT {repository}, digest, media_type, payload, artifact_type, subject, referrer, pushed_at,
    pushed_by, pull_count, pulled_at
FROM repositories_deletedmanifest WHERE id IN {ids}
ON CONFLICT (repository_id, digest) DO NOTHING RETURNING digest, id
"""
_BLOBS = """
SELECT blob.digest, blob.id, blob.size, link.id
FROM repositories_blob AS blob
LEFT JOIN repositories_bloblink AS link ON link.blob_id = blob.id AND link.repository_id = %s
WHERE blob.damaged_at IS NULL AND blob.digest IN
"""
_LINK = """
INSERT INTO repositories_bloblink (repository_id, blob_id, size, created_at) VALUES {rows}
ON CONFLICT (repository_id, blob_id) DO UPDATE SET created_at = excluded.created_at
RETURNING blob_id, id
"""
Role = ManifestBlob.Role


class Missing(NamedTuple):
    """What cannot come back, and the blob that it lacks; empty: the manifest itself is gone."""

    manifest: str
    blob: str


@dataclass(slots=True)
class Revived:
    """What was put back: digests. With `missing` the caller lets nothing of it stand."""

    manifests: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


class _Kept(NamedTuple):
    id: int
    digest: str
    parsed: ParsedManifest


def kept(*, repository_id: int, digests: Collection[str]) -> set[int]:
    """The ids of what the repository's records keep of these, with all that they list and that
    refers to them, as far as it is kept. The newest record of each digest counts."""
    rows = DeletedManifest.objects.filter(deletion__repository=repository_id)
    found: dict[str, int] = {}
    new = set(digests)
    while new:
        looked: dict[str, int] = {}
        for piece in pieces(sorted(new)):
            looked |= dict(rows.filter(digest__in=piece).order_by("pk").values_list("digest", "pk"))
        found |= looked
        new = (set(_listed(looked.values())) | _referring(repository_id, looked)) - found.keys()
    return set(found.values())


def _listed(ids: Iterable[int]) -> Iterator[str]:
    for piece in pieces(sorted(ids), _PIECE):
        for row in _parsed(piece)[0]:
            yield from (str(entry.digest) for entry in row.parsed.manifests)


def _referring(repository_id: int, subjects: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for piece in pieces(sorted(subjects)):
        rows = DeletedManifest.objects.filter(
            deletion__repository=repository_id, subject__in=piece
        ).exclude(subject="")
        found |= set(rows.values_list("digest", flat=True))
    return found


def put_back(*, held: Limits, repository_id: int, name: str, ids: Collection[int]) -> Revived:
    """Put these manifests of records back; what is here already stays.

    Inside the transaction that holds the limits; the caller ends it by an error when something is
    missing. Raises QuotaExceeded.
    """
    revived, touched = Revived(), _Touched()
    for piece in pieces(_absent(repository_id, ids, touched), _PIECE):
        rows, unreadable = _parsed(piece)
        revived.missing += (Missing(digest, "") for digest in unreadable)
        links = _links(held, repository_id, rows, touched)
        missing = list(_missing(rows, links))
        revived.missing += missing
        if not missing and rows:
            revived.manifests += _insert(repository_id, rows, links, touched)
    # All locks on reviews at the end, each kind in the order of its ids, as the collector has it.
    reviews.nominate(Kind.MANIFEST, touched.manifests | _children(repository_id, touched.children))
    reviews.nominate(Kind.LINK, touched.links)
    reviews.nominate(Kind.BLOB, touched.blobs)
    forget_on_commit(name)
    return revived


@dataclass(slots=True)
class _Touched:
    """The ids of what a collector has to leave alone now, and the digests that indexes list."""

    manifests: set[int] = field(default_factory=set)
    links: set[int] = field(default_factory=set)
    blobs: set[int] = field(default_factory=set)
    children: set[str] = field(default_factory=set)


def _absent(repository_id: int, ids: Collection[int], touched: _Touched) -> list[int]:
    """Those of the kept that are not in the repository; the others are touched."""
    absent = []
    for piece in pieces(sorted(ids)):
        kept = dict(DeletedManifest.objects.filter(pk__in=piece).values_list("pk", "digest"))
        rows = Manifest.objects.filter(repository=repository_id, digest__in=set(kept.values()))
        here = dict(rows.values_list("digest", "pk"))
        touched.manifests |= set(here.values())
        absent += [id for id, digest in sorted(kept.items()) if digest not in here]
    return absent


def _parsed(ids: Collection[int]) -> tuple[list[_Kept], list[str]]:
    """The kept manifests, and the digests of those that are no manifests any more."""
    rows, unreadable = [], []
    kept = DeletedManifest.objects.filter(pk__in=ids).order_by("pk")
    for id, digest, payload, media_type in kept.values_list(
        "pk", "digest", "payload", "media_type"
    ):
        try:
            rows.append(_Kept(id, digest, parse(bytes(payload), media_type)))
        except ManifestInvalid:
            unreadable.append(digest)
    return rows, unreadable


def _links(
    held: Limits, repository_id: int, rows: Collection[_Kept], touched: _Touched
) -> Mapping[str, int]:
    """The repository's links to all blobs that are still stored, made anew if need be."""
    needed = sorted({str(blob.digest) for row in rows for blob in row.parsed.stored_blobs})
    found: dict[str, int] = {}
    for piece in pieces(needed):
        unlinked: dict[int, tuple[str, int]] = {}
        for digest, blob, size, link in fetch(
            _BLOBS + placeholders(len(piece)), [repository_id, *piece]
        ):
            if link is None:
                unlinked[blob] = (digest, size)
            else:
                found[digest] = link
        for blob, link in _link(held, repository_id, unlinked):
            found[unlinked[blob][0]] = link
            touched.blobs.add(blob)
    touched.links |= set(found.values())
    return found


def _link(
    held: Limits, repository_id: int, blobs: Mapping[int, tuple[str, int]]
) -> Iterable[tuple[int, int]]:
    if not blobs:
        return []
    for id in sorted(blobs):
        quotas.charge(held, blob_id=id, size=blobs[id][1])
    at = now()
    values = [value for id in sorted(blobs) for value in (repository_id, id, blobs[id][1], at)]
    rows = ", ".join([placeholders(4)] * len(blobs))
    return [(blob, link) for blob, link in fetch(_LINK.format(rows=rows), values)]


def _missing(rows: Iterable[_Kept], links: Mapping[str, int]) -> Iterator[Missing]:
    for row in rows:
        digests = dict.fromkeys(str(blob.digest) for blob in row.parsed.stored_blobs)
        yield from (Missing(row.digest, digest) for digest in digests if digest not in links)


def _insert(
    repository_id: int, rows: Collection[_Kept], links: Mapping[str, int], touched: _Touched
) -> list[str]:
    ids = [row.id for row in rows]
    # A number of ours, which PostgreSQL could not tell the type of as a parameter.
    statement = _INSERT.format(repository=int(repository_id), ids=placeholders(len(ids)))
    made: dict[str, int] = dict(fetch(statement, ids))
    new = {row.digest: row for row in rows if row.digest in made}
    parts = (
        {
            "manifest_id": made[digest],
            "link_id": links[str(blob.digest)],
            "role": _role(row.parsed, position).value,
            "position": position,
        }
        for digest, row in new.items()
        for position, blob in enumerate(row.parsed.stored_blobs)
    )
    entries = (
        {"parent_id": made[digest], "digest": str(entry.digest), "position": position}
        for digest, row in new.items()
        for position, entry in enumerate(row.parsed.manifests)
    )
    for table, lines in (
        ("repositories_manifestblob", parts),
        ("repositories_manifestchild", entries),
    ):
        while piece := list(islice(lines, _ROWS)):
            insert(table, piece)
    touched.manifests |= set(made.values())
    touched.children |= {
        str(entry.digest) for row in new.values() for entry in row.parsed.manifests
    }
    return list(made)


def _role(parsed: ParsedManifest, position: int) -> ManifestBlob.Role:
    return Role.CONFIG if parsed.config and position == 0 else Role.LAYER


def _children(repository_id: int, digests: Collection[str]) -> set[int]:
    """The ids of what the indexes list, as far as it is here."""
    found: set[int] = set()
    if reviews.removes_untagged():
        for piece in pieces(sorted(digests)):
            rows = Manifest.objects.filter(repository=repository_id, digest__in=piece)
            found |= set(rows.values_list("pk", flat=True))
    return found
