"""What is attached to a manifest, and to that in turn: signatures, SBOMs, attestations.

By the referrers API (`subject`), and by the conventions from before it: cosign's tags, and the tag
that clients keep the list in where a registry has no such API (distribution-spec, "Referrers Tag
Schema").
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from django.db.models import F, OuterRef, Subquery

from repositories.manifest_facts import ManifestFacts, facts_of, listed, read
from repositories.models import Manifest, Repository
from repositories.oci.digests import Digest

MAX_DEPTH = 5
MAX_NODES = 200
_COSIGN = (".sig", ".att", ".sbom")
# The specification's, so that the tag of a sha512 digest is one.
_MAX_ALGORITHM, _MAX_HEX = 32, 64


@dataclass(frozen=True, slots=True)
class Node:
    """A referrer: of what (`parent`), how deep in the tree (from 1), and by which tag, if any."""

    manifest: ManifestFacts
    parent: str
    depth: int
    tag: str


@dataclass(frozen=True, slots=True)
class ReferrerTree:
    """The referrers, each after its parent. `has_more`: they go on deeper or further."""

    nodes: tuple[Node, ...]
    has_more: bool


def tree(*, repository: Repository, subject: Digest) -> ReferrerTree:
    """What refers to `subject` in `repository`, and to that in turn; at most seven queries.

    The subject need not be here. The answer has at most MAX_NODES of MAX_DEPTH levels, the next
    ones first.
    """
    root = str(subject)
    nodes: dict[str, Node] = {}
    level, asked, has_more = [root], [root], False
    for depth in range(1, MAX_DEPTH + 1):
        rows = _referrers(repository, asked, MAX_NODES + 1 - len(nodes))
        found = [_node(row, row.subject) for row in rows]
        goes_on = {row.digest for row in rows if row.goes_on}  # type: ignore[attr-defined]
        if depth == 1:
            tagged = _tagged(repository, subject)
            found += tagged
            goes_on |= {node.manifest.digest for node in tagged}  # perhaps
        new = {node.manifest.digest: node for node in reversed(found)}
        new = {digest: new[digest] for digest in sorted(new.keys() - nodes.keys() - {root})}
        room = MAX_NODES - len(nodes)
        has_more = has_more or len(new) > room
        level = list(new)[:room]
        nodes |= {digest: replace(new[digest], depth=depth) for digest in level}
        asked = [digest for digest in level if digest in goes_on]
        if not asked:
            break
    else:
        has_more = has_more or not goes_on.isdisjoint(level)
    return ReferrerTree(tuple(_in_order(nodes.values(), root)), has_more)


def _in_order(nodes: Collection[Node], root: str) -> Iterator[Node]:
    """Each node after its parent."""
    children: dict[str, list[Node]] = {}
    for node in nodes:
        children.setdefault(node.parent, []).append(node)
    waiting = children.get(root, [])[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children.get(node.manifest.digest, [])[::-1]


def _referrers(repository: Repository, subjects: Collection[str], limit: int) -> list[Manifest]:
    """What refers to the subjects, each with `goes_on`: that it has referrers, too.

    So hardly any subject is asked for that has none. Of many at once PostgreSQL would look at all
    referrers in the order of their subjects.
    """
    # The second condition is that of the index.
    of_one = {"subject": next(iter(subjects))} if len(subjects) == 1 else {"subject__in": subjects}
    rows = repository.manifests.filter(**of_one).exclude(subject="")
    further = Manifest.objects.filter(repository=repository, subject=OuterRef("digest"))
    # The first in the order of the index: PostgreSQL would gather all subjects for an EXISTS.
    first = further.exclude(subject="").order_by("digest").values("pk")[:1]
    rows = rows.annotate(goes_on=Subquery(first))
    return list(listed(rows).order_by("subject", "digest")[:limit])


def _node(row: Manifest, parent: str, tag: str = "") -> Node:
    parsed = read(row.small_payload, row.media_type)  # type: ignore[attr-defined]
    return Node(facts_of(row, parsed, size=row.size), parent, 1, tag)  # type: ignore[attr-defined]


def _tagged(repository: Repository, subject: Digest) -> list[Node]:
    """What the tags that are named after the subject hold, or list."""
    name = f"{subject.algorithm[:_MAX_ALGORITHM]}-{subject.hex[:_MAX_HEX]}"
    names = [name, *(name + ending for ending in _COSIGN)]
    tagged = Manifest.objects.filter(tags__repository=repository, tags__name__in=names)
    found = listed(tagged.annotate(tag=F("tags__name")))
    rows: dict[str, Manifest] = {row.tag: row for row in found}  # type: ignore[attr-defined]
    nodes = [_node(row, str(subject), tag) for tag, row in rows.items() if tag != name]
    return nodes + (_listed_by(repository, rows[name], str(subject)) if name in rows else [])


def _listed_by(repository: Repository, index: Manifest, subject: str) -> list[Node]:
    """What the list of referrers that clients keep names, if it is here.

    What has the subject itself is found without the list.
    """
    listed_digests = index.children.values("digest")
    rows = repository.manifests.filter(digest__in=listed_digests).exclude(subject=subject)
    return [_node(row, subject) for row in listed(rows).order_by("digest")[:MAX_NODES]]
