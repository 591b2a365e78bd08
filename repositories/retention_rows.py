"""What a retention plan reads: of each tag and manifest a few columns, a piece at a time."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from repositories.database import pieces
from repositories.models import Manifest, ManifestChild, Review, Tag, TagChange

_PIECE = 1000
# Pushing an image with its index is no asking for it.
_PUSHING = timedelta(minutes=1)


def tags(repository_id: int) -> Iterator[Any]:
    """All tags, the newest push first: read as one statement finds them, a piece at a time."""
    rows = Tag.objects.filter(repository=repository_id).order_by("-pushed_at", "-pk")
    return rows.values_list(
        *("pk", "name", "manifest_id", "pushed_at", "pulled_at", "manifest__pulled_at")
    ).iterator(chunk_size=_PIECE)


def untagged(repository_id: int) -> Iterator[Any]:
    """The manifests that no tag names, and whether an index here lists them, or a subject is here.

    Two that keep each other are never removed for their age: they would have to be an index and
    its entry, and that the index's subject.
    """
    lists = ManifestChild.objects.filter(
        digest=OuterRef("digest"), parent__repository=repository_id
    )
    subjects = Manifest.objects.filter(repository=repository_id, digest=OuterRef("subject"))
    rows: QuerySet[Any] = Manifest.objects.filter(
        ~Exists(Tag.objects.filter(manifest=OuterRef("pk"))), repository=repository_id
    ).annotate(is_needed=Exists(lists) | Exists(subjects))
    return rows.values_list("pk", "digest", "pushed_at", "pulled_at", "is_needed").iterator(
        chunk_size=_PIECE
    )


def ids_of(repository_id: int, digests: Collection[str]) -> dict[str, int]:
    """The manifests of these digests, of SHA-512 maybe the first half: ids by what was given."""
    rows = Manifest.objects.filter(repository=repository_id)
    whole = rows.filter(digest__in=[digest for digest in digests if not _is_cut(digest)])
    found = dict(whole.values_list("digest", "pk"))
    for digest in filter(_is_cut, digests):
        id = rows.filter(digest__startswith=digest).values_list("pk", flat=True).first()
        if id is not None:
            found[digest] = id
    return found


def _is_cut(digest: str) -> bool:
    return digest.startswith("sha512:") and len(digest) < len("sha512:") + 128


def subjects(repository_id: int, manifests: Collection[int]) -> dict[int, int]:
    """Of those that refer to a manifest which is here: its id."""
    found: dict[int, int] = {}
    for ids in pieces(sorted(manifests)):
        rows = Manifest.objects.filter(pk__in=ids).exclude(subject="")
        subjects = dict(rows.values_list("pk", "subject"))
        here = ids_of(repository_id, set(subjects.values())) if subjects else {}
        found |= {id: here[digest] for id, digest in subjects.items() if digest in here}
    return found


def lost_a_tag(repository_id: int, due: Mapping[str, int], *, since: datetime) -> set[int]:
    """Those of the manifests, ids by digest, that had a tag until then, or later."""
    changes = TagChange.objects.filter(repository=repository_id).order_by("name", "pk")
    found, last = set(), ("", "")
    for name, digest, at in changes.values_list("name", "digest", "changed_at").iterator(
        chunk_size=_PIECE
    ):
        before = last[1] if last[0] == name else ""
        if before in due and at > since:
            found.add(due[before])
        last = (name, digest)
    return found


def held(manifests: Collection[int], *, since: datetime, is_new: bool = True) -> set[int]:
    """Those that were pushed, or asked for by who may push, since then.

    Unless `is_new`, not those that were pushed for the first time, and nothing since.
    """
    found: set[int] = set()
    for ids in pieces(sorted(manifests)):
        reviews = Review.objects.filter(kind=Review.Kind.MANIFEST, target__in=ids)
        at = dict(reviews.filter(nominated_at__gt=since).values_list("target", "nominated_at"))
        if not is_new and at:
            rows = Manifest.objects.filter(pk__in=at).values_list("pk", "pushed_at")
            found |= {id for id, pushed in rows if at[id] > pushed + _PUSHING}
        else:
            found |= at.keys()
    return found


def digests_of(manifests: Collection[int]) -> dict[int, str]:
    """The digests of manifests, by id."""
    found: dict[int, str] = {}
    for ids in pieces(sorted(manifests)):
        found |= dict(Manifest.objects.filter(pk__in=ids).values_list("pk", "digest"))
    return found
