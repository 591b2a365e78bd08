"""Media types of the image-spec ("Media Types") and of Docker's schema 2, which came before it."""

import re

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"

IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = IMAGES | INDEXES

OCTET_STREAM = "application/octet-stream"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
_NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable."
_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar"

# RFC 6838, section 4.2.
_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)


def is_media_type(text: str) -> bool:
    """Whether `text` is a type and a subtype, without parameters."""
    return bool(_MEDIA_TYPE.fullmatch(text))


def without_parameters(text: str) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`."""
    return text.partition(";")[0].strip().lower()


def is_nondistributable(media_type: str) -> bool:
    """Whether layers of this type live elsewhere and are never pushed here."""
    return media_type.startswith((_NONDISTRIBUTABLE, _FOREIGN))
