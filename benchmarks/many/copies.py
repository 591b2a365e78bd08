"""Rows of very many repositories and tags of one image, as pushes of it would leave them.

`growing.py` runs `main` in a process of its own, on the database of a server that runs. Standard
input names the `repositories` to make, the repository `tagged` that gets `tags`, and the image: its
`digest` in the repository `source`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

from django.db import connection, transaction

from accounts.models import Team
from benchmarks.content import TAG
from repositories.models import BlobLink, Manifest, ManifestBlob, Repository, Tag, TagChange

_PIECE = 2_000


class Copies:
    """Copies an image into repositories that are new."""

    def __init__(self, source: str, digest: str) -> None:
        self._image = Manifest.objects.get(repository__name=source, digest=digest)
        self._parts = list(self._image.blobs.order_by("position").select_related("link__blob"))

    def make(self, names: Sequence[str]) -> list[Manifest]:
        """New repositories with the image, which has no tag yet; its manifests there."""
        found = [
            Repository(name=name, team=self._team(name), pushed_at=self._image.pushed_at)
            for name in names
        ]
        made = Repository.objects.bulk_create(found)
        manifests = Manifest.objects.bulk_create(
            [
                Manifest(
                    repository=repository,
                    digest=self._image.digest,
                    media_type=self._image.media_type,
                    artifact_type=self._image.artifact_type,
                    payload=self._image.payload,
                )
                for repository in made
            ]
        )
        for part in self._parts:
            links = BlobLink.objects.bulk_create(
                [BlobLink(repository=repository, blob=part.link.blob) for repository in made]
            )
            ManifestBlob.objects.bulk_create(
                [
                    ManifestBlob(
                        manifest=manifest, link=link, role=part.role, position=part.position
                    )
                    for manifest, link in zip(manifests, links, strict=True)
                ]
            )
        return manifests

    def _team(self, name: str) -> Team:
        return Team.objects.get_or_create(name=name.partition("/")[0])[0]


def tag(tagged: Sequence[tuple[Manifest, str]]) -> None:
    """Give manifests names."""
    Tag.objects.bulk_create(
        [Tag(repository=m.repository, name=name, manifest=m) for m, name in tagged]
    )
    TagChange.objects.bulk_create(
        [TagChange(repository=m.repository, name=name, digest=m.digest) for m, name in tagged]
    )


def _pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _PIECE] for start in range(0, len(names), _PIECE))


def main() -> None:
    """Add what standard input names."""
    growth = json.load(sys.stdin)
    copies = Copies(growth["source"], growth["digest"])
    for names in _pieces(growth["repositories"]):
        with transaction.atomic():
            tag([(manifest, TAG) for manifest in copies.make(names)])
    (manifest,) = copies.make([growth["tagged"]])
    for names in _pieces(growth["tags"]):
        with transaction.atomic():
            tag([(manifest, name) for name in names])
    if (
        connection.vendor == "postgresql"
    ):  # which does so by itself, at some time in the next minute
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
