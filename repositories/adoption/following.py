"""A shadow: rows that are made equal, again and again, to a tree that another registry writes to.

Nobody else writes these rows. What the tree has not any more goes from them, too; what it has and
cannot be used is left as it was shown, since the other registry may be writing it just now.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from repositories.adoption import rows
from repositories.adoption.adopting import default_visibility
from repositories.adoption.blobs import Blobs
from repositories.adoption.contents import Contents
from repositories.adoption.reports import AdoptionError
from repositories.adoption.rows import Place
from repositories.adoption.tree import NoTree, Records, Tree
from repositories.database import pieces
from repositories.memory import forget_on_commit
from repositories.models import Adoption, Blob, BlobLink, Manifest, Repository, Tag, TagChange
from repositories.oci.digests import CANONICAL, Digest

logger = logging.getLogger(__name__)
# How many things the last look has found to be wrong: told when that changes.
_told = 0


@dataclass(slots=True)
class Followed:
    """What a look at the tree has changed; `findings` is how many things are wrong in it."""

    repositories: int = 0
    manifests: int = 0
    tags: int = 0
    removed: int = 0  # tags, manifests, links and repositories
    findings: int = 0

    def __str__(self) -> str:
        return (
            f"{self.repositories} repositories shown, {self.manifests} manifests and {self.tags} "
            f"tags are new, {self.removed} things are gone"
        )


def follow(*, is_open: bool = False) -> Followed:
    """Make the rows equal to the tree that the settings name. Raises AdoptionError, OSError."""
    try:
        tree = Tree(Path(settings.SHADOW))
    except NoTree as error:
        raise AdoptionError(str(error)) from error
    _claim(str(tree.root))
    done = Followed()
    walk, blobs = tree.walk(), Blobs(tree)
    visibility = default_visibility(is_open=is_open)
    shown = set()
    for name in walk.names:
        records = tree.records(name)
        if records.layers or records.revisions or records.doubtful or not records.is_whole:
            shown.add(name)
            _follow(records, blobs, visibility, done)
    if walk.is_whole:
        for name in set(Repository.objects.values_list("name", flat=True)) - shown:
            _remove(name)
            done.removed += 1
    _mend(blobs)
    Blob.objects.filter(links=None).delete()
    done.repositories = len(shown)
    done.findings += len(walk.findings)
    _tell(done)
    return done


def _claim(root: str) -> None:
    """Make the database this tree's shadow, if it is nobody's. Raises AdoptionError."""
    row = Adoption.objects.filter(is_shadow=True).first()
    if row is None:
        if Repository.objects.exists() or Adoption.objects.exists():
            raise AdoptionError(
                "This database is a registry's, and a shadow would remove what is in it: name "
                "another data folder with --data, and no DATABASE_URL."
            )
        Adoption.objects.create(root=root, is_shadow=True)
    elif row.root != root:
        raise AdoptionError(
            f"This data folder is that of a shadow of {row.root}: name another one with --data."
        )


def _tell(done: Followed) -> None:
    global _told  # noqa: PLW0603  (one follower for each process)
    if done.findings and done.findings != _told:
        logger.warning(
            "%d things are wrong in %s: manage.py adopt --dry-run, with the same --shadow and "
            "--data, lists them",
            done.findings,
            settings.SHADOW,
        )
    _told = done.findings


def _follow(records: Records, blobs: Blobs, visibility: str, done: Followed) -> None:
    """Make the rows of a repository equal to its records."""
    repository = Repository.objects.filter(name=records.name).first()
    place = Place(records.name, repository.pk) if repository else None
    manifests = _digests(Manifest.objects.filter(repository=repository), "digest")
    links = _digests(BlobLink.objects.filter(repository=repository), "blob__digest")
    contents = Contents(records, blobs, known=manifests, linked=links)
    for batch in contents.batches():
        if batch.images or batch.blobs:
            place = place or rows.open_place(
                name=records.name, visibility=visibility, contents=contents
            )
            rows.write(place=place, batch=batch, paths=blobs.path)
            done.manifests += len(batch.images)
    if place is not None:
        done.tags += _move_tags(place, contents)
        if records.is_whole:
            done.removed += _prune(place, records, manifests, links)
    done.findings += len(contents.findings)


def _digests(found: QuerySet[Any], column: str) -> set[Digest]:
    return {Digest.parse(text) for text in found.values_list(column, flat=True)}


def _move_tags(place: Place, contents: Contents) -> int:
    """Let the tags name what they name in the tree; how many did not."""
    current = dict(Tag.objects.filter(repository=place.id).values_list("name", "manifest__digest"))
    wanted = [tag for tag in contents.tags() if current.get(tag.name) != str(tag.current.target)]
    for piece in pieces(wanted):
        rows.write_tags(place=place, tags=piece, is_following=True)
    pushed_at = contents.pushed_at
    Repository.objects.filter(pk=place.id).exclude(pushed_at=pushed_at).update(pushed_at=pushed_at)
    return len(wanted)


def _prune(
    place: Place, records: Records, manifests: Collection[Digest], links: Collection[Digest]
) -> int:
    """Remove the rows of what the tree has not any more; how many there were."""
    names = set(Tag.objects.filter(repository=place.id).values_list("name", flat=True))
    tags = sorted(names - {tag.name for tag in records.tags} - records.doubtful)
    gone = _gone(manifests, records.revisions, records.doubtful)
    loose = _gone(links, records.layers, records.doubtful)
    if not (tags or gone or loose):
        return 0
    with transaction.atomic():
        forget_on_commit(place.name)
        count = 0
        for piece in pieces(tags):
            count += Tag.objects.filter(repository=place.id, name__in=piece).delete()[0]
            TagChange.objects.bulk_create(
                TagChange(repository_id=place.id, name=name, changed_at=timezone.now())
                for name in piece
            )
        for piece in pieces(gone):
            Manifest.objects.filter(repository=place.id, digest__in=piece).delete()
            count += len(piece)
        for piece in pieces(loose):
            found = BlobLink.objects.filter(repository=place.id, blob__digest__in=piece, uses=None)
            count += found.delete()[0]
    return count


def _gone(known: Collection[Digest], there: Collection[Digest], doubtful: set[str]) -> list[str]:
    return sorted({str(digest) for digest in known if digest not in there} - doubtful)


def _remove(name: str) -> None:
    """Remove a repository that the tree has not any more."""
    with transaction.atomic():
        forget_on_commit(name)
        Manifest.objects.filter(repository__name=name).delete()
        BlobLink.objects.filter(repository__name=name).delete()
        Repository.objects.filter(name=name).delete()


def _mend(blobs: Blobs) -> None:
    """Show blobs again that were lost and have been pushed anew."""
    for row in Blob.objects.exclude(damaged_at=None):
        digest = Digest.parse(row.digest)
        # Read again only when it may be what it was: this is done every half a minute.
        if digest.algorithm != CANONICAL or blobs.look(digest).size != row.size:
            continue
        if (seen := blobs.compare(digest)).flaw is not None:
            continue
        with transaction.atomic():
            found = Repository.objects.filter(blob_links__blob=row)
            forget_on_commit(*found.values_list("name", flat=True))
            Blob.objects.filter(pk=row.pk).update(damaged_at=None, size=seen.size)
            BlobLink.objects.filter(blob=row).update(size=seen.size)
