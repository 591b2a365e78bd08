"""What some references name, and the manifests that indexes list: their rows by one query."""

from collections.abc import Sequence

from django.db.models import BinaryField, Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.expressions import RawSQL

from repositories.manifest_facts import sized
from repositories.models import Manifest, Repository, Tag
from repositories.oci.digests import is_digest
from repositories.oci.errors import ManifestUnknown

# An index of indexes of images.
MAX_DEPTH = 2
# What a hostile index can make the database read; those that are listed first are found.
MAX_ROWS = 10_000

_BY_TAG = """
SELECT tag.manifest_id, tag.repository_id, 0
FROM repositories_tag AS tag WHERE tag.repository_id = %s AND tag.name = %s
"""
_BY_DIGEST = """
SELECT root.id, root.repository_id, 0
FROM repositories_manifest AS root WHERE root.repository_id = %s AND root.digest = %s
"""
# SQLite keeps to the order of CROSS JOIN; left to itself it reads the whole repository.
_REACHED = """
WITH RECURSIVE reached(id, repository_id, depth) AS (
    {roots}
  UNION
    SELECT manifest.id, manifest.repository_id, reached.depth + 1
    FROM reached
    CROSS JOIN repositories_manifestchild AS entry
    CROSS JOIN repositories_manifest AS manifest
    WHERE reached.depth < %s AND entry.parent_id = reached.id
      AND manifest.repository_id = reached.repository_id AND manifest.digest = entry.digest
)
SELECT id FROM reached LIMIT %s
"""

# A repository that the caller may read, and a tag or a digest.
Target = tuple[Repository, str]


class Trees:
    """The manifests that some targets name, and what those list.

    One query; another for the payload of each that is listed and wanted.
    """

    def __init__(self, *targets: Target) -> None:
        rows = list(_rows(targets))
        self._roots = {
            (repository.pk, reference): row
            for number, (repository, reference) in enumerate(targets)
            for row in rows
            if getattr(row, f"is_{number}")
        }
        self._rows = {(row.repository_id, row.digest): row for row in rows}
        self._payloads: dict[int, bytes] = {}

    def root(self, target: Target) -> Manifest:
        """The row that a target names. Raises ManifestUnknown."""
        repository, reference = target
        row = self._roots.get((repository.pk, reference))
        if row is None:
            raise unknown(reference)
        return row

    def listed(self, repository: Repository, digest: str) -> Manifest | None:
        """The row of what an index lists, with its `size` in bytes; None: it is not here."""
        return self._rows.get((repository.pk, digest))

    def payload(self, row: Manifest) -> bytes:
        """The bytes of a manifest. Raises ManifestUnknown when it has gone meanwhile."""
        if row.pk not in self._payloads:
            found = row.root_payload  # type: ignore[attr-defined]
            if found is None:
                rows = Manifest.objects.filter(pk=row.pk)
                found = rows.values_list("payload", flat=True).first()
            if found is None:
                raise unknown(row.digest)
            self._payloads[row.pk] = bytes(found)
        return self._payloads[row.pk]


def unknown(reference: str) -> ManifestUnknown:
    """The answer for what the repository does not have."""
    return ManifestUnknown("this repository has no such manifest", detail={"reference": reference})


def _rows(targets: Sequence[Target]) -> QuerySet[Manifest]:
    """With `is_0`, `is_1` …: whether it is what that target names; and `root_payload`, if any."""
    statements = [_BY_DIGEST if is_digest(reference) else _BY_TAG for _, reference in targets]
    values = [value for repository, reference in targets for value in (repository.pk, reference)]
    statement = _REACHED.format(roots=" UNION ".join(statements))
    ids = RawSQL(statement, [*values, MAX_DEPTH, MAX_ROWS])  # noqa: S611  (values are parameters)
    is_root = {
        f"is_{number}": Case(When(_named(target), then=Value(True)), default=Value(False))
        for number, target in enumerate(targets)
    }
    any_root = Q(*((name, True) for name in is_root), _connector=Q.OR)
    payload = Case(When(any_root, then="payload"), default=None, output_field=BinaryField())
    rows = sized(Manifest.objects.filter(pk__in=ids)).annotate(**is_root)
    return rows.annotate(root_payload=payload)


def _named(target: Target) -> Q:
    repository, reference = target
    if is_digest(reference):
        return Q(repository=repository, digest=reference)
    tags = Tag.objects.filter(repository=repository, name=reference, manifest=OuterRef("pk"))
    return Q(Exists(tags))
