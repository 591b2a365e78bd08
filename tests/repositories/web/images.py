"""Images that say something of themselves, pushed into the pages' repository."""

import json

from repositories.access import principal_of
from repositories.manifests import PushedManifest
from repositories.oci import media_types
from tests.accounts.web.conftest import World
from tests.oci import documents
from tests.oci.documents import CONFIG_TYPE, Document, descriptor
from tests.repositories.content import push_blob, push_document

NAME = "payments/api"
XSS = "<script>alert(1)</script>&\"'"


def push(
    world: World, tag: str, *layers: bytes, name: str = NAME, config: Document | None = None
) -> PushedManifest:
    """An image of these layers under a tag, by the owner."""
    owner = principal_of(world.users["owner"])
    said = {"os": "linux", "architecture": "amd64"} | (config or {})
    content = json.dumps(said).encode()
    for blob in (content, *layers):
        push_blob(owner, blob, repository=name)
    document = documents.image(*layers, config=descriptor(content, CONFIG_TYPE))
    return push_document(owner, document, repository=name, tags=[tag] if tag else [])


def push_list(world: World, tag: str, *images: PushedManifest) -> PushedManifest:
    """An index of the images, the first for amd64, the second for arm64."""
    platforms = [{"os": "linux", "architecture": name} for name in ("amd64", "arm64")]
    entries = [
        descriptor(
            b"", media_types.OCI_MANIFEST, digest=str(image.digest), size=1, platform=platform
        )
        for image, platform in zip(images, platforms, strict=True)
    ]
    owner = principal_of(world.users["owner"])
    return push_document(owner, documents.index(*entries), repository=NAME, tags=[tag])


def push_artifact(world: World, tag: str, content: bytes, **fields: object) -> PushedManifest:
    """A manifest of one file, with the fields that say what it is."""
    owner = principal_of(world.users["owner"])
    for blob in (b"{}", content):
        push_blob(owner, blob, repository=NAME)
    document = documents.image(content, **fields)
    return push_document(owner, document, repository=NAME, tags=[tag] if tag else [])
