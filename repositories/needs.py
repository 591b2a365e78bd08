"""What keeps what: an index its entries, a subject what refers to it, both inside one repository; a
manifest its blobs' links, and the links of all repositories a blob."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping

from repositories.database import fetch, pieces, placeholders

# Pairs of a manifest that is kept, and the one that keeps it.
_PAIRS = """
SELECT kept.id, keeper.id
FROM repositories_manifest AS kept
JOIN repositories_manifestchild AS entry ON entry.digest = kept.digest
JOIN repositories_manifest AS keeper
    ON keeper.id = entry.parent_id AND keeper.repository_id = kept.repository_id
WHERE kept.repository_id = %s AND {side}.id IN {ids}
UNION
SELECT kept.id, keeper.id
FROM repositories_manifest AS kept
JOIN repositories_manifest AS keeper
    ON keeper.repository_id = kept.repository_id AND keeper.digest = kept.subject
WHERE kept.repository_id = %s AND NOT (kept.subject = '') AND {side}.id IN {ids}
"""
_SIZES = "SELECT id, size FROM repositories_blob WHERE id IN "


def keepers(repository_id: int, manifests: Collection[int]) -> Mapping[int, set[int]]:
    """For each of the manifests that something keeps, the ids of what does."""
    found = defaultdict(set)
    for kept, keeper in _pairs(repository_id, manifests, side="kept"):
        found[kept].add(keeper)
    return found


def kept_by(repository_id: int, manifests: Collection[int]) -> set[int]:
    """What the manifests list as indexes, and what refers to them: ids."""
    return {kept for kept, _ in _pairs(repository_id, manifests, side="keeper")}


def links_only_of(manifests: Collection[int]) -> set[int]:
    """The links that these manifests use, and no others."""
    uses = counts("repositories_manifestblob", "link_id", "manifest_id", manifests)
    all_uses = counts("repositories_manifestblob", "link_id", "link_id", uses)
    return {link for link, count in uses.items() if count == all_uses[link]}


def blobs_only_of(links: Collection[int]) -> dict[int, int]:
    """The blobs that are linked by these links, and no others: their sizes, by id."""
    linked = counts("repositories_bloblink", "blob_id", "id", links)
    all_links = counts("repositories_bloblink", "blob_id", "blob_id", linked)
    only = sorted(blob for blob, count in linked.items() if count == all_links[blob])
    sizes: dict[int, int] = {}
    for ids in pieces(only):
        sizes |= dict(fetch(_SIZES + placeholders(len(ids)), ids))
    return sizes


def counts(table: str, column: str, condition: str, ids: Collection[int]) -> Counter[int]:
    """How many rows there are by `column`, of those whose `condition` is one of the ids.

    The table and the columns are written in our code.
    """
    found: Counter[int] = Counter()
    for piece in pieces(sorted(ids)):
        marks = placeholders(len(piece))
        query = f"SELECT {column}, COUNT(*) FROM {table} WHERE {condition} IN {marks}"  # noqa: S608
        found.update(dict(fetch(f"{query} GROUP BY {column}", piece)))
    return found


def _pairs(
    repository_id: int, manifests: Collection[int], *, side: str
) -> Iterator[tuple[int, int]]:
    for ids in pieces(sorted(manifests)):
        statement = _PAIRS.format(side=side, ids=placeholders(len(ids)))
        yield from fetch(statement, [repository_id, *ids, repository_id, *ids])
