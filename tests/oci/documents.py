"""Manifests to push and to spoil, built as plain JSON so that any rule can be broken."""

import json
from typing import Any

from repositories.oci import media_types
from repositories.oci.digests import Digest

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
CONFIG = b"{}"

Document = dict[str, Any]


def descriptor(
    content: bytes = b"layer", media_type: str = LAYER_TYPE, **fields: object
) -> Document:
    """The descriptor of `content`; `fields` add to it or replace what it says."""
    return {
        "mediaType": media_type,
        "digest": str(Digest.of(content)),
        "size": len(content),
    } | fields


def image(*layers: bytes, **fields: object) -> Document:
    """An OCI image manifest of CONFIG and these layers; a field that is None is left out."""
    return _without_none(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": descriptor(CONFIG, CONFIG_TYPE),
            "layers": [descriptor(layer) for layer in layers],
        }
        | fields
    )


def index(*children: Document, **fields: object) -> Document:
    """An OCI image index of these descriptors; a field that is None is left out."""
    return _without_none(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_INDEX,
            "manifests": list(children),
        }
        | fields
    )


def encode(document: object) -> bytes:
    return json.dumps(document).encode()


def _without_none(document: Document) -> Document:
    return {key: value for key, value in document.items() if value is not None}
