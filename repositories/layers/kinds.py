"""Which layers can be looked into, by their media types."""

from enum import Enum

from repositories.oci.media_types import is_nondistributable


class LayerKind(Enum):
    """`FOREIGN`: non-distributable (image-spec, "Non-Distributable Layers"), so not stored here;
    `ENCRYPTED`: only who has the key can read it."""

    READABLE = "readable"
    FOREIGN = "foreign"
    ENCRYPTED = "encrypted"


def of(media_type: str) -> LayerKind:
    """The kind of a layer of this media type. Whether it is a tar archive, its bytes say."""
    if media_type.lower().endswith("+encrypted"):
        return LayerKind.ENCRYPTED
    return LayerKind.FOREIGN if is_nondistributable(media_type) else LayerKind.READABLE
