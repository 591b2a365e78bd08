"""How a tag moved: from when until when it named what, and by whose hand."""

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from repositories.models import Manifest, Repository, TagChange


def changes(*, repository: Repository, tag: str) -> QuerySet[TagChange]:
    """The moves of the tag, the newest first; to be paged by `-pk`.

    `changed_at` is when the tag came to name `digest`, which is empty where it was deleted, and
    `until` when that ended: None for what is so today. `is_here` says whether the digest can still
    be pulled.
    """
    later = TagChange.objects.filter(
        repository=repository, name=tag, pk__gt=OuterRef("pk")
    ).order_by("pk")
    manifests = Manifest.objects.filter(repository=repository, digest=OuterRef("digest"))
    rows = TagChange.objects.filter(repository=repository, name=tag)
    return rows.annotate(
        until=Subquery(later.values("changed_at")[:1]), is_here=Exists(manifests)
    ).order_by("-pk")
