"""One text, and what it may mean: repositories, tags, digests of manifests and blobs.

Only what the principal may see is found. Each look-up is a range of an index; `names` has the one
for a name that contains the text somewhere.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Exists, Model, OuterRef, QuerySet
from django.db.models.functions import Length

from repositories import names
from repositories.access import Principal, reach_of
from repositories.models import Blob, BlobLink, Manifest, Repository, Tag
from repositories.oci.digests import HEX_LENGTHS
from repositories.oci.names import MAX_TAG_BYTES

MOST = 20
_DIGEST = re.compile(rf"(?:({'|'.join(HEX_LENGTHS)}):)?([0-9a-f]{{6,128}})", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)
# Sorts behind every character of names, tags and digests.
_LAST = "~"

# Six digits and more are shared by one blob in 16 million.
_MOST_BLOBS = 100

_M = TypeVar("_M", bound=Model)
# Where to look: None means everywhere.
_Scope = list[int] | QuerySet[Repository] | None


@dataclass(frozen=True, slots=True)
class FoundTag:
    """A tag, and the digest that it names."""

    repository: str
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class FoundDigest:
    """A manifest or a blob that a repository has; `size` in bytes."""

    repository: str
    digest: str
    is_manifest: bool
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """At most `MOST` of each."""

    repositories: list[str]
    tags: list[FoundTag]
    digests: list[FoundDigest]


def find(*, principal: Principal, text: str) -> Found:
    """What `text` may mean, a few of each. Text that names nothing finds nothing."""
    text = text.strip()
    reach = reach_of(principal)
    few = reach.few()
    visible = reach.repositories if few is None else Repository.objects.filter(pk__in=few)
    scope: _Scope = None if principal.is_unlimited else visible if few is None else few
    return Found(
        repositories=_repositories(visible, text.lower()),
        tags=_tags(scope, text),
        digests=_digests(scope, text.lower()),
    )


def _repositories(visible: QuerySet[Repository], text: str) -> list[str]:
    """Those whose name begins with the text, then those that contain it."""
    if not text:
        return []
    rows = visible.filter(names.containing(text)).order_by("name").values_list("name", flat=True)
    first = list(rows.filter(names.beginning(text))[:MOST])
    return first + list(rows.exclude(names.beginning(text))[: MOST - len(first)])


def _tags(scope: _Scope, text: str) -> list[FoundTag]:
    if len(text) > MAX_TAG_BYTES or not _TAG.fullmatch(text):
        return []
    rows = _seen(scope, Tag.objects.filter(name__gte=text, name__lt=text + _LAST))
    fields = rows.values_list("repository__name", "name", "manifest__digest")
    return [FoundTag(*row) for row in fields.order_by("name", "repository_id")[:MOST]]


def _digests(scope: _Scope, text: str) -> list[FoundDigest]:
    match = _DIGEST.fullmatch(text)
    if match is None:
        return []
    starts = [f"{algorithm}:{match[2]}" for algorithm in ([match[1]] if match[1] else HEX_LENGTHS)]
    found = [row for start in starts for row in _manifests(scope, start)] + _blobs(scope, starts)
    # Of each algorithm the manifests first.
    found.sort(key=lambda row: (row.digest.partition(":")[0], not row.is_manifest, row.digest))
    return found[:MOST]


def _manifests(scope: _Scope, start: str) -> list[FoundDigest]:
    rows = _seen(scope, Manifest.objects.filter(digest__gte=start, digest__lt=start + _LAST))
    fields = rows.values_list("repository__name", "digest", Length("payload"))
    return [
        FoundDigest(repository, digest, True, size)
        for repository, digest, size in fields.order_by("digest", "id")[:MOST]
    ]


def _blobs(scope: _Scope, starts: Sequence[str]) -> list[FoundDigest]:
    """In no order that the database would have to make: a base layer has 100,000 links."""
    one, *others = (Blob.objects.filter(digest__gte=s, digest__lt=s + _LAST) for s in starts)
    blobs = one.values_list("digest", "pk").union(*(o.values_list("digest", "pk") for o in others))
    ids = [pk for _, pk in blobs.order_by("digest")[:_MOST_BLOBS]]
    rows = _seen(scope, BlobLink.objects.filter(blob__in=ids))
    fields = rows.values_list("blob__digest", "repository__name", "blob__size")
    return [
        FoundDigest(repository, digest, False, size)
        for digest, repository, size in sorted(fields[:MOST])
    ]


def _seen(scope: _Scope, rows: QuerySet[_M]) -> QuerySet[_M]:
    if scope is None:
        return rows
    if isinstance(scope, list):
        return rows.filter(repository__in=scope)
    # Row by row: an `IN` would gather all that are visible first.
    return rows.filter(Exists(scope.filter(pk=OuterRef("repository"))))
