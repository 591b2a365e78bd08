"""What a manifest is, as the tools that push such things write them."""

from typing import Any

import pytest

from repositories.oci import media_types
from repositories.oci.artifacts import Artifact, Kind, classify
from repositories.oci.manifests import parse
from tests.oci.documents import CONFIG_TYPE, Document, descriptor, encode, image, index

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
EMPTY = media_types.EMPTY_CONFIG
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"


def artifact(
    config: str = EMPTY,
    layer: str = "application/octet-stream",
    layer_annotations: dict[str, Any] | None = None,
    **fields: object,
) -> Document:
    blob = descriptor(media_type=layer, annotations=layer_annotations or {})
    return image(config=descriptor(b"{}", config), layers=[blob], **fields)


def kind(document: Document) -> tuple[Kind, str]:
    found = classify(parse(encode(document)))
    return found.kind, found.type


CASES: dict[str, tuple[Document, Kind, str]] = {
    "image": (image(b"layer"), Kind.IMAGE, ""),
    "image without layers": (image(), Kind.IMAGE, ""),
    "index": (index(), Kind.INDEX, ""),
    "index with a type": (index(artifactType="a/b"), Kind.ARTIFACT, "a/b"),
    "helm": (
        artifact(
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        ),
        Kind.HELM_CHART,
        "application/vnd.cncf.helm.config.v1+json",
    ),
    "spdx by type": (
        artifact(artifactType="application/spdx+json"),
        Kind.SBOM_SPDX,
        "application/spdx+json",
    ),
    "spdx by cosign": (artifact(CONFIG_TYPE, "text/spdx+json"), Kind.SBOM_SPDX, CONFIG_TYPE),
    "cyclonedx": (
        artifact(artifactType="application/vnd.cyclonedx+json"),
        Kind.SBOM_CYCLONEDX,
        "application/vnd.cyclonedx+json",
    ),
    "cosign's signature": (
        artifact(CONFIG_TYPE, "application/vnd.dev.cosign.simplesigning.v1+json"),
        Kind.SIGNATURE_COSIGN,
        CONFIG_TYPE,
    ),
    "cosign's attestation": (
        artifact(CONFIG_TYPE, "application/vnd.dsse.envelope.v1+json"),
        Kind.ATTESTATION,
        CONFIG_TYPE,
    ),
    "a bundle with a signature": (
        artifact(
            artifactType=BUNDLE,
            annotations={
                "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"
            },
        ),
        Kind.SIGNATURE_COSIGN,
        BUNDLE,
    ),
    "a bundle with provenance": (
        artifact(
            artifactType=BUNDLE,
            annotations={"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"},
        ),
        Kind.ATTESTATION,
        BUNDLE,
    ),
    "notation": (
        artifact("application/vnd.cncf.notary.signature", "application/jose+json"),
        Kind.SIGNATURE_NOTATION,
        "application/vnd.cncf.notary.signature",
    ),
    "in-toto": (artifact(artifactType=IN_TOTO), Kind.ATTESTATION, IN_TOTO),
    "buildkit's attestation": (
        artifact(CONFIG_TYPE, IN_TOTO, {"in-toto.io/predicate-type": "https://spdx.dev/Document"}),
        Kind.ATTESTATION_BUILDKIT,
        CONFIG_TYPE,
    ),
    "wasm": (
        artifact("application/vnd.wasm.config.v0+json", "application/wasm"),
        Kind.WASM,
        "application/vnd.wasm.config.v0+json",
    ),
    "singularity": (
        artifact("application/vnd.sylabs.sif.config.v1+json"),
        Kind.SINGULARITY,
        "application/vnd.sylabs.sif.config.v1+json",
    ),
    "singularity by its layer": (
        artifact(EMPTY, "application/vnd.sylabs.sif.layer.v1.sif"),
        Kind.SINGULARITY,
        EMPTY,
    ),
    "oras without a type": (
        artifact(
            artifactType="application/vnd.unknown.artifact.v1",
            layer_annotations={"org.opencontainers.image.title": "a.txt"},
        ),
        Kind.FILES,
        "",
    ),
    "oras with a type": (
        artifact(
            artifactType="application/vnd.example.data",
            layer_annotations={"org.opencontainers.image.title": "a.txt"},
        ),
        Kind.ARTIFACT,
        "application/vnd.example.data",
    ),
    "an empty config and nothing else": (artifact(), Kind.ARTIFACT, EMPTY),
    "a config of another kind": (
        artifact("application/vnd.example.config+json"),
        Kind.ARTIFACT,
        "application/vnd.example.config+json",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_tools_manifest_is_recognised(name: str) -> None:
    document, *expected = CASES[name]
    assert list(kind(document)) == expected


def test_dockers_manifests_are_told_from_oci_ones() -> None:
    docker = image(mediaType=media_types.DOCKER_MANIFEST, config=descriptor(b"{}", DOCKER_CONFIG))
    assert classify(parse(encode(docker))) == Artifact(Kind.IMAGE, "", is_docker=True)
    listed = index(mediaType=media_types.DOCKER_LIST)
    assert classify(parse(encode(listed))) == Artifact(Kind.INDEX, "", is_docker=True)
    assert classify(parse(encode(image()))).is_docker is False


@pytest.mark.parametrize(
    "annotations", [None, 1, True, [], "x", {"org.opencontainers.image.title": 1}, {"": None}]
)
def test_odd_annotations_of_layers_change_nothing(annotations: Any) -> None:
    blob = descriptor() | {"annotations": annotations}
    assert kind(image(layers=[blob])) == (Kind.IMAGE, "")
    assert kind(image(layers=[blob], config=descriptor(b"{}", EMPTY)))[0] is Kind.ARTIFACT
