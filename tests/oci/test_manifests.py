"""What a manifest says, read from its bytes."""

import json

import pytest

from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.oci.manifests import MAX_REFERENCES, MAX_SIZE, parse
from tests.oci.documents import CONFIG_TYPE, LAYER_TYPE, Document, descriptor, encode, image, index

CHILD = descriptor(b"child", media_types.OCI_MANIFEST)


def test_an_image_has_its_config_and_its_layers_in_order() -> None:
    parsed = parse(encode(image(b"one", b"two", annotations={"a": "b"})), media_types.OCI_MANIFEST)

    assert parsed.media_type == media_types.OCI_MANIFEST
    assert not parsed.is_index
    assert parsed.config is not None
    assert (parsed.config.media_type, parsed.config.digest) == (CONFIG_TYPE, Digest.of(b"{}"))
    assert [layer.digest for layer in parsed.layers] == [Digest.of(b"one"), Digest.of(b"two")]
    assert [(layer.media_type, layer.size) for layer in parsed.layers] == [(LAYER_TYPE, 3)] * 2
    assert (parsed.manifests, parsed.subject, parsed.annotations) == ((), None, {"a": "b"})


def test_an_index_has_its_manifests_with_their_platforms() -> None:
    platform = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    parsed = parse(encode(index(descriptor(b"x", media_types.OCI_MANIFEST, platform=platform))))

    assert parsed.is_index
    assert [child.digest for child in parsed.manifests] == [Digest.of(b"x")]
    assert parsed.manifests[0].platform == platform
    assert (parsed.config, parsed.layers) == (None, ())


@pytest.mark.parametrize("media_type", sorted(media_types.IMAGES))
def test_images_of_both_kinds_are_read(media_type: str) -> None:
    parsed = parse(encode(image(b"layer", mediaType=media_type)), media_type)

    assert (parsed.media_type, parsed.is_index) == (media_type, False)


@pytest.mark.parametrize("media_type", sorted(media_types.INDEXES))
def test_indexes_of_both_kinds_are_read(media_type: str) -> None:
    parsed = parse(encode(index(CHILD, mediaType=media_type)), media_type)

    assert (parsed.media_type, parsed.is_index) == (media_type, True)


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "application/octet-stream", media_types.OCI_MANIFEST]
)
def test_an_unspecific_content_type_leaves_the_word_to_the_manifest(content_type: str) -> None:
    assert parse(encode(image(b"x")), content_type).media_type == media_types.OCI_MANIFEST


@pytest.mark.parametrize("media_type", sorted(media_types.IMAGES))
def test_a_manifest_without_a_media_type_is_what_it_was_sent_as(media_type: str) -> None:
    assert parse(encode(image(b"x", mediaType=None)), media_type).media_type == media_type


def test_parameters_and_case_of_the_content_type_do_not_count() -> None:
    sent = media_types.OCI_MANIFEST.upper() + "; charset=utf-8"

    assert parse(encode(image(b"x")), sent).media_type == media_types.OCI_MANIFEST


@pytest.mark.parametrize(
    ("document", "artifact_type"),
    [
        (image(b"x"), CONFIG_TYPE),
        (image(b"x", artifactType="application/vnd.example+json"), "application/vnd.example+json"),
        (image(b"x", artifactType=""), CONFIG_TYPE),
        (index(CHILD), ""),
        (index(CHILD, artifactType="application/vnd.example"), "application/vnd.example"),
    ],
)
def test_the_artifact_type_is_the_manifests_own_or_an_images_config_type(
    document: Document, artifact_type: str
) -> None:
    assert parse(encode(document)).artifact_type == artifact_type


@pytest.mark.parametrize(
    "document", [image(layers=[]), index(), image(layers=None) | {"layers": None}]
)
def test_empty_lists_are_read_also_as_go_writes_them(document: Document) -> None:
    parsed = parse(encode(document))

    assert (parsed.layers, parsed.manifests) == ((), ())


def test_annotations_that_are_null_are_none() -> None:
    assert parse(encode(image(b"x") | {"annotations": None})).annotations == {}


def test_what_nobody_knows_stays_in_the_bytes_and_is_no_error() -> None:
    assert parse(encode(image(b"x", vendor={"any": [1, 2.5, None]}))).layers


@pytest.mark.parametrize("size", [0, 1, MAX_SIZE])
def test_a_size_may_be_anything_that_fits_in_63_bits(size: int) -> None:
    assert parse(encode(index(CHILD | {"size": size}))).manifests[0].size == size


def test_a_thousand_references_are_not_too_many() -> None:
    assert MAX_REFERENCES == 1000
    assert len(parse(encode(index(*[CHILD] * MAX_REFERENCES))).manifests) == MAX_REFERENCES


def test_a_sha512_reference_is_read() -> None:
    digest = Digest.of(b"x", "sha512")

    assert parse(encode(index(CHILD | {"digest": str(digest)}))).manifests[0].digest == digest


def test_the_stored_blobs_are_config_and_layers_without_nondistributable_ones() -> None:
    elsewhere = descriptor(
        b"base", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["http://x/"]
    )
    parsed = parse(encode(image(layers=[elsewhere, descriptor(b"mine")])))

    assert [blob.digest for blob in parsed.stored_blobs] == [Digest.of(b"{}"), Digest.of(b"mine")]
    assert len(parsed.layers) == 2


def test_an_index_has_no_stored_blobs() -> None:
    assert parse(encode(index(CHILD))).stored_blobs == ()


def test_the_referrer_entry_describes_the_manifest_itself() -> None:
    subject = descriptor(b"subject", media_types.OCI_MANIFEST)
    parsed = parse(encode(image(b"x", subject=subject, annotations={"k": "\u00eb"})))
    digest = Digest.of(b"anything")

    assert parsed.subject is not None
    assert parsed.subject.digest == Digest.of(b"subject")
    assert json.loads(parsed.referrer(digest=digest, size=7)) == {
        "mediaType": media_types.OCI_MANIFEST,
        "digest": str(digest),
        "size": 7,
        "artifactType": CONFIG_TYPE,
        "annotations": {"k": "\u00eb"},
    }


def test_the_referrer_entry_of_an_index_without_an_artifact_type_has_none() -> None:
    parsed = parse(encode(index(subject=CHILD)))

    assert set(json.loads(parsed.referrer(digest=Digest.of(b""), size=0))) == {
        "mediaType",
        "digest",
        "size",
    }


def test_without_a_subject_there_is_no_referrer_entry() -> None:
    assert parse(encode(image(b"x"))).referrer(digest=Digest.of(b""), size=0) == ""
