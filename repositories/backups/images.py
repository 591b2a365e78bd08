"""Which images are made of a blob: what a person wants to know of one that is lost."""

from repositories.models import BlobLink, ManifestBlob, Tag
from repositories.oci.digests import Digest

MOST = 20


def images_of(digest: Digest) -> list[str]:
    """`repository@digest (tags)` of the images that are made of the blob, or its repositories.

    As the database has it now: of what was deleted since the snapshot it knows nothing.
    """
    uses = ManifestBlob.objects.filter(link__blob__digest=str(digest)).order_by("manifest_id")
    fields = ("manifest_id", "manifest__repository__name", "manifest__digest")
    found = [
        f"{repository}@{manifest}{_tags(id)}"
        for id, repository, manifest in uses.values_list(*fields).distinct()[:MOST]
    ]
    links = BlobLink.objects.filter(blob__digest=str(digest), uses=None).order_by("pk")
    names = links.values_list("repository__name", flat=True)[:MOST]
    return found + [f"{name}, no image of it" for name in names]


def _tags(manifest: int) -> str:
    tags = Tag.objects.filter(manifest_id=manifest).order_by("name")
    names = list(tags.values_list("name", flat=True)[:MOST])
    return f" ({', '.join(names)})" if names else ""
