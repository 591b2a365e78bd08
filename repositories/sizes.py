"""How large tags are: with all that they are made of, and alone.

What it costs depends on the tags that are asked for, not on how many others there are: nobody
counts the users of a base layer. One user outside of what was asked for settles that the layer is
shared; there are at most as many others to skip as were asked for.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from repositories.manifest_facts import listed
from repositories.models import BlobLink, Manifest, ManifestBlob, ManifestChild, Repository, Tag

MAX_TAGS = 200
# An index of indexes of images; deeper ones are counted as if they ended there.
MAX_DEPTH = 2
# What one page may make the database read, so that a hostile index cannot stop it for others.
MAX_EDGES = 10_000
MAX_USES = 100_000
MAX_BLOBS = 20_000
# Of the indexes of all repositories that list one manifest, how many are looked at.
MAX_PARENTS = 1_000

# SQLite keeps to the order of CROSS JOIN; left to itself it reads the whole repository.
_EDGES = """
WITH RECURSIVE edge(parent, child, depth) AS (
    SELECT entry.parent_id, manifest.id, 1
    FROM repositories_manifestchild AS entry
    CROSS JOIN repositories_manifest AS manifest
    WHERE entry.parent_id IN ({roots})
      AND manifest.repository_id = %s AND manifest.digest = entry.digest
  UNION
    SELECT entry.parent_id, manifest.id, edge.depth + 1
    FROM edge
    CROSS JOIN repositories_manifestchild AS entry
    CROSS JOIN repositories_manifest AS manifest
    WHERE edge.depth < %s AND entry.parent_id = edge.child
      AND manifest.repository_id = %s AND manifest.digest = entry.digest
)
SELECT parent, child, depth FROM edge LIMIT %s
"""


class BlobUse(NamedTuple):
    """A blob that a manifest is made of; `size` in bytes.

    `has_others`: other manifests than those that were asked for use it too.
    """

    blob_id: int
    digest: str
    size: int
    is_layer: bool
    has_others: bool


@dataclass(frozen=True, slots=True)
class TagSize:
    """Sizes in bytes: `total` of all distinct content, `unique` of what only this tag keeps.

    The manifests count as well as the blobs. `layers` is the number of distinct layers. `root` is
    the row of the tag's manifest as `manifest_facts.listed` gives it, `config` the blob of its
    config. `is_partial`: there was too much to look at, so the figures are the least it can be.
    """

    total: int
    unique: int
    layers: int
    root: Manifest
    config: BlobUse | None
    is_partial: bool

    @property
    def shared(self) -> int:
        """Bytes that others use as well."""
        return self.total - self.unique


def measure(*, repository: Repository, tags: Sequence[Tag]) -> Mapping[str, TagSize]:
    """The sizes of up to MAX_TAGS tags of the repository, by name; four queries.

    What only this tag keeps is what nothing would use if the tag were gone: neither another tag,
    nor an index of this repository, nor a manifest of any repository that stays. A tag that goes
    meanwhile is left out.
    """
    if not tags:
        return {}
    page = _Page(repository, tags[:MAX_TAGS])
    return {name: page.size_of(name) for name, root in page.roots.items() if root in page.manifests}


class Blobs(NamedTuple):
    """The blobs that manifests are made of. `is_partial`: there were too many to read them all."""

    of: Mapping[int, Sequence[BlobUse]]
    is_partial: bool


def blobs_of(manifests: Collection[int]) -> Blobs:
    """The blobs that each of the manifests, by their ids, is made of; two queries.

    Without joins, which PostgreSQL would answer by reading all links there are.
    """
    uses = list(
        ManifestBlob.objects.filter(manifest__in=manifests)
        .order_by("manifest_id", "position")
        .values_list("manifest_id", "link_id", "role")[:MAX_USES]
    )
    links = list(dict.fromkeys(link for _, link, _ in uses))
    blobs = {row[0]: row[1:] for row in _blobs(links[:MAX_BLOBS], manifests)}
    found: dict[int, list[BlobUse]] = defaultdict(list)
    for manifest, link, role in uses:
        if link in blobs:
            blob, digest, size, other = blobs[link]
            is_layer = role == ManifestBlob.Role.LAYER
            found[manifest].append(BlobUse(blob, digest, size, is_layer, other is not None))
    return Blobs(found, len(uses) == MAX_USES or len(links) > MAX_BLOBS)


def _blobs(
    links: Collection[int], manifests: Collection[int]
) -> QuerySet[BlobLink, tuple[int, int, str, int, int | None]]:
    """For each link its blob, and another link to that which a further manifest uses, or None.

    The subqueries end at the first such manifest, which is why they are nested.
    """
    further = ManifestBlob.objects.filter(link=OuterRef("pk")).exclude(manifest__in=manifests)
    others = (
        BlobLink.objects.filter(blob=OuterRef("blob"))
        .annotate(use=Subquery(further.values("pk")[:1]))
        .filter(use__isnull=False)
    )
    rows = BlobLink.objects.filter(pk__in=links).annotate(other=Subquery(others.values("pk")[:1]))
    return rows.values_list("pk", "blob_id", "blob__digest", "blob__size", "other")


class _Page:
    """Some tags, what they are made of, and what of that is held by others."""

    def __init__(self, repository: Repository, tags: Sequence[Tag]) -> None:
        self.roots = {tag.name: tag.manifest_id for tag in tags}
        self.tags_of: dict[int, set[str]] = defaultdict(set)
        for name, root in self.roots.items():
            self.tags_of[root].add(name)
        edges = _edges(repository, self.tags_of)
        self.children: dict[int, set[int]] = defaultdict(set)
        self.parents: dict[int, set[int]] = defaultdict(set)
        for parent, child, _ in edges:
            self.children[parent].add(child)
            self.parents[child].add(parent)
        ids = {*self.tags_of, *self.parents}
        # Those of which all children are known.
        expanded = {*self.tags_of, *(child for _, child, depth in edges if depth < MAX_DEPTH)}
        rows = _with_holders(repository, ids, {tag.pk for tag in tags}, expanded)
        self.manifests = {row.pk: row for row in listed(rows, explained=self.tags_of)}
        self.blobs = blobs_of(ids)
        self.users: dict[int, set[int]] = defaultdict(set)
        for manifest, uses in self.blobs.of.items():
            for use in uses:
                self.users[use.blob_id].add(manifest)
        self.is_partial = len(edges) == MAX_EDGES or self.blobs.is_partial

    def size_of(self, tag: str) -> TagSize:
        """The tag's manifest has a row."""
        root = self.roots[tag]
        closure = self._closure(root)
        freed = set() if self.is_partial else self._freed(tag, closure)
        blobs = {use.blob_id: use for pk in closure for use in self.blobs.of.get(pk, ())}
        unique = sum(
            use.size
            for use in blobs.values()
            if not use.has_others and self.users[use.blob_id] <= freed
        )
        configs = (use for use in self.blobs.of.get(root, ()) if not use.is_layer)
        return TagSize(
            total=self._payloads(closure) + sum(use.size for use in blobs.values()),
            unique=self._payloads(freed) + unique,
            layers=sum(use.is_layer for use in blobs.values()),
            root=self.manifests[root],
            config=next(configs, None),
            is_partial=self.is_partial,
        )

    def _payloads(self, ids: Collection[int]) -> int:
        return sum(self.manifests[pk].size for pk in ids)  # type: ignore[attr-defined]

    def _closure(self, root: int) -> list[int]:
        """The manifest and what it lists, as far as it is here, each before what it lists."""
        level, found = {root}, {root: 0}
        for depth in range(1, MAX_DEPTH + 1):
            level = {child for pk in level for child in self.children.get(pk, ())}
            found |= dict.fromkeys(level & self.manifests.keys(), depth)
        return sorted(found, key=lambda pk: (found[pk], pk))

    def _freed(self, tag: str, closure: Sequence[int]) -> set[int]:
        """Those of the closure that nothing would hold without the tag."""
        freed: set[int] = set()
        for pk in closure:
            row = self.manifests[pk]
            is_held = row.outside_tag or row.outside_parent  # type: ignore[attr-defined]
            other_tags = self.tags_of.get(pk, set()) - {tag}
            if not (is_held or other_tags) and self.parents.get(pk, set()) <= freed:
                freed.add(pk)
        return freed


def _edges(repository: Repository, roots: Collection[int]) -> list[tuple[int, int, int]]:
    """Which manifests of the repository list which others that are here too, and how deep."""
    statement = _EDGES.format(roots=", ".join(["%s"] * len(roots)))
    with connection.cursor() as cursor:
        cursor.execute(statement, [*roots, repository.pk, MAX_DEPTH, repository.pk, MAX_EDGES])
        return [(parent, child, depth) for parent, child, depth in cursor.fetchall()]


def _with_holders(
    repository: Repository, ids: Collection[int], tags: Collection[int], indexes: Collection[int]
) -> QuerySet[Manifest]:
    """The manifests, each with one tag and one index that hold it beside those given, or None."""
    other_tags = Tag.objects.filter(manifest=OuterRef("pk")).exclude(pk__in=tags)
    entries = ManifestChild.objects.filter(digest=OuterRef(OuterRef("digest")))
    # Not a join: SQLite would begin with all manifests of the repository.
    is_here = Exists(Manifest.objects.filter(pk=OuterRef("parent"), repository=repository))
    other_parents = ManifestChild.objects.filter(
        is_here, pk__in=entries.values("pk")[:MAX_PARENTS]
    ).exclude(parent__in=indexes)
    return Manifest.objects.filter(pk__in=ids).annotate(
        outside_tag=Subquery(other_tags.values("pk")[:1]),
        outside_parent=Subquery(other_parents.values("pk")[:1]),
    )
