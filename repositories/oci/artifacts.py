"""What a manifest is, for people: an image, a chart, a signature, and so on.

The specification leaves that to media types and annotations ("Guidelines for Artifact Usage"), and
each tool has its own. What is not known here is shown by its artifact type.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from repositories.oci import media_types
from repositories.oci.manifests import ParsedManifest


class Kind(StrEnum):
    """What a manifest is. The values are stable: pages have a text for each."""

    IMAGE = "image"
    INDEX = "index"  # an image for several platforms
    HELM_CHART = "helm-chart"
    SBOM_SPDX = "sbom-spdx"
    SBOM_CYCLONEDX = "sbom-cyclonedx"
    SIGNATURE_COSIGN = "signature-cosign"
    SIGNATURE_NOTATION = "signature-notation"
    ATTESTATION = "attestation"  # in-toto, SLSA
    ATTESTATION_BUILDKIT = "attestation-buildkit"  # an entry of an index beside its images
    WASM = "wasm"
    SINGULARITY = "singularity"
    FILES = "files"  # what `oras push` makes without a type: files with names
    ARTIFACT = "artifact"  # anything else


@dataclass(frozen=True, slots=True)
class Artifact:
    """A kind; the type to show beside it, empty for images; whether Docker's schema 2 says it."""

    kind: Kind
    type: str
    is_docker: bool


IMAGE_CONFIGS = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)
# `oras push` without a type, since its version 1.2 and before.
_NO_TYPES = frozenset(
    {
        "",
        media_types.EMPTY_CONFIG,
        "application/vnd.unknown.artifact.v1",
        "application/vnd.unknown.config.v1+json",
    }
)
# The first that the artifact type, or that of the config or of a layer, begins with.
_BEGINNINGS = (
    ("application/vnd.cncf.helm.", Kind.HELM_CHART),
    ("application/spdx", Kind.SBOM_SPDX),
    ("text/spdx", Kind.SBOM_SPDX),
    ("application/vnd.cyclonedx", Kind.SBOM_CYCLONEDX),
    ("application/vnd.cncf.notary.", Kind.SIGNATURE_NOTATION),
    ("application/vnd.dev.cosign.simplesigning.", Kind.SIGNATURE_COSIGN),
    ("application/vnd.dev.cosign.artifact.sig.", Kind.SIGNATURE_COSIGN),
    ("application/vnd.in-toto", Kind.ATTESTATION),
    ("application/vnd.dsse.envelope", Kind.ATTESTATION),
    ("application/vnd.wasm.", Kind.WASM),
    ("application/vnd.module.wasm.", Kind.WASM),
    ("application/wasm", Kind.WASM),
    ("application/vnd.sylabs.sif.", Kind.SINGULARITY),
)
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_BUNDLE_PREDICATE = "dev.sigstore.bundle.predicateType"
_COSIGN_SIGNATURE = "https://sigstore.dev/cosign/sign/"
_PREDICATE = "in-toto.io/predicate-type"
# On an entry of an index, by BuildKit: what it is, and what it is about.
REFERENCE_TYPE = "vnd.docker.reference.type"
REFERENCE_DIGEST = "vnd.docker.reference.digest"
ATTESTATION_MANIFEST = "attestation-manifest"
# The name of a file that is kept as a layer.
TITLE = "org.opencontainers.image.title"


def classify(manifest: ParsedManifest) -> Artifact:
    """What the manifest is, by its own types and annotations."""
    is_docker = manifest.media_type.startswith("application/vnd.docker.")
    shown = manifest.artifact_type
    if manifest.is_index:
        kind = _kind_of_index(manifest.artifact_type)
        return Artifact(kind, "" if kind is Kind.INDEX else shown, is_docker)
    kind = _kind(manifest)
    return Artifact(kind, "" if kind in (Kind.IMAGE, Kind.FILES) else shown, is_docker)


def _kind_of_index(artifact_type: str) -> Kind:
    if artifact_type in _NO_TYPES:
        return Kind.INDEX
    return _known((artifact_type,)) or Kind.ARTIFACT


def _kind(manifest: ParsedManifest) -> Kind:
    layers = tuple(layer.media_type for layer in manifest.layers)
    if manifest.artifact_type.startswith(_BUNDLE):
        predicate = manifest.annotations.get(_BUNDLE_PREDICATE, "")
        is_signature = not predicate or predicate.startswith(_COSIGN_SIGNATURE)
        return Kind.SIGNATURE_COSIGN if is_signature else Kind.ATTESTATION
    if layers and all(_PREDICATE in layer.annotations for layer in manifest.layers):
        is_buildkit = manifest.artifact_type in IMAGE_CONFIGS
        return Kind.ATTESTATION_BUILDKIT if is_buildkit else Kind.ATTESTATION
    # An artifact type says what the whole is; cosign's old forms pretend to be images, so their
    # layers decide.
    known = _known((manifest.artifact_type,))
    if known is None and manifest.artifact_type in IMAGE_CONFIGS | _NO_TYPES:
        known = _known(layers)
    return known or _rest(manifest)


def _rest(manifest: ParsedManifest) -> Kind:
    if manifest.artifact_type in IMAGE_CONFIGS:
        return Kind.IMAGE
    has_names = manifest.layers and all(TITLE in layer.annotations for layer in manifest.layers)
    if manifest.artifact_type in _NO_TYPES and has_names:
        return Kind.FILES
    return Kind.ARTIFACT


def _known(types: Iterable[str]) -> Kind | None:
    for media_type in types:
        for beginning, kind in _BEGINNINGS:
            if media_type.lower().startswith(beginning):
                return kind
    return None
