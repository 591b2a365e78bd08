"""What manifests are, in words, and names that are too long for a table."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from repositories.models import DeletedManifest, Deletion, Manifest
from repositories.oci.artifacts import IMAGE_CONFIGS, Kind
from repositories.oci.media_types import INDEXES

register = template.Library()

_NAMES: Mapping[Kind, Any] = {
    Kind.IMAGE: gettext_lazy("Image"),
    Kind.INDEX: gettext_lazy("Multi-platform image"),
    Kind.HELM_CHART: gettext_lazy("Helm chart"),
    Kind.SBOM_SPDX: gettext_lazy("SBOM (SPDX)"),
    Kind.SBOM_CYCLONEDX: gettext_lazy("SBOM (CycloneDX)"),
    Kind.SIGNATURE_COSIGN: gettext_lazy("Signature (Cosign)"),
    Kind.SIGNATURE_NOTATION: gettext_lazy("Signature (Notation)"),
    Kind.ATTESTATION: gettext_lazy("Attestation"),
    Kind.ATTESTATION_BUILDKIT: gettext_lazy("Attestation (BuildKit)"),
    Kind.WASM: gettext_lazy("WebAssembly"),
    Kind.SINGULARITY: gettext_lazy("Singularity image"),
    Kind.FILES: gettext_lazy("Files"),
    Kind.ARTIFACT: gettext_lazy("Artifact"),
}
_MEANINGS: Mapping[Kind, Any] = {
    Kind.IMAGE: gettext_lazy("An image for one platform, which containers are started from."),
    Kind.INDEX: gettext_lazy("A list of images, one for each platform: tools choose theirs."),
    Kind.HELM_CHART: gettext_lazy("A packaged application for Kubernetes, which Helm installs."),
    Kind.SBOM_SPDX: gettext_lazy("A list of the software in an image, in the SPDX format."),
    Kind.SBOM_CYCLONEDX: gettext_lazy(
        "A list of the software in an image, in the CycloneDX format."
    ),
    Kind.SIGNATURE_COSIGN: gettext_lazy("A signature of another manifest, made by Cosign."),
    Kind.SIGNATURE_NOTATION: gettext_lazy("A signature of another manifest, made by Notation."),
    Kind.ATTESTATION: gettext_lazy("A signed statement about another manifest (in-toto)."),
    Kind.ATTESTATION_BUILDKIT: gettext_lazy(
        "What BuildKit wrote down about the build of an image: provenance, or an SBOM."
    ),
    Kind.WASM: gettext_lazy("A WebAssembly module or component."),
    Kind.SINGULARITY: gettext_lazy("An image in the format of Singularity and Apptainer."),
    Kind.FILES: gettext_lazy("Files with names, as ORAS pushes them."),
    Kind.ARTIFACT: gettext_lazy("Content of a type of its own, kept as it was pushed."),
}


@register.filter
def kind_name(kind: Kind) -> str:
    """`Helm chart`, `Image`, and so on."""
    return str(_NAMES[kind])


@register.filter
def kind_meaning(kind: Kind) -> str:
    """What such a thing is, in a sentence."""
    return str(_MEANINGS[kind])


@register.filter
def type_name(manifest: Manifest | DeletedManifest) -> str:
    """What the row of a manifest says of its type, without its payload being read."""
    if manifest.artifact_type in IMAGE_CONFIGS:
        return _("Image manifest")
    if manifest.media_type in INDEXES and not manifest.artifact_type:
        return _("Index of images")
    return manifest.artifact_type or manifest.media_type


_DELETIONS: Mapping[str, Any] = {
    Deletion.Kind.TAGS: gettext_lazy("Tags"),
    Deletion.Kind.IMAGES: gettext_lazy("Tags and images"),
    Deletion.Kind.UNTAGGED: gettext_lazy("Manifests without a tag"),
    Deletion.Kind.RETENTION: gettext_lazy("By retention rules"),
    Deletion.Kind.REPOSITORY: gettext_lazy("Repository"),
}


@register.filter
def deletion_name(kind: str) -> str:
    """What a delete took, in a word."""
    return str(_DELETIONS.get(kind, kind))


@register.filter
def middle(text: str, most: int) -> str:
    """The text, without its middle if it is longer than `most`: endings such as `.sig` matter."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}\N{HORIZONTAL ELLIPSIS}{text[-(most // 4) :]}"
