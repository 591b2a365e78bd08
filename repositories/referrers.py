"""The referrers API: what refers to a manifest by its `subject` (distribution-spec, end-12)."""

from collections.abc import Sequence
from typing import NamedTuple

from django.db.models import Subquery

from repositories.models import Manifest, Repository
from repositories.oci import manifests as oci
from repositories.oci.digests import Digest

# An answer is itself an index, so it keeps to the size that clients take for one.
MAX_ANSWER_BYTES = oci.MAX_BYTES
MAX_ENTRIES = 1000


class Referrers(NamedTuple):
    """Descriptors as JSON text, in the order of their digests, and whether there are more."""

    entries: Sequence[str]
    last: str
    has_more: bool


def listing(
    *, repository: str, subject: Digest, artifact_type: str = "", last: str = ""
) -> Referrers:
    """What refers to `subject` in `repository`, after the digest `last`.

    Neither the subject nor the repository need exist: a client that is told 404 here falls back to
    keeping the list in a tag.
    """
    # Not a join: then PostgreSQL would not know the order of the index, and sort all of them.
    here = Repository.objects.filter(name=repository).values("pk")[:1]
    found = Manifest.objects.filter(
        repository=Subquery(here), subject=str(subject), digest__gt=last
    )
    if artifact_type:
        found = found.filter(artifact_type=artifact_type)
    rows = found.exclude(subject="").order_by("digest").values_list("digest", "referrer")
    entries: list[str] = []
    room = MAX_ANSWER_BYTES - 1024
    for digest, descriptor in rows[: MAX_ENTRIES + 1]:
        room -= len(descriptor) + 1
        if entries and (room < 0 or len(entries) == MAX_ENTRIES):
            return Referrers(entries, last, has_more=True)
        entries.append(descriptor)
        last = digest
    return Referrers(entries, last, has_more=False)
