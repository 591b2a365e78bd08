"""What keeps what: an index its entries, a subject what refers to it, both inside one repository; a
manifest its blobs' links, and the links of all repositories a blob."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from repositories.database import fetch, pieces, placeholders

# Each by values, not by a join of the table with itself: PostgreSQL, which knows how often a digest
# is a subject, and not which one it will be, would read all manifests.
_ROWS = """
SELECT id, digest, subject FROM repositories_manifest WHERE repository_id + 0 = %s AND id IN {ids}
"""
_LISTED = """
SELECT entry.parent_id, kept.id FROM repositories_manifestchild AS entry
JOIN repositories_manifest AS kept ON kept.repository_id = %s AND kept.digest = entry.digest
WHERE entry.parent_id IN {ids}
"""
_REFERRERS = """
SELECT subject, id FROM repositories_manifest
WHERE repository_id = %s AND NOT (subject = '') AND subject IN {digests}
"""
_LISTS = """
SELECT entry.digest, keeper.id FROM repositories_manifestchild AS entry
JOIN repositories_manifest AS keeper ON keeper.id = entry.parent_id
WHERE keeper.repository_id + 0 = %s AND entry.digest IN {digests}
"""
_SUBJECTS = """
SELECT digest, id FROM repositories_manifest WHERE repository_id = %s AND digest IN {digests}
"""
_SIZES = "SELECT id, size FROM repositories_blob WHERE id IN "


def keepers(repository_id: int, manifests: Collection[int]) -> Mapping[int, set[int]]:
    """For each of the manifests that something keeps, the ids of what does."""
    found = defaultdict(set)
    for ids in pieces(sorted(manifests)):
        rows = _by_ids(_ROWS, repository_id, ids)
        by_digest = {digest: id for id, digest, _ in rows}
        for digest, keeper in _by_digests(_LISTS, repository_id, by_digest):
            found[by_digest[digest]].add(keeper)
        subjects = {subject for _, _, subject in rows if subject}
        here = dict(_by_digests(_SUBJECTS, repository_id, subjects))
        for id, _, subject in rows:
            if subject in here:
                found[id].add(here[subject])
    return found


def kept_by(repository_id: int, manifests: Collection[int]) -> set[int]:
    """What the manifests list as indexes, and what refers to them: ids."""
    found: set[int] = set()
    for ids in pieces(sorted(manifests)):
        digests = [digest for _, digest, _ in _by_ids(_ROWS, repository_id, ids)]
        found |= {id for _, id in _by_ids(_LISTED, repository_id, ids)}
        found |= {id for _, id in _by_digests(_REFERRERS, repository_id, digests)}
    return found


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


def _by_ids(statement: str, repository_id: int, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    return fetch(statement.format(ids=placeholders(len(ids))), [repository_id, *ids])


def _by_digests(
    statement: str, repository_id: int, digests: Collection[str]
) -> list[tuple[Any, ...]]:
    if not digests:
        return []
    marks = placeholders(len(digests))
    return fetch(statement.format(digests=marks), [repository_id, *sorted(digests)])
