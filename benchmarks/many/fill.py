"""Rows as pushes would leave them, without their bytes, made in bulk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import Membership, Team, User
from repositories import manifests, uploads, usage
from repositories.access import Principal, principal_of
from repositories.models import (
    Blob,
    BlobLink,
    Manifest,
    ManifestBlob,
    Pull,
    Repository,
    Review,
    StorageSample,
    Tag,
    TagChange,
)
from repositories.oci.digests import Digest
from repositories.oci.media_types import EMPTY_CONFIG, OCI_INDEX, OCI_MANIFEST

Document = dict[str, Any]

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANY = "many/tags"  # the repository of many tags
_NUMBERED = "t"  # its tags begin with it, but for those of `_images_to_open`
_TEAMS = 20  # of 50 repositories at least: a page of them
_LAYERS = 12
_BASE_BYTES = 30_000_000
_PIECE = 2_000
_FULL, _FULL_LAYERS = 10_000, 100  # blobs of a full repository, and of an image in it
_FULL_TEAM = "full"
_BLOBS = 10  # for each repository; the two that it and a tag bring are among them
_DAYS = 90
_VISIBILITIES = ["private"] * 8 + ["internal", "public"]


def digest_of(text: str) -> str:
    """A digest that looks like any other."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def fill(size: int) -> None:
    """Fill up to `size` repositories of one image each, one repository of `size` images, and ten
    blobs for each of these."""
    if not User.objects.exists():
        _people()
        _images_to_open()
    for numbers in _pieces(Repository.objects.filter(name__startswith="team-").count(), size):
        _repositories(numbers)
    for numbers in _pieces(
        Tag.objects.filter(repository__name=MANY, name__startswith=_NUMBERED).count(), size
    ):
        _tags(numbers)
    have = BlobLink.objects.filter(repository__team__name=_FULL_TEAM).count()
    _full(have, (_BLOBS - 2) * size)


def settle() -> None:
    """Do what a server that has run for a while has done."""
    usage.measure()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("ANALYZE")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _pieces(start: int, end: int) -> Iterator[range]:
    return (range(n, min(n + _PIECE, end)) for n in range(start, end, _PIECE))


def _people() -> None:
    admin = User.objects.create(username="admin", is_superuser=True, is_staff=True)
    member = User.objects.create(username="member")
    teams = [Team(name=f"team-{n:03}") for n in range(_TEAMS)]
    Team.objects.bulk_create([*teams, Team(name="many")])
    names = ("team-001", "team-002", "many")
    Membership.objects.bulk_create(
        [
            Membership(team=team, user=user, role=Membership.Role.MAINTAINER)
            for team in Team.objects.filter(name__in=names)
            for user in (admin, member)
        ]
    )
    Repository.objects.create(name=MANY, team=Team.objects.get(name="many"))
    Blob.objects.create(digest=digest_of("base"), size=_BASE_BYTES)
    today = timezone.now()
    StorageSample.objects.bulk_create(
        [
            StorageSample(team=team, day=at.date(), measured_at=at, bytes=n, blobs=1, manifests=1)
            for team in (None, *Team.objects.all())
            for n in range(1, _DAYS)
            for at in [today - timedelta(days=n)]
        ]
    )


def _images_to_open() -> None:
    """Two images, an index of both and a signature, beside the many: each with the base layer."""
    admin = principal_of(User.objects.get(username="admin"))
    repository = Repository.objects.get(name=MANY)
    BlobLink.objects.create(repository=repository, blob=Blob.objects.get(digest=digest_of("base")))
    entries = []
    for architecture in ("amd64", "arm64"):
        platform = {"os": "linux", "architecture": architecture}
        layers = [_descriptor(OCI_LAYER, digest_of("base"), _BASE_BYTES)]
        for number in range(_LAYERS):
            content = f"{architecture} {number}".encode()
            layers.append(_pushed(admin, OCI_LAYER, content))
        config = _pushed(admin, OCI_CONFIG, json.dumps(platform | {"config": {}}).encode())
        entry = _image(admin, architecture, config=config, layers=layers)
        entries.append(entry | {"platform": platform})
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    _manifest(admin, OCI_INDEX, index, "index")
    for number in range(3):
        signature = _pushed(admin, "application/x-signature", f"signature {number}".encode())
        empty = _pushed(admin, EMPTY_CONFIG, b"{}")
        _image(admin, "", config=empty, layers=[signature], subject=entries[0])


def push_image(principal: Principal, tag: str, *, content: bytes) -> None:
    """Push an image of one layer, with its files, to the repository of very many tags."""
    config = _pushed(principal, OCI_CONFIG, b'{"os": "linux", "config": {}}')
    layer = _pushed(principal, OCI_LAYER, content)
    _image(principal, tag, config=config, layers=[layer])


def _pushed(principal: Principal, media_type: str, content: bytes) -> Document:
    digest = Digest.of(content)
    uploads.push_whole(principal=principal, repository=MANY, digest=digest, content=[content])
    return _descriptor(media_type, str(digest), len(content))


def _descriptor(media_type: str, digest: str, size: int) -> Document:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _image(principal: Principal, tag: str, **fields: object) -> Document:
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, **fields}
    return _manifest(principal, OCI_MANIFEST, document, tag)


def _manifest(principal: Principal, media_type: str, document: Document, tag: str) -> Document:
    payload = json.dumps(document).encode()
    found = manifests.push(
        principal=principal,
        repository=MANY,
        digest=None if tag else Digest.of(payload),
        names=[tag] if tag else [],
        payload=payload,
        content_type=media_type,
    )
    return _descriptor(media_type, str(found.digest), len(payload))


def _repositories(numbers: range) -> None:
    now = timezone.now()
    teams = list(Team.objects.filter(name__startswith="team-").order_by("name"))
    found = Repository.objects.bulk_create(
        [
            Repository(
                name=f"{teams[n % _TEAMS].name}/app-{n:06}",
                team=teams[n % _TEAMS],
                visibility=_VISIBILITIES[n // _TEAMS % len(_VISIBILITIES)],
                pushed_at=now - timedelta(minutes=n * 7919 % 500_000),
                pull_count=n % 1000,
            )
            for n in numbers
        ]
    )
    _images([(row, f"v{n % 50}", row.name) for n, row in zip(numbers, found, strict=True)])


def _tags(numbers: range) -> None:
    repository = Repository.objects.get(name=MANY)
    _images([(repository, f"{_NUMBERED}{n:06}", f"tag {n}") for n in numbers])


def few_tags(repository: Repository, numbers: range) -> None:
    """Images and tags of these numbers in another repository than that of very many."""
    _images([(repository, f"v{n:06}", f"{repository.name} {n}") for n in numbers])


def _images(images: list[tuple[Repository, str, str]]) -> None:
    """An image with a tag for each (repository, tag, seed): a layer of its own and a base layer."""
    now = timezone.now()
    base = Blob.objects.get(digest=digest_of("base"))
    own = Blob.objects.bulk_create(
        [
            Blob(digest=digest_of(f"layer {s}"), size=1000 + 977 * n)
            for n, (*_, s) in enumerate(images)
        ]
    )
    repositories = {repository.pk: repository for repository, *_ in images}
    links = BlobLink.objects.bulk_create(
        [BlobLink(repository=r, blob=blob) for (r, *_), blob in zip(images, own, strict=True)]
    )
    BlobLink.objects.bulk_create(
        [BlobLink(repository=r, blob=base) for r in repositories.values()], ignore_conflicts=True
    )
    shared = dict(
        BlobLink.objects.filter(blob=base, repository__in=repositories).values_list(
            "repository_id", "pk"
        )
    )
    manifests = Manifest.objects.bulk_create(
        [
            Manifest(repository=r, digest=digest_of(seed), media_type=OCI_MANIFEST, payload=b"{}")
            for r, _, seed in images
        ]
    )
    parts = zip(images, links, manifests, strict=True)
    ManifestBlob.objects.bulk_create(
        [
            ManifestBlob(manifest=manifest, link_id=link, role="layer", position=position)
            for (r, *_), own_link, manifest in parts
            for position, link in enumerate((shared[r.pk], own_link.pk))
        ]
    )
    rows = list(zip(images, manifests, strict=True))
    times = [now - timedelta(seconds=n * 37) for n in range(len(rows))]
    Tag.objects.bulk_create(
        [
            Tag(repository=r, name=tag, manifest=manifest, pushed_at=at)
            for ((r, tag, _), manifest), at in zip(rows, times, strict=True)
        ]
    )
    TagChange.objects.bulk_create(
        [
            TagChange(repository=r, name=tag, digest=m.digest, changed_by="member", changed_at=at)
            for ((r, tag, _), m), at in zip(rows, times, strict=True)
        ]
    )
    Pull.objects.bulk_create(
        [
            Pull(repository=r, tag=tag, digest=m.digest, pulled_by="member", at=at, count=1)
            for ((r, tag, _), m), at in zip(rows, times, strict=True)
        ]
    )


def blobs(count: int, *, garbage: Sequence[str], size: int) -> None:
    """So many blobs that images are made of, and the blobs `garbage` that no repository links.

    The latter have `size` bytes, and were nominated two days ago. Each image has 100 blobs, each
    repository 100 images.
    """
    _full(0, count)
    long_ago = timezone.now() - timedelta(days=2)
    for first in range(0, len(garbage), _PIECE):
        rows = [Blob(digest=digest, size=size) for digest in garbage[first : first + _PIECE]]
        Review.objects.bulk_create(
            [
                Review(kind=Review.Kind.BLOB, target=row.pk, nominated_at=long_ago)
                for row in Blob.objects.bulk_create(rows)
            ]
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _full(start: int, end: int) -> None:
    """The blobs of these numbers, in images of repositories that are full of them."""
    team, _ = Team.objects.get_or_create(name=_FULL_TEAM)
    for numbers in _pieces(start, end):
        repository, _ = Repository.objects.get_or_create(
            name=f"{_FULL_TEAM}/app-{numbers[0] // _FULL:04}", team=team
        )
        _full_images(repository, numbers)


def _full_images(repository: Repository, numbers: range) -> None:
    links = BlobLink.objects.bulk_create(
        [
            BlobLink(repository=repository, blob=blob, size=blob.size)
            for blob in Blob.objects.bulk_create(
                [Blob(digest=digest_of(f"full {n}"), size=1000 + n) for n in numbers]
            )
        ]
    )
    parts = [links[start : start + _FULL_LAYERS] for start in range(0, len(links), _FULL_LAYERS)]
    images = Manifest.objects.bulk_create(
        [
            Manifest(
                repository=repository,
                digest=digest_of(f"image {part[0].pk}"),
                media_type=OCI_MANIFEST,
                payload=b"{}",
            )
            for part in parts
        ]
    )
    ManifestBlob.objects.bulk_create(
        [
            ManifestBlob(manifest=image, link=link, role="layer", position=position)
            for image, part in zip(images, parts, strict=True)
            for position, link in enumerate(part)
        ]
    )
    Tag.objects.bulk_create(
        [Tag(repository=repository, name=f"v{image.pk}", manifest=image) for image in images]
    )
