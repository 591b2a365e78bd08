"""Manifests of a repository: read, pushed, deleted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction

from repositories import deleted, needs, protection, quotas, read_only, reviews, tags
from repositories.access import Action, Principal, allowed, name_unknown
from repositories.audit import record
from repositories.database import (
    again_on_conflict,
    fetch,
    fetch_each,
    insert_later,
    later,
    now,
    placeholders,
    writing,
)
from repositories.first_push import repository_for_push
from repositories.memory import forget_on_commit, remembered
from repositories.models import Manifest, ManifestBlob, Repository
from repositories.models.manifest import MAX_MEDIA_TYPE_LENGTH
from repositories.oci import manifests as oci
from repositories.oci.digests import Digest, is_digest
from repositories.oci.errors import (
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
)
from repositories.postgresql.turns import Rows, Statement
from repositories.quotas import Fill
from repositories.reviews import Kind

# The two look-ups of every pull: by unique indexes all the way, and written out, because building
# them anew costs more than running them.
_BY_DIGEST = """
SELECT manifest.digest, manifest.media_type, manifest.payload, manifest.repository_id, manifest.id,
    0
FROM repositories_manifest AS manifest
WHERE manifest.repository_id = (
    SELECT repository.id FROM repositories_repository AS repository WHERE repository.name = %s
) AND manifest.digest = %s
"""
_BY_TAG = """
SELECT manifest.digest, manifest.media_type, manifest.payload, repository.id, manifest.id, tag.id
FROM repositories_repository AS repository
JOIN repositories_tag AS tag ON tag.repository_id = repository.id
JOIN repositories_manifest AS manifest ON manifest.id = tag.manifest_id
WHERE repository.name = %s AND tag.name = %s
"""
# The manifest, where it was pushed before; and whether any blob is damaged, which hardly ever one
# is. The order is that of an index which has no others.
_PLACE = """
SELECT manifest.id, (
    SELECT blob.damaged_at FROM repositories_blob AS blob
    WHERE blob.damaged_at IS NOT NULL ORDER BY blob.damaged_at LIMIT 1
) IS NOT NULL
FROM repositories_manifest AS manifest
WHERE manifest.repository_id = (
    SELECT repository.id FROM repositories_repository AS repository WHERE repository.name = %s
) AND manifest.digest = %s
"""
_DAMAGED_PARTS = """
SELECT 1 FROM repositories_manifestblob AS part
JOIN repositories_bloblink AS link ON link.id = part.link_id
JOIN repositories_blob AS blob ON blob.id = link.blob_id
WHERE part.manifest_id = %s AND blob.damaged_at IS NOT NULL LIMIT 1
"""
# The repository's links to the blobs that it is made of.
_LINKS = """
SELECT blob.digest, link.id, blob.size
FROM repositories_blob AS blob
JOIN repositories_bloblink AS link ON link.blob_id = blob.id AND link.repository_id = (
    SELECT repository.id FROM repositories_repository AS repository WHERE repository.name = %s
)
WHERE blob.damaged_at IS NULL AND blob.digest IN
"""
_INSERT = """
INSERT INTO repositories_manifest (
    repository_id, digest, media_type, payload, artifact_type, subject, referrer, pushed_at,
    pushed_by
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
_PUSHED = """
UPDATE repositories_repository SET pushed_at = %s
WHERE id = %s AND (pushed_at IS NULL OR pushed_at < %s)
"""
Role = ManifestBlob.Role


class StoredManifest(NamedTuple):
    """A manifest as it was pushed, and the rows that it was found by."""

    digest: str
    media_type: str
    payload: bytes
    repository_id: int
    id: int
    tag_id: int  # 0: it was asked for by digest


@dataclass(frozen=True, slots=True)
class PushedManifest:
    """What a push made: `subject` is the digest that the manifest refers to, or empty; `fill` the
    fullest quota, if it is nearly full."""

    digest: Digest
    subject: str
    tags: tuple[str, ...]
    fill: Fill | None = None


@remembered(by="reference")
def read(*, repository: str, reference: str) -> StoredManifest:
    """The manifest that a tag or a digest names (end-3). Raises ManifestUnknown, NameUnknown."""
    query = _BY_DIGEST if is_digest(reference) else _BY_TAG
    rows = fetch(query, [repository, reference])
    if not rows:
        raise _unknown(repository, reference)
    digest, media_type, payload, *ids = rows[0]
    return StoredManifest(digest, media_type, bytes(payload), *ids)


def renew(*, principal: Principal, repository: str, manifest: StoredManifest) -> None:
    """Keep a manifest for somebody who asks whether it is here before they push an index of it.

    That is who may push. What was found by a tag needs nothing, nor does anything where nothing
    removes manifests. Raises ManifestUnknown, NameUnknown when it has just been collected.
    """
    if not reviews.holds_manifests() or manifest.tag_id:
        return
    if Action.PUSH not in allowed(principal=principal, name=repository):
        return
    if not reviews.renew(Kind.MANIFEST, manifest.id):
        raise _unknown(repository, manifest.digest)


def _unknown(repository: str, reference: str) -> Exception:
    if not Repository.objects.filter(name=repository).exists():
        return name_unknown(repository)
    return ManifestUnknown("this repository has no such manifest", detail={"reference": reference})


def push(
    *,
    principal: Principal,
    repository: str,
    digest: Digest | None,
    names: Collection[str],
    payload: bytes,
    content_type: str,
) -> PushedManifest:
    """Store a manifest and let the tags `names` name it (end-7).

    `digest` is the one that the client pushes it by, if any. The caller has made sure that the
    principal may push. Raises ManifestInvalid, DigestInvalid, ManifestBlobUnknown, ReadOnly, and
    TagImmutable: then nothing is stored, under none of the names.
    """
    actual = Digest.of(payload, digest.algorithm) if digest else Digest.of(payload)
    if digest and actual != digest:
        raise DigestInvalid(
            f"the manifest that arrived hashes to {actual}: push it by that digest",
            detail={"expected": str(digest), "actual": str(actual)},
        )
    parsed = oci.parse(payload, content_type)
    if len(parsed.artifact_type) > MAX_MEDIA_TYPE_LENGTH:
        raise ManifestInvalid(f"artifactType is longer than {MAX_MEDIA_TYPE_LENGTH} characters")
    fill = _store(
        principal=principal,
        repository=repository,
        digest=actual,
        names=names,
        payload=payload,
        parsed=parsed,
    )
    subject = str(parsed.subject.digest) if parsed.subject else ""
    return PushedManifest(actual, subject, tuple(names), fill)


@again_on_conflict
def _store(
    *,
    principal: Principal,
    repository: str,
    digest: Digest,
    names: Collection[str],
    payload: bytes,
    parsed: oci.ParsedManifest,
) -> Fill | None:
    with writing():
        held, found = read_only.hold_and_fetch(repository, *_look(repository, digest, parsed))
        here = _Here.of(*found)
        repository_id = repository_for_push(principal=principal, held=held)
        manifest_id, current = here.manifest_id, None
        if here.may_be_damaged and fetch(_DAMAGED_PARTS, [manifest_id]):
            _checked(here.links, parsed)
        # Otherwise its blobs are here, whole, and cannot have left since.
        if manifest_id is None or not _is_held(manifest_id):
            links = _checked(here.links, parsed)
            manifest_id, current = _insert(
                principal, repository_id, digest, payload, parsed, links, names
            )
        tags.move(
            principal=principal,
            repository=repository,
            repository_id=repository_id,
            manifest_id=manifest_id,
            digest=str(digest),
            names=names,
            held=held,
            current=current,
        )
        if not names:  # otherwise moving them has said so
            forget_on_commit(repository)
        record(principal, "manifest.push", f"{repository}@{digest}", tags=sorted(names))
        _note_push(repository_id)
    return quotas.near(held.quotas)


def _is_held(manifest_id: int) -> bool:
    """Whether a manifest that was found stays, though nothing may name it. Inside a transaction."""
    return not reviews.holds_manifests() or reviews.hold(Kind.MANIFEST, manifest_id)


def _note_push(repository_id: int) -> None:
    """Set the time of the repository's last push. Inside a transaction, at its end.

    Once a second is enough: otherwise everybody who pushes to the same repository would wait for
    one another's commits.
    """
    later(_PUSHED, [now(), repository_id, now(ago=timedelta(seconds=1))])


class _Here(NamedTuple):
    """What the repository has of a manifest that is pushed: itself, perhaps, and links to its blobs
    with their sizes in bytes."""

    manifest_id: int | None
    may_be_damaged: bool
    links: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, place: Rows, *links: Rows) -> "_Here":
        """What `_look` has found."""
        manifest_id, may_be_damaged = place[0] if place else (None, False)
        by_digest = {digest: (id, size) for rows in links for digest, id, size in rows}
        return cls(manifest_id, bool(may_be_damaged), by_digest)


def _look(repository: str, digest: Digest, parsed: oci.ParsedManifest) -> list[Statement]:
    """What finds the manifest where it was pushed before, and the links that it needs, if any."""
    looks: list[Statement] = [(_PLACE, [repository, str(digest)])]
    needed = sorted({str(blob.digest) for blob in parsed.stored_blobs})
    if needed:
        looks.append((_LINKS + placeholders(len(needed)), [repository, *needed]))
    return looks


def _checked(
    links: Mapping[str, tuple[int, int]], parsed: oci.ParsedManifest
) -> Mapping[Digest, int]:
    """The repository's links to the blobs that the image is made of, by digest.

    Raises ManifestBlobUnknown for those that it lacks, ManifestInvalid for a wrong size.
    """
    missing = sorted({str(blob.digest) for blob in parsed.stored_blobs} - links.keys())
    if missing:
        raise ManifestBlobUnknown(
            f"{len(missing)} of the manifest's blobs are not in this repository, or damaged; push "
            "them first: " + ", ".join(missing[:10]),
            detail=[{"digest": digest} for digest in missing],
        )
    for blob in parsed.stored_blobs:
        actual = links[str(blob.digest)][1]
        if blob.size != actual:
            raise ManifestInvalid(
                f"the manifest gives {blob.digest} {blob.size} bytes, and it has {actual}",
                detail={"digest": str(blob.digest), "size": actual},
            )
    return {blob.digest: links[str(blob.digest)][0] for blob in parsed.stored_blobs}


def _insert(
    principal: Principal,
    repository_id: int,
    digest: Digest,
    payload: bytes,
    parsed: oci.ParsedManifest,
    links: Mapping[Digest, int],
    names: Collection[str],
) -> tuple[int, tags.Current]:
    """The id of the manifest's new row; and, found in the same turn, what the tags name now."""
    _hold_children(repository_id, parsed)
    subject = str(parsed.subject.digest) if parsed.subject else ""
    referrer = parsed.referrer(digest=digest, size=len(payload))
    row = [repository_id, str(digest), parsed.media_type, payload, parsed.artifact_type]
    row += [subject, referrer, now(), principal.name]
    ((manifest_id,),), *found = fetch_each((_INSERT, row), *tags.looking(repository_id, names))
    first_layer = 1 if parsed.config else 0
    insert_later(
        "repositories_manifestblob",
        (
            {
                "manifest_id": manifest_id,
                "link_id": links[blob.digest],
                "role": (Role.LAYER if position >= first_layer else Role.CONFIG).value,
                "position": position,
            }
            for position, blob in enumerate(parsed.stored_blobs)
        ),
    )
    insert_later(
        "repositories_manifestchild",
        (
            {"parent_id": manifest_id, "digest": str(child.digest), "position": position}
            for position, child in enumerate(parsed.manifests)
        ),
    )
    reviews.nominate(Kind.MANIFEST, [manifest_id])
    return manifest_id, dict(*found)


def _hold_children(repository_id: int, parsed: oci.ParsedManifest) -> None:
    """Let nobody collect what the index lists as the index comes.

    Before its tags are locked, as who deletes an index does.
    """
    if reviews.holds_manifests():
        children = {str(child.digest) for child in parsed.manifests}
        rows = Manifest.objects.filter(repository=repository_id, digest__in=children)
        reviews.nominate(Kind.MANIFEST, list(rows.values_list("pk", flat=True)))


@again_on_conflict
def delete(
    *, principal: Principal, repository: str, digest: Digest, into: int | None = None
) -> int:
    """Remove a manifest with the tags that name it (end-9); its blobs stay linked.

    Kept in the record `into`, or in one of its own. Returns how many manifests of the repository
    it listed as an index: they stay, for now where untagged ones are removed. Raises
    ManifestUnknown, NameUnknown, ReadOnly, and TagImmutable when an immutable tag leads to it, by
    an index too.
    """
    with transaction.atomic():
        held = read_only.hold(repository)
        manifest = (
            Manifest.objects.select_for_update(of=("self",))  # before any review, as the collector
            .only("id", "repository_id")
            .filter(repository__name=repository, digest=str(digest))
            .first()
        )
        if manifest is None:
            raise _unknown(repository, str(digest))
        protection.require_removable(held, [manifest.pk])
        children = Manifest.objects.filter(
            repository_id=manifest.repository_id,
            digest__in=manifest.children.values("digest"),
        ).count()
        names = list(manifest.tags.values_list("name", flat=True))
        into = into or deleted.begin(
            principal=principal,
            repository_id=manifest.repository_id,
            kind=deleted.Kind.IMAGES,
        )
        deleted.keep_manifests(into, [manifest.pk])
        reviews.nominate(Kind.LINK, set(manifest.blobs.values_list("link_id", flat=True)))
        if reviews.holds_manifests():
            reviews.nominate(Kind.MANIFEST, needs.kept_by(manifest.repository_id, [manifest.pk]))
        manifest.delete()
        forget_on_commit(repository)
        tags.forget(principal=principal, repository_id=manifest.repository_id, names=names)
        record(principal, "manifest.delete", f"{repository}@{digest}", tags=names)
        return children
