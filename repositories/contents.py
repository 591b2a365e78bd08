"""What is inside an image: which layers, and may the caller look at them?

The looking itself is done by `repositories/layers/`, which asks for no permission.
"""

from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from repositories import blobs, manifests
from repositories.access import Action, Principal, require
from repositories.layers import kinds, texts
from repositories.layers.kinds import LayerKind
from repositories.layers.merged import Image
from repositories.models import ManifestBlob
from repositories.oci import manifests as oci
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown
from repositories.oci.manifests import Descriptor


class Layer(NamedTuple):
    """A layer of a repository; `image` is the digest of one that has it, or empty."""

    digest: Digest
    media_type: str
    image: str


def layer(*, principal: Principal, repository: str, digest: Digest, image: str = "") -> Layer:
    """A blob that the caller may look into; `image` is the digest of the one they come from.

    Raises Unauthorized, NameUnknown, BlobUnknown, ManifestUnknown, DigestInvalid; ValidationError
    with the reason when the layer cannot be looked into.
    """
    require(principal=principal, action=Action.PULL, name=repository)
    descriptor = None
    image = str(Digest.parse(image)) if image else _image_with(repository, digest)
    if image:
        found = manifests.read(repository=repository, reference=image)
        layers = oci.parse(found.payload, found.media_type).layers
        descriptor = next((item for item in layers if item.digest == digest), None)
    _require_bytes(repository, digest, descriptor)
    if descriptor is None:
        return Layer(digest, "", "")
    return Layer(digest, descriptor.media_type, image)


def _require_bytes(repository: str, digest: Digest, descriptor: Descriptor | None) -> None:
    """Raises NameUnknown, BlobUnknown, ValidationError."""
    kind = kinds.of(descriptor.media_type) if descriptor else LayerKind.READABLE
    try:
        blobs.find(repository=repository, digest=digest)
    except BlobUnknown as error:
        if kind is LayerKind.FOREIGN:
            raise ValidationError(texts.refusal(kind)) from error
        raise
    if kind is LayerKind.ENCRYPTED:
        raise ValidationError(texts.refusal(kind))


def _image_with(repository: str, digest: Digest) -> str:
    uses = ManifestBlob.objects.filter(
        link__repository__name=repository,
        link__blob__digest=str(digest),
        role=ManifestBlob.Role.LAYER,
    )
    return uses.order_by("-pk").values_list("manifest__digest", flat=True).first() or ""


def image(*, principal: Principal, repository: str, digest: Digest) -> Image:
    """An image whose files the caller may look at.

    Raises Unauthorized, NameUnknown, ManifestUnknown; ValidationError for an index.
    """
    require(principal=principal, action=Action.PULL, name=repository)
    found = manifests.read(repository=repository, reference=str(digest))
    parsed = oci.parse(found.payload, found.media_type)
    if parsed.is_index:
        raise ValidationError(
            _("This is an index, which has no files of its own: choose one of its images.")
        )
    return Image(digest, parsed.layers)
