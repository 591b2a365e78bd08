"""Content that tests push, by the shortest way there is."""

from collections.abc import Collection

from repositories import manifests, uploads
from repositories.access import Principal
from repositories.manifests import PushedManifest
from repositories.oci import media_types
from repositories.oci.digests import Digest
from tests.oci import documents
from tests.oci.documents import CONFIG, Document

APP = "payments/app"


def push_blob(
    principal: Principal, content: bytes, *, repository: str = APP, algorithm: str = "sha256"
) -> Digest:
    """Push a blob in one request."""
    digest = Digest.of(content, algorithm)
    uploads.push_whole(principal=principal, repository=repository, digest=digest, content=[content])
    return digest


def push_document(
    principal: Principal,
    document: Document,
    *,
    repository: str = APP,
    tags: Collection[str] = (),
    digest: Digest | None = None,
) -> PushedManifest:
    """Push a manifest, whose blobs are there."""
    return manifests.push(
        principal=principal,
        repository=repository,
        digest=digest,
        names=tags,
        payload=documents.encode(document),
        content_type=document.get("mediaType", media_types.OCI_MANIFEST),
    )


def push_image(
    principal: Principal,
    *layers: bytes,
    repository: str = APP,
    tags: Collection[str] = (),
    **fields: object,
) -> PushedManifest:
    """Push an image with its blobs."""
    for content in (CONFIG, *layers):
        push_blob(principal, content, repository=repository)
    document = documents.image(*layers, **fields)
    return push_document(principal, document, repository=repository, tags=tags)


def described(pushed: PushedManifest, **fields: object) -> Document:
    """The descriptor by which an index lists the image, or a referrer its subject."""
    return {
        "mediaType": media_types.OCI_MANIFEST,
        "digest": str(pushed.digest),
        "size": 1,
    } | fields
