"""Immutable tags: once there, they are never moved nor deleted while a pattern matches their names.

Patterns are a team's and a repository's: both hold (see `patterns`).
"""

from collections.abc import Collection, Iterable

from repositories import limits
from repositories.database import fetch, pieces, placeholders
from repositories.limits import Limits
from repositories.models import Tag
from repositories.oci.errors import TagImmutable
from repositories.patterns import matching

MAX_PATTERNS = 50
# How many tags a refusal names.
_MOST_NAMED = 20

_PARENTS = """
SELECT DISTINCT parent.id
FROM repositories_manifest AS manifest
JOIN repositories_manifestchild AS entry ON entry.digest = manifest.digest
JOIN repositories_manifest AS parent
    ON parent.id = entry.parent_id AND parent.repository_id = manifest.repository_id
WHERE manifest.id IN
"""
_TAGS = "SELECT name FROM repositories_tag WHERE manifest_id IN "


def protected(repository: str, names: Collection[str]) -> set[str]:
    """Those of the names that are immutable in the repository, as tags that are there."""
    patterns = limits.look(repository).patterns
    if not patterns:
        return set()
    found = matching(patterns, names)
    rows = Tag.objects.filter(repository__name=repository, name__in=found)
    return set(rows.values_list("name", flat=True)) if found else found


def require_movable(held: Limits, names: Iterable[str]) -> None:
    """Return when these tags, which are there, may be moved and deleted. Raises TagImmutable."""
    if refusal := why(held.repository, held.patterns, names):
        raise refusal


def why(repository: str, patterns: Collection[str], names: Iterable[str]) -> TagImmutable | None:
    """Why some of these tags, which are there, can neither move nor go; None if all can."""
    fixed = matching(patterns, names) if patterns else set()
    return _immutable(repository, fixed) if fixed else None


def require_removable(held: Limits, manifests: Collection[int]) -> None:
    """Return when no immutable tag leads to these manifests, itself or by indexes that list them.

    Raises TagImmutable.
    """
    if not held.patterns:
        return
    seen, new = set(manifests), set(manifests)
    while new:
        parents: set[int] = set()
        for ids in pieces(sorted(new)):
            marks = placeholders(len(ids))
            require_movable(held, (name for (name,) in fetch(_TAGS + marks, ids)))
            parents |= {id for (id,) in fetch(_PARENTS + marks, ids)}
        new = parents - seen
        seen |= new


def require_none(held: Limits) -> None:
    """Return when the repository has no immutable tag. Raises TagImmutable."""
    if held.patterns:
        rows = Tag.objects.filter(repository__name=held.repository).values_list("name", flat=True)
        require_movable(held, rows.iterator())


def _immutable(repository: str, names: Collection[str]) -> TagImmutable:
    named = sorted(names)[:_MOST_NAMED]
    more = len(names) - len(named)
    some = ", ".join(named) + (f" and {more} more" if more else "")
    what, is_ = ("tag", "is") if len(names) == 1 else ("tags", "are")
    return TagImmutable(
        f"the {what} {some} {is_} immutable in {repository}, and already there: use another "
        "name, or have a maintainer change the patterns of immutable tags",
        tags=named,
        more=more,
    )
