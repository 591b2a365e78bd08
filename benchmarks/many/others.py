"""Rows of what else there can be many of: referrers, uploads, and what the collector may review.

And some that do not grow: a repository of 1,000 tags, and images with files to read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from accounts.models import Team, User
from benchmarks.many.fill import MANY, digest_of, few_tags, push_image
from repositories.access import principal_of
from repositories.models import Blob, Manifest, Repository, Review, Upload
from repositories.oci.media_types import OCI_MANIFEST

THOUSAND = "many/thousand"
REFERRED_TO = "arm64"  # the tag in MANY whose image has very many referrers
RARE = "application/x-rare"  # the type of the last of them
READABLE = 20  # images with files, at the end of all rows
_COMMON = "application/x-sbom"
_PIECE = 2_000


def fill(size: int) -> None:
    """Fill up to `size` referrers of one image, `size` uploads in flight, and as many reviews that
    are not due; with images to read behind all of them."""
    if not Repository.objects.filter(name=THOUSAND).exists():
        team = Team.objects.get(name="many")
        few_tags(Repository.objects.create(name=THOUSAND, team=team), range(1_000))
    many = Repository.objects.get(name=MANY)
    have = Manifest.objects.filter(repository=many, subject__gt="", artifact_type=_COMMON).count()
    for start in range(have, size, _PIECE):
        numbers = range(start, min(start + _PIECE, size))
        Manifest.objects.bulk_create(_referrers(many, numbers), batch_size=500)
        _uploads(numbers)
        _reviews(numbers)
    _readable(size)


def _referrers(repository: Repository, numbers: range) -> Iterator[Manifest]:
    subject = repository.tags.get(name=REFERRED_TO).manifest.digest
    rare = [(f"sha256:{'f' * 64}", RARE)] if not numbers[0] else []
    digests = [(digest_of(f"referrer {n}"), _COMMON) for n in numbers]
    for digest, kind in digests + rare:
        entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 2, "artifactType": kind}
        yield Manifest(
            repository=repository,
            digest=digest,
            media_type=OCI_MANIFEST,
            payload=b"{}",
            artifact_type=kind,
            subject=subject,
            referrer=json.dumps(entry),
        )


def _uploads(numbers: range) -> None:
    now = timezone.now()
    repositories = list(Repository.objects.filter(name__startswith="team-").order_by("pk")[:1000])
    Upload.objects.bulk_create(
        [
            Upload(
                repository=repositories[n % len(repositories)],
                started_by="member",
                started_at=now - timedelta(seconds=n),
            )
            for n in numbers
        ],
        batch_size=500,
    )


def _reviews(numbers: range) -> None:
    blobs = Blob.objects.filter(digest__in=[digest_of(f"layer tag {n}") for n in numbers])
    Review.objects.bulk_create(
        [Review(kind=Review.Kind.BLOB, target=pk) for pk in blobs.values_list("pk", flat=True)],
        batch_size=500,
    )


def _readable(size: int) -> None:
    admin = principal_of(User.objects.get(username="admin"))
    for n in range(READABLE):
        push_image(admin, f"x-{size}-{n}", content=f"to read {size} {n}".encode())
