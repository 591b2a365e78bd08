"""What a delete of tags and manifests takes with it, what of that stays, and what becomes free.

Read by a few statements, however deep indexes are nested: pages ask before every delete.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from django.db import connection
from django.db.models.functions import Length

from repositories import needs
from repositories.database import fetch, pieces, placeholders
from repositories.models import BlobLink, Manifest, Repository, Tag
from repositories.oci import media_types
from repositories.oci.errors import ManifestInvalid
from repositories.oci.manifests import parse
from repositories.oci.platforms import Platform

# How many manifests are told one by one.
MOST_LISTED = 100
# What is larger, or beyond so many, is not read for the platforms of what it lists.
_MAX_INDEX_BYTES = 256 * 1024
_MOST_INDEXES = 20

_COLUMNS = (
    "manifest.id, manifest.digest, manifest.media_type, manifest.artifact_type, "
    "LENGTH(manifest.payload)"
)
_START = """
SELECT manifest.id FROM repositories_manifest AS manifest
WHERE manifest.repository_id = %s AND manifest.id IN {ids}
"""
_LISTED = """
SELECT manifest.id
FROM {reached} repositories_manifestchild AS entry
CROSS JOIN repositories_manifest AS manifest
WHERE entry.parent_id = reached.id AND manifest.repository_id = %s
    AND manifest.digest = entry.digest
"""
_ATTACHED = """
SELECT manifest.id
FROM {reached} repositories_manifest AS keeper
CROSS JOIN repositories_manifest AS manifest
WHERE keeper.id = reached.id AND manifest.repository_id = %s
    AND manifest.subject = keeper.digest AND NOT (manifest.subject = '')
"""
# SQLite takes several recursive parts, and keeps to the order of CROSS JOIN; PostgreSQL takes one.
_STEPS = {
    "sqlite": f"{_LISTED} UNION {_ATTACHED}".format(reached="reached CROSS JOIN"),
    "postgresql": """
SELECT found.id FROM reached CROSS JOIN LATERAL ({listed} UNION ALL {attached}) AS found
""".format(listed=_LISTED.format(reached=""), attached=_ATTACHED.format(reached="")),
}
_BELOW = """
WITH RECURSIVE reached(id) AS ({start} UNION {step})
SELECT {columns} FROM reached
JOIN repositories_manifest AS manifest ON manifest.id = reached.id
"""
# Who leads to a manifest: an index, its subject, a tag.
_LEADS = """
SELECT kept.id, keeper.id, keeper.digest, 'listed'
FROM repositories_manifest AS kept
JOIN repositories_manifestchild AS entry ON entry.digest = kept.digest
JOIN repositories_manifest AS keeper
    ON keeper.id = entry.parent_id AND keeper.repository_id = kept.repository_id
WHERE kept.repository_id = %s AND kept.id IN {ids}
UNION
SELECT kept.id, keeper.id, keeper.digest, 'attached'
FROM repositories_manifest AS kept
JOIN repositories_manifest AS keeper
    ON keeper.repository_id = kept.repository_id AND keeper.digest = kept.subject
WHERE kept.repository_id = %s AND NOT (kept.subject = '') AND kept.id IN {ids}
UNION
SELECT tag.manifest_id, 0, tag.name, 'tagged'
FROM repositories_tag AS tag WHERE tag.manifest_id IN {ids}
"""
_USES = """
SELECT part.manifest_id, part.link_id, link.blob_id, link.size
FROM repositories_manifestblob AS part
JOIN repositories_bloblink AS link ON link.id = part.link_id
WHERE part.manifest_id IN {ids}
"""


class Why(StrEnum):
    """What leads to a manifest that stays."""

    TAGGED = "tagged"
    LISTED = "listed"
    ATTACHED = "attached"


@dataclass(frozen=True, slots=True)
class Going:
    """A manifest that goes. `size`: bytes of all that it is made of; an index's are its own."""

    digest: str
    media_type: str
    artifact_type: str
    platform: str  # as an index says that goes, too; empty where none does
    size: int


@dataclass(frozen=True, slots=True)
class Staying:
    """A manifest that would go, but for a tag, an index that lists it, or its subject."""

    digest: str
    why: Why
    by: str  # the tag, or the digest


@dataclass(frozen=True, slots=True)
class Preview:
    """What a delete takes with it. `bytes` would be freed, `shared_bytes` not: others need them.

    `going` and `staying` are the first `MOST_LISTED` by digest. `deletion` is the record by which
    it can be undone, once it is done.
    """

    tags: tuple[str, ...]
    manifests: tuple[str, ...]  # digests, in their order
    children: int  # of the manifests: those that only an index of them lists
    blobs: int
    bytes: int
    shared_bytes: int
    going: tuple[Going, ...] = ()
    staying: tuple[Staying, ...] = ()
    staying_count: int = 0
    deletion: int | None = field(default=None, compare=False)


class _Row(NamedTuple):
    id: int
    digest: str
    media_type: str
    artifact_type: str
    size: int


class _Lead(NamedTuple):
    """`keeper` is the id of a manifest; 0: a tag. `by` is its digest, or the tag's name."""

    keeper: int
    by: str
    why: Why


class _Uses(NamedTuple):
    sizes: Mapping[int, int]  # of manifests, in bytes, each link once
    links: Mapping[int, tuple[int, int]]  # blob and size by link
    freed: Mapping[int, int]  # sizes by blob


_Leads = Mapping[int, Sequence[_Lead]]


def preview(
    *, repository_id: int, names: Collection[str], digests: Collection[str] = ()
) -> Preview:
    """What deleting these tags and manifests would take. What is not there counts nothing.

    For who may delete there.
    """
    tagged = dict(_tags(repository_id, names))
    named = _named(repository_id, digests)
    start = {*tagged.values(), *named}
    rows = {row.id: row for row in below(repository_id, start)}
    leads = _leads(repository_id, rows)
    staying = _staying(set(rows), named, set(names), leads)
    going = sorted((rows[id] for id in rows.keys() - staying.keys()), key=lambda row: row.digest)
    ids = {row.id for row in going}
    uses = _uses(ids)
    own = {lead.by for id in ids for lead in leads.get(id, ()) if lead.why is Why.TAGGED}
    freed = sum(uses.freed.values())
    linked = sum(size for _, size in uses.links.values())
    shown = sorted(staying, key=lambda id: rows[id].digest)[:MOST_LISTED]
    return Preview(
        tags=tuple(sorted(own.union(tagged))),
        manifests=tuple(row.digest for row in going),
        children=len(ids - start),
        blobs=len(uses.freed),
        bytes=freed,
        shared_bytes=linked - freed,
        going=tuple(_described(going[:MOST_LISTED], ids, rows, leads, uses)),
        staying=tuple(Staying(rows[id].digest, staying[id].why, staying[id].by) for id in shown),
        staying_count=len(staying),
    )


def whole(*, repository: Repository) -> Preview:
    """What deleting a whole repository would take; of manifests the digests alone.

    For who may delete it.
    """
    links = dict(BlobLink.objects.filter(repository=repository).values_list("blob_id", "size"))
    all_links = needs.counts("repositories_bloblink", "blob_id", "blob_id", links)
    freed = [size for blob, size in links.items() if all_links[blob] == 1]
    digests = repository.manifests.order_by("digest").values_list("digest", flat=True)
    return Preview(
        tags=tuple(repository.tags.order_by("name").values_list("name", flat=True)),
        manifests=tuple(digests),
        children=0,
        blobs=len(freed),
        bytes=sum(freed),
        shared_bytes=sum(links.values()) - sum(freed),
    )


def named(*, repository: Repository, names: Collection[str]) -> list[tuple[str, str]]:
    """Those of the tags that are there, each with its digest, in their order."""
    rows = Tag.objects.filter(repository=repository, name__in=names).order_by("name")
    return list(rows.values_list("name", "manifest__digest"))


def manifests_below(
    *, repository_id: int, names: Collection[str], digests: Collection[str]
) -> set[int]:
    """The ids of all that a delete of these might take."""
    start = {*dict(_tags(repository_id, names)).values(), *_named(repository_id, digests)}
    return {row.id for row in below(repository_id, start)}


def _tags(repository_id: int, names: Collection[str]) -> Iterator[tuple[str, int]]:
    for piece in pieces(sorted(set(names))):
        rows = Tag.objects.filter(repository=repository_id, name__in=piece)
        yield from rows.values_list("name", "manifest_id")


def _named(repository_id: int, digests: Collection[str]) -> set[int]:
    found: set[int] = set()
    for piece in pieces(sorted(set(digests))):
        rows = Manifest.objects.filter(repository=repository_id, digest__in=piece)
        found |= set(rows.values_list("pk", flat=True))
    return found


def below(repository_id: int, manifests: Collection[int]) -> Iterator[_Row]:
    """The manifests with all that they list and that refers to them, directly or not."""
    for ids in pieces(sorted(manifests)):
        statement = _BELOW.format(
            start=_START.format(ids=placeholders(len(ids))),
            step=_STEPS[connection.vendor],
            columns=_COLUMNS,
        )
        values = [repository_id, *ids, repository_id, repository_id]
        yield from (_Row(*row) for row in fetch(statement, values))


def _leads(repository_id: int, manifests: Collection[int]) -> _Leads:
    found: dict[int, list[_Lead]] = {}
    for ids in pieces(sorted(manifests)):
        statement = _LEADS.format(ids=placeholders(len(ids)))
        values = [repository_id, *ids, repository_id, *ids, *ids]
        for id, keeper, by, why in fetch(statement, values):
            found.setdefault(id, []).append(_Lead(keeper, by, Why(why)))
    for leading in found.values():
        leading.sort(key=lambda lead: (lead.why is not Why.TAGGED, lead.by))
    return found


def _staying(
    candidates: set[int], named: set[int], names: set[str], leads: _Leads
) -> Mapping[int, _Lead]:
    """Which of the candidates stay, and what leads to each from outside of what goes."""

    def stays(lead: _Lead, new: Collection[int] | None) -> bool:
        if lead.why is Why.TAGGED:
            return new is None and lead.by not in names
        return lead.keeper not in candidates if new is None else lead.keeper in new

    found: dict[int, _Lead] = {}
    new: Collection[int] | None = None
    while new is None or new:
        reasons = {
            id: reason
            for id in candidates - named - found.keys()
            for reason in [next((r for r in leads.get(id, ()) if stays(r, new)), None)]
            if reason is not None
        }
        found |= reasons
        new = reasons.keys()
    return found


def _uses(manifests: Collection[int]) -> _Uses:
    """What the manifests are made of, and the blobs that nothing would need without them."""
    sizes: Counter[int] = Counter()
    links: dict[int, tuple[int, int]] = {}
    uses: Counter[int] = Counter()
    for ids in pieces(sorted(manifests)):
        seen: set[tuple[int, int]] = set()
        for manifest, link, blob, size in fetch(_USES.format(ids=placeholders(len(ids))), ids):
            uses[link] += 1
            links[link] = (blob, size)
            if (manifest, link) not in seen:
                seen.add((manifest, link))
                sizes[manifest] += size
    all_uses = needs.counts("repositories_manifestblob", "link_id", "link_id", links)
    only = {links[link] for link, count in uses.items() if count == all_uses[link]}
    # A repository links a blob once.
    blobs = [blob for blob, _ in only]
    all_links = needs.counts("repositories_bloblink", "blob_id", "blob_id", blobs)
    return _Uses(sizes, links, {blob: size for blob, size in only if all_links[blob] == 1})


def _described(
    shown: Sequence[_Row], going: set[int], rows: Mapping[int, _Row], leads: _Leads, uses: _Uses
) -> Iterator[Going]:
    indexes = {
        lead.keeper
        for row in shown
        for lead in leads.get(row.id, ())
        if lead.keeper in going and rows[lead.keeper].media_type in media_types.INDEXES
    }
    platforms = _platforms(sorted(indexes)[:_MOST_INDEXES])
    for row in shown:
        yield Going(
            digest=row.digest,
            media_type=row.media_type,
            artifact_type=row.artifact_type,
            platform=platforms.get(row.digest, ""),
            size=row.size + uses.sizes.get(row.id, 0),
        )


def _platforms(indexes: Iterable[int]) -> Mapping[str, str]:
    """By digest: what these indexes say of what they list."""
    rows = Manifest.objects.annotate(size=Length("payload")).filter(
        pk__in=list(indexes), size__lte=_MAX_INDEX_BYTES
    )
    found: dict[str, str] = {}
    for payload, media_type in rows.values_list("payload", "media_type"):
        try:
            entries = parse(bytes(payload), media_type).manifests
        except ManifestInvalid:
            continue
        for entry in entries:
            platform = Platform.of(entry.platform)
            if platform.is_known:
                found.setdefault(str(entry.digest), str(platform))
    return found
