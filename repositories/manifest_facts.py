"""What there is to say of a manifest by its row alone: what it is, its size, who pushed it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import BinaryField, Case, Q, QuerySet, When
from django.db.models.functions import Length

from repositories.models import Manifest
from repositories.oci.artifacts import Artifact, Kind, classify
from repositories.oci.errors import ManifestInvalid
from repositories.oci.manifests import ParsedManifest, parse
from repositories.oci.texts import cut

# Lists read what is larger than this only when somebody looks at that manifest itself.
MAX_LISTED_BYTES = 64 * 1024
MAX_ANNOTATIONS = 500


@dataclass(frozen=True, slots=True)
class ManifestFacts:
    """A manifest of a repository. `size` is that of the manifest itself, in bytes.

    `annotations` are cut to what a page can show. `problem` is empty, or says why the manifest,
    which is served as it is, cannot be explained.
    """

    digest: str
    media_type: str
    artifact: Artifact
    size: int
    pushed_at: datetime
    pushed_by: str
    subject: str
    annotations: Mapping[str, str]
    problem: str


def sized(rows: QuerySet[Manifest]) -> QuerySet[Manifest]:
    """The rows with their `size` in bytes and without their payload, which may be 4 MiB each."""
    return rows.annotate(size=Length("payload")).defer("payload", "referrer")


def listed(
    rows: QuerySet[Manifest], *, explained: Collection[int] | None = None
) -> QuerySet[Manifest]:
    """As `sized`, with the payload as `small_payload`: None where it is too much for a list.

    `explained` are the ids of those whose payload is wanted; without it, all.
    """
    wanted = Q(size__lte=MAX_LISTED_BYTES)
    if explained is not None:
        wanted &= Q(pk__in=explained)
    small = Case(When(wanted, then="payload"), default=None, output_field=BinaryField())
    return sized(rows).annotate(small_payload=small)


def read(payload: bytes | memoryview | None, media_type: str) -> ParsedManifest | str:
    """What the payload says, or why that cannot be told."""
    if payload is None:
        return f"it is larger than {MAX_LISTED_BYTES} bytes"
    try:
        return parse(bytes(payload), media_type)
    except ManifestInvalid as error:
        return error.message


def facts_of(row: Manifest, parsed: ParsedManifest | str, *, size: int) -> ManifestFacts:
    """The facts of a row whose payload says `parsed`."""
    return ManifestFacts(
        digest=row.digest,
        media_type=row.media_type,
        artifact=classify(parsed) if isinstance(parsed, ParsedManifest) else _by_type(row),
        size=size,
        pushed_at=row.pushed_at,
        pushed_by=row.pushed_by,
        subject=row.subject,
        annotations=shown(parsed.annotations) if isinstance(parsed, ParsedManifest) else {},
        problem=parsed if isinstance(parsed, str) else "",
    )


def _by_type(row: Manifest) -> Artifact:
    is_docker = row.media_type.startswith("application/vnd.docker.")
    return Artifact(Kind.ARTIFACT, row.artifact_type or row.media_type, is_docker)


def shown(annotations: Mapping[str, str]) -> Mapping[str, str]:
    """Annotations, cut to what a page can show."""
    some = list(annotations.items())[:MAX_ANNOTATIONS]
    return {cut(key): cut(text) for key, text in some}
