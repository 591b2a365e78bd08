"""What damage hits: the repositories and images that are made of a blob, a few of them by name."""

from typing import TypedDict

from django.db.models import QuerySet

from repositories.database import fetch
from repositories.models import Tag

MOST_IMAGES = 20
MOST_TAGS = 5
MOST_REPOSITORIES = 20

_IMAGES = """
SELECT DISTINCT repository.name, manifest.digest, manifest.id, repository.id
FROM repositories_blob AS blob
JOIN repositories_bloblink AS link ON link.blob_id = blob.id
JOIN repositories_manifestblob AS part ON part.link_id = link.id
JOIN repositories_manifest AS manifest ON manifest.id = part.manifest_id
JOIN repositories_repository AS repository ON repository.id = manifest.repository_id
WHERE blob.digest = %s ORDER BY repository.name, manifest.digest LIMIT %s
"""
_REPOSITORIES = """
SELECT repository.name FROM repositories_blob AS blob
JOIN repositories_bloblink AS link ON link.blob_id = blob.id
JOIN repositories_repository AS repository ON repository.id = link.repository_id
WHERE blob.digest = %s ORDER BY repository.name LIMIT %s
"""
_COUNTS = """
SELECT COUNT(DISTINCT part.manifest_id), COUNT(DISTINCT link.repository_id)
FROM repositories_blob AS blob
JOIN repositories_bloblink AS link ON link.blob_id = blob.id
LEFT JOIN repositories_manifestblob AS part ON part.link_id = link.id
WHERE blob.digest = %s
"""


class Image(TypedDict):
    """An image, with some of the tags that lead to it: its own, or those of indexes that list it.

    An image that no tag leads to has none.
    """

    repository: str
    digest: str
    tags: list[str]


class Hits(TypedDict):
    """Some of the images and repositories that are hit, and how many there are."""

    images: list[Image]
    image_count: int
    repositories: list[str]
    repository_count: int


def of_blob(digest: str) -> Hits:
    """What links the blob, and what is made of it."""
    images = fetch(_IMAGES, [digest, MOST_IMAGES])
    repositories = fetch(_REPOSITORIES, [digest, MOST_REPOSITORIES])
    image_count, repository_count = fetch(_COUNTS, [digest])[0]
    return Hits(
        images=[_image(*row) for row in images],
        image_count=image_count,
        repositories=[name for (name,) in repositories],
        repository_count=repository_count,
    )


def described(digest: str) -> list[str]:
    """`repository@digest (tags)` of images that are made of the blob, or else its repositories.

    As the database has it now.
    """
    hit = of_blob(digest)
    return [_described(image) for image in hit["images"]] or [
        f"{name}, no image of it" for name in hit["repositories"]
    ]


def _described(image: Image) -> str:
    tags = f" ({', '.join(image['tags'])})" if image["tags"] else ""
    return f"{image['repository']}@{image['digest']}{tags}"


def of_manifest(*, repository: str, digest: str, id: int, repository_id: int) -> Hits:
    """The manifest itself, by its tags."""
    return Hits(
        images=[_image(repository, digest, id, repository_id)],
        image_count=1,
        repositories=[repository],
        repository_count=1,
    )


def _image(repository: str, digest: str, id: int, repository_id: int) -> Image:
    found = Tag.objects.filter(repository=repository_id).order_by("name")
    tags = _names(found.filter(manifest=id)) or _names(
        found.filter(manifest__children__digest=digest).distinct()
    )
    return Image(repository=repository, digest=digest, tags=tags)


def _names(tags: QuerySet[Tag]) -> list[str]:
    return list(tags.values_list("name", flat=True)[:MOST_TAGS])
