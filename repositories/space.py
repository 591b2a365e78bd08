"""What takes the space in one repository: its largest blobs, and how much needs them."""

from typing import NamedTuple

from django.db import connection

from repositories.models import Repository

MAX_BLOBS = 20
# Of the images that are made of one blob, how many are looked at: base layers have 100,000.
MAX_USES = 1_000

_LARGEST = """
SELECT link.id, blob.digest, link.size
FROM (
    SELECT id, blob_id, size FROM repositories_bloblink
    WHERE repository_id = %s ORDER BY size DESC, id LIMIT %s
) AS link
JOIN repositories_blob AS blob ON blob.id = link.blob_id
ORDER BY link.size DESC, link.id
"""
# A tag names an image, or an index that lists it. SQLite keeps to the order of CROSS JOIN; left to
# itself it begins with all tags of the repository, as it would without the plus. PostgreSQL goes
# through all tags beside the few indexes that there are, unless a limit stands between them.
_USES = """
SELECT link.id,
    (SELECT COUNT(*) FROM (
        SELECT use.id FROM repositories_manifestblob AS use WHERE use.link_id = link.id LIMIT %s
    ) AS used),
    (SELECT COUNT(*) FROM (
        SELECT tag.id FROM (
            SELECT manifest_id FROM repositories_manifestblob WHERE link_id = link.id LIMIT %s
        ) AS use
        CROSS JOIN repositories_tag AS tag WHERE tag.manifest_id = use.manifest_id
      UNION
        SELECT tag.id FROM (
            SELECT entry.parent_id FROM (
                SELECT manifest_id FROM repositories_manifestblob WHERE link_id = link.id LIMIT %s
            ) AS use
            CROSS JOIN repositories_manifest AS child
            CROSS JOIN repositories_manifestchild AS entry
            WHERE child.id = use.manifest_id AND entry.digest = child.digest LIMIT %s
        ) AS list
        CROSS JOIN repositories_tag AS tag
        WHERE tag.manifest_id = list.parent_id AND +tag.repository_id = link.repository_id
    ) AS named)
FROM repositories_bloblink AS link
WHERE link.id IN ({links})
"""


class LargeBlob(NamedTuple):
    """A blob with its `size` in bytes, and how much needs it.

    `tags` are those of the first MAX_USES `images`, and of as many indexes that list these; with
    `has_more` there are more of both.
    """

    digest: str
    size: int
    images: int
    tags: int
    has_more: bool


def largest(repository: Repository) -> list[LargeBlob]:
    """The MAX_BLOBS largest blobs of the repository, the largest first; two queries.

    The caller has made sure that the principal may pull.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LARGEST, [repository.pk, MAX_BLOBS])
        blobs = cursor.fetchall()
        if not blobs:
            return []
        statement = _USES.format(links=", ".join(["%s"] * len(blobs)))
        cursor.execute(statement, [*[MAX_USES + 1] * 4, *(link for link, _, _ in blobs)])
        uses = {link: (images, tags) for link, images, tags in cursor.fetchall()}
    return [_blob(digest, size, *uses.get(link, (0, 0))) for link, digest, size in blobs]


def _blob(digest: str, size: int, images: int, tags: int) -> LargeBlob:
    return LargeBlob(digest, size, min(images, MAX_USES), tags, images > MAX_USES)
