"""Steps of what runs in the background, and a preview of what retention would remove."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from django.test import override_settings
from django.utils import timezone

from benchmarks.many.fill import MANY, digest_of
from benchmarks.many.measuring import Case
from benchmarks.many.others import READABLE, THOUSAND
from repositories import garbage, retention_previews, retention_rules, scrub, scrub_passes
from repositories.models import (
    Blob,
    BlobLink,
    Manifest,
    ManifestBlob,
    Repository,
    Review,
    ScrubPass,
)
from repositories.oci.media_types import OCI_MANIFEST
from repositories.pace import Bucket

_GRACE = timedelta(hours=1)
_AT_ONCE = 10  # rows of a kind that a step of the collector removes
_DAYS = 30
_RULES = [{"rule": "newest", "count": 10}, {"rule": "untagged", "days": _DAYS}]


def cases(size: int) -> Iterator[Case]:
    """Each step; what it needs is made before it."""
    for kind, make in _GARBAGE.items():
        title = f"collect {_AT_ONCE} {kind.value}s"
        yield Case("job", title, "job", _collect, _due(kind, make, size))
    yield Case("job", f"read {READABLE} blobs", "job", _scrub("blobs"), _pass_at_blobs)
    yield Case("job", f"read {READABLE} manifests", "job", _scrub("manifests"), _pass_at_manifests)
    for title, name in (
        ("what retention would remove of 1,000 tags", THOUSAND),
        ("what retention would remove of one tag", "team-001/app-000001"),
    ):
        yield Case("job", title, "job", _preview(name))


# --- the collector ---


def _collect(number: int) -> None:
    with override_settings(GARBAGE_UNTAGGED=_DAYS):
        tally = garbage.collect(grace=_GRACE)
    if tally.manifests + tally.links + tally.blobs < _AT_ONCE:
        raise RuntimeError(f"the collector kept what was garbage: {tally}")


def _due(kind: Review.Kind, make: Callable[[str], int], size: int) -> Callable[[int], None]:
    def prepare(number: int) -> None:
        Review.objects.filter(nominated_at__lte=timezone.now() - _GRACE).delete()
        long_ago = timezone.now() - timedelta(days=2 * _DAYS)
        Review.objects.bulk_create(
            Review(
                kind=kind,
                target=make(f"garbage {size} {number} {n}"),
                nominated_at=long_ago,
            )
            for n in range(_AT_ONCE)
        )

    return prepare


def _blob(seed: str) -> int:
    return Blob.objects.create(digest=digest_of(f"blob {seed}"), size=1).pk


def _link(seed: str) -> int:
    blob = Blob.objects.create(digest=digest_of(f"link {seed}"), size=1)
    repository = Repository.objects.get(name=MANY)
    return BlobLink.objects.create(repository=repository, blob=blob).pk


def _manifest(seed: str) -> int:
    repository = Repository.objects.get(name=MANY)
    manifest = Manifest.objects.create(
        repository=repository,
        digest=digest_of(f"manifest {seed}"),
        media_type=OCI_MANIFEST,
        payload=b"{}",
        pushed_at=timezone.now() - timedelta(days=2 * _DAYS),
    )
    base = BlobLink.objects.get(repository=repository, blob__digest=digest_of("base"))
    ManifestBlob.objects.create(manifest=manifest, link=base, role="layer", position=0)
    return manifest.pk


_GARBAGE: dict[Review.Kind, Callable[[str], int]] = {
    Review.Kind.MANIFEST: _manifest,
    Review.Kind.LINK: _link,
    Review.Kind.BLOB: _blob,
}


# --- the scrub ---


def _pass_at_blobs(number: int) -> None:
    """A pass that has come to the blobs which have files."""
    layers = ManifestBlob.objects.filter(manifest__in=_readable(), role="layer")
    ids = list(layers.values_list("link__blob", flat=True))
    _begin(stage="blobs", position=min(ids) - 1, last=max(ids))


def _pass_at_manifests(number: int) -> None:
    ids = _readable()
    _begin(stage="manifests", position=min(ids) - 1, last=max(ids))


def _readable() -> list[int]:
    rows = Manifest.objects.filter(tags__name__startswith="x-").order_by("-pk")
    return list(rows.values_list("pk", flat=True)[:READABLE])


def _begin(*, stage: str, position: int, last: int) -> None:
    ScrubPass.objects.all().delete()
    ScrubPass.objects.create(
        number=1,
        stage=stage,
        position=position,
        last_blob=last,
        last_manifest=last,
        expected_blobs=0,
        expected_bytes=0,
    )


def _scrub(stage: str) -> Callable[[int], None]:
    def run(number: int) -> None:
        row = scrub_passes.begin()
        scrub_passes.claim(row, scrub_passes.holder(is_command=True))
        work = scrub._Scrub(row, scrub.SCRUBBER, Bucket(None), is_repairing=False)  # noqa: SLF001
        if not getattr(work, stage)() or row.findings.exists():
            raise RuntimeError("the pass did not find everything as it should be")

    return run


# --- retention ---


def _preview(name: str) -> Callable[[int], None]:
    rules = retention_rules.parse(_RULES)

    def run(number: int) -> None:
        repository = Repository.objects.get(name=name)
        found = retention_previews.preview(repository=repository, rules=rules)
        retention_previews.entries(found.plan, limit=50)

    return run
