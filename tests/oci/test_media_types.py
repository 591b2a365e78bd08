"""Media types: which are manifests, which are well formed, which blobs live elsewhere."""

import pytest

from repositories.oci import media_types

NONDISTRIBUTABLE = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
]


def test_the_manifest_types_are_the_two_of_oci_and_the_two_of_docker() -> None:
    assert {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    } == media_types.MANIFESTS
    assert not media_types.IMAGES & media_types.INDEXES


@pytest.mark.parametrize(
    "text",
    ["text/plain", "application/vnd.example+json", "a/b", "application/x.y-z_1", "a/" + "b" * 127],
)
def test_a_type_and_a_subtype_are_a_media_type(text: str) -> None:
    assert media_types.is_media_type(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a",
        "a/",
        "/b",
        "a/b/c",
        "a/b; charset=utf-8",
        "a b/c",
        "a/b\n",
        "*/*",
        "a/\u0431",
        "a/" + "b" * 128,
        ".a/b",
    ],
    ids=ascii,
)
def test_anything_else_is_no_media_type(text: str) -> None:
    assert not media_types.is_media_type(text)


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" text/plain ;q=1;x=y", "text/plain"),
        ("", ""),
        (";", ""),
    ],
)
def test_parameters_case_and_blanks_do_not_count(header: str, media_type: str) -> None:
    assert media_types.without_parameters(header) == media_type


@pytest.mark.parametrize("media_type", NONDISTRIBUTABLE)
def test_nondistributable_layers_live_elsewhere(media_type: str) -> None:
    assert media_types.is_nondistributable(media_type)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.oci.empty.v1+json",
        "",
    ],
)
def test_other_layers_are_stored_here(media_type: str) -> None:
    assert not media_types.is_nondistributable(media_type)
