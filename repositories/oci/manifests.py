"""Image manifests and indexes: image-spec, "OCI Image Manifest" and "OCI Image Index".

`parse` is strict, because everything that the registry later says about an image (what it is made
of, what may be deleted, what it refers to) rests on reading the bytes as every client reads them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from repositories.oci import json_strict, media_types
from repositories.oci.digests import Digest
from repositories.oci.errors import DigestInvalid, ManifestInvalid

MAX_BYTES = 4 * 1024 * 1024
MAX_REFERENCES = 1000
MAX_SIZE = 2**63 - 1

# A key that differs from one of these only in case is read as that key by some JSON libraries
# (Go's among them, which fold all of Unicode) and not by others (CVE-2021-41190).
_MANIFEST_KEYS = (
    "schemaVersion mediaType artifactType config layers manifests subject annotations fsLayers"
)
_DESCRIPTOR_KEYS = "mediaType digest size urls annotations data artifactType platform"
_KNOWN = {
    name: {key.casefold(): key for key in keys.split()}
    for name, keys in (("manifest", _MANIFEST_KEYS), ("descriptor", _DESCRIPTOR_KEYS))
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to content: image-spec, "Descriptor". `size` is in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParsedManifest:
    """What a manifest says. An index has `manifests`; an image has `config` and `layers`."""

    media_type: str
    artifact_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None
    annotations: Mapping[str, str]

    @property
    def is_index(self) -> bool:
        return self.media_type in media_types.INDEXES

    @property
    def stored_blobs(self) -> tuple[Descriptor, ...]:
        """The config and the layers that the repository must hold, in order."""
        config = (self.config,) if self.config else ()
        return config + tuple(
            layer for layer in self.layers if not media_types.is_nondistributable(layer.media_type)
        )

    def referrer(self, *, digest: Digest, size: int) -> str:
        """The descriptor that the referrers API lists for this manifest, as JSON (end-12a).

        Empty when there is no subject. An index without an artifact type has none.
        """
        if self.subject is None:
            return ""
        descriptor: dict[str, object] = {
            "mediaType": self.media_type,
            "digest": str(digest),
            "size": size,
        }
        if self.artifact_type:
            descriptor["artifactType"] = self.artifact_type
        if self.annotations:
            descriptor["annotations"] = dict(self.annotations)
        return json.dumps(descriptor)


def parse(payload: bytes, content_type: str = "") -> ParsedManifest:
    """What `payload` says, which was sent as `content_type`. Raises ManifestInvalid."""
    try:
        document = json_strict.loads(payload)
    except json_strict.StrictJSONError as error:
        raise ManifestInvalid(f"the manifest cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ManifestInvalid("a manifest is a JSON object")
    _refuse_variants(document, "manifest")
    media_type = _media_type(document, media_types.without_parameters(content_type))
    _check_shape(document, media_type)
    config = _optional_descriptor(document, "config")
    return ParsedManifest(
        media_type=media_type,
        artifact_type=_artifact_type(document, config),
        config=config,
        layers=_descriptors(document, "layers"),
        manifests=_descriptors(document, "manifests"),
        subject=_optional_descriptor(document, "subject"),
        annotations=_annotations(document),
    )


def _refuse_variants(document: Mapping[str, object], kind: str) -> None:
    known = _KNOWN[kind]
    for key in document:
        if known.get(key.casefold(), key) != key:
            raise ManifestInvalid(
                f"the {kind} has the key {key[:100]!r}; write it {known[key.casefold()]!r}"
            )


def _media_type(document: Mapping[str, object], content_type: str) -> str:
    own = document.get("mediaType")
    if own is not None and not isinstance(own, str):
        raise ManifestInvalid("mediaType is a string")
    if content_type in ("", media_types.OCTET_STREAM, "application/json"):
        content_type = own or ""
    if own is not None and own != content_type:
        raise ManifestInvalid(
            f"the manifest says that it is {own[:200]!r}, and was sent with the Content-Type "
            f"{content_type[:200]!r}; make them equal"
        )
    if content_type not in media_types.MANIFESTS:
        raise ManifestInvalid(
            f"manifests of type {content_type[:200]!r} are not taken; push one of "
            + ", ".join(sorted(media_types.MANIFESTS))
        )
    return content_type


def _check_shape(document: Mapping[str, object], media_type: str) -> None:
    version = document.get("schemaVersion")
    if version != 2 or isinstance(version, bool | float):
        raise ManifestInvalid("schemaVersion is 2; schema 1 manifests are not taken, rebuild them")
    needed: tuple[str, ...] = ("config", "layers")
    foreign: tuple[str, ...] = ("manifests",)
    if media_type in media_types.INDEXES:
        needed, foreign = foreign, needed
    for key in foreign:
        if key in document:
            raise ManifestInvalid(f"a manifest of type {media_type} has no {key!r}; remove it")
    for key in needed:
        if key not in document:
            raise ManifestInvalid(f"a manifest of type {media_type} needs {key!r}")
    if "fsLayers" in document:
        raise ManifestInvalid("'fsLayers' belongs to schema 1, which is not taken")


def _descriptors(document: Mapping[str, object], key: str) -> tuple[Descriptor, ...]:
    items = document.get(key)
    if items is None:  # how Go writes an empty slice
        return ()
    if not isinstance(items, list):
        raise ManifestInvalid(f"{key!r} is a list of descriptors")
    if len(items) > MAX_REFERENCES:
        raise ManifestInvalid(f"{key!r} has {len(items)} entries; {MAX_REFERENCES} are the most")
    return tuple(_descriptor(item, f"{key}[{number}]") for number, item in enumerate(items))


def _optional_descriptor(document: Mapping[str, object], key: str) -> Descriptor | None:
    return _descriptor(document[key], key) if key in document else None


def _descriptor(item: object, where: str) -> Descriptor:
    if not isinstance(item, dict):
        raise ManifestInvalid(f"{where} is a descriptor, so an object")
    _refuse_variants(item, "descriptor")
    media_type, digest, size = item.get("mediaType"), item.get("digest"), item.get("size")
    if not isinstance(media_type, str) or not media_types.is_media_type(media_type):
        raise ManifestInvalid(f"{where} needs a mediaType such as {media_types.OCI_MANIFEST}")
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise ManifestInvalid(f"{where} needs a size in bytes, a whole number of at least 0")
    try:
        parsed = Digest.parse(digest if isinstance(digest, str) else "")
    except DigestInvalid as error:
        raise ManifestInvalid(f"{where}: {error.message}", detail=error.detail) from error
    platform = item.get("platform", {})
    if not isinstance(platform, dict):
        raise ManifestInvalid(f"{where} has a platform that is not an object")
    return Descriptor(media_type, parsed, size, platform, _texts(item.get("annotations")))


def _texts(annotations: object) -> Mapping[str, str]:
    """A descriptor's annotations, which only people read: what is no text is left out."""
    if not isinstance(annotations, dict):
        return {}
    return {key: text for key, text in annotations.items() if isinstance(text, str)}


def _artifact_type(document: Mapping[str, object], config: Descriptor | None) -> str:
    """The artifact type; for an image without one its config's type (end-12a)."""
    own = document.get("artifactType")
    if own in (None, ""):
        return config.media_type if config else ""
    if not isinstance(own, str) or not media_types.is_media_type(own):
        raise ManifestInvalid("artifactType is a media type such as application/vnd.example+json")
    return own


def _annotations(document: Mapping[str, object]) -> Mapping[str, str]:
    annotations = document.get("annotations")
    if annotations is None:
        return {}
    if not isinstance(annotations, dict) or not all(
        isinstance(value, str) for value in annotations.values()
    ):
        raise ManifestInvalid("annotations map strings to strings")
    return cast("dict[str, str]", annotations)
