"""Manifests that are refused: two clients could read them differently, or nobody could use them."""

import pytest

from repositories.oci import media_types
from repositories.oci.errors import ManifestInvalid
from repositories.oci.manifests import MAX_REFERENCES, parse
from tests.oci.documents import Document, descriptor, encode, image, index

CHILD = descriptor(b"child", media_types.OCI_MANIFEST)
DIGEST = CHILD["digest"]

NOT_AN_OBJECT = [b'""', b"null", b"[]", b"1", b"true", b'[{"schemaVersion": 2}]']
NOT_READABLE = [
    b"",
    b"{",
    b"{}{}",
    b"\xef\xbb\xbf{}",
    b"[" * 10**5,
    b'{"a": NaN}',
    b'{"a":1,"a":1}',
]


@pytest.mark.parametrize("payload", NOT_AN_OBJECT)
def test_a_manifest_is_an_object(payload: bytes) -> None:
    with pytest.raises(ManifestInvalid, match="is a JSON object"):
        parse(payload, media_types.OCI_MANIFEST)


@pytest.mark.parametrize("payload", NOT_READABLE, ids=lambda payload: payload[:10])
def test_a_manifest_is_strict_json(payload: bytes) -> None:
    with pytest.raises(ManifestInvalid, match="cannot be read"):
        parse(payload, media_types.OCI_MANIFEST)


SHAPES: list[tuple[Document, str]] = [
    ({}, "not taken"),
    (image(b"x", mediaType=None), "not taken"),
    (image(b"x", mediaType="application/vnd.example+json"), "not taken"),
    (image(b"x", mediaType="application/vnd.docker.distribution.manifest.v1+json"), "not taken"),
    (image(b"x", mediaType=2), "mediaType is a string"),
    (image(b"x", schemaVersion=None), "schemaVersion is 2"),
    (image(b"x", schemaVersion=1), "schemaVersion is 2"),
    (image(b"x", schemaVersion=3), "schemaVersion is 2"),
    (image(b"x", schemaVersion="2"), "schemaVersion is 2"),
    (image(b"x", schemaVersion=2.0), "schemaVersion is 2"),
    (image(b"x", schemaVersion=True), "schemaVersion is 2"),
    (image(b"x", config=None), "needs 'config'"),
    (image(b"x", layers=None), "needs 'layers'"),
    (index(manifests=None), "needs 'manifests'"),
    (image(b"x", manifests=[CHILD]), "has no 'manifests'"),
    (image(b"x", manifests=[]), "has no 'manifests'"),
    (index(CHILD, layers=[]), "has no 'layers'"),
    (index(CHILD, config=CHILD), "has no 'config'"),
    (image(b"x", fsLayers=[]), "schema 1"),
    (image(layers={}), "'layers' is a list"),
    (image(layers="x"), "'layers' is a list"),
    (index(manifests=1), "'manifests' is a list"),
    (index(*[CHILD] * (MAX_REFERENCES + 1)), "1001 entries"),
    (image(layers=[CHILD] * (MAX_REFERENCES + 1)), "1001 entries"),
    (image(b"x", annotations=[]) | {"annotations": ["a"]}, "annotations map"),
    (image(b"x", annotations={"a": 1}), "annotations map"),
    (image(b"x", annotations={"a": None}), "annotations map"),
    (image(b"x", annotations="a"), "annotations map"),
    (image(b"x", artifactType=1), "artifactType is a media type"),
    (image(b"x", artifactType="none"), "artifactType is a media type"),
    (image(b"x", artifactType="a/b; c=d"), "artifactType is a media type"),
    (image(b"x", subject=[]), "subject is a descriptor"),
    (image(b"x", subject={}), "subject needs a mediaType"),
    (image(b"x", config=[]), "config is a descriptor"),
    (image(b"x") | {"config": None}, "config is a descriptor"),
    (image(b"x") | {"subject": None}, "subject is a descriptor"),
]


@pytest.mark.parametrize(("document", "reason"), SHAPES)
def test_the_shape_of_a_manifest_is_that_of_its_type(document: Document, reason: str) -> None:
    with pytest.raises(ManifestInvalid, match=reason):
        parse(encode(document))


DESCRIPTORS: list[tuple[object, str]] = [
    (None, "is a descriptor"),
    ("sha256:x", "is a descriptor"),
    ([], "is a descriptor"),
    ({}, "needs a mediaType"),
    (CHILD | {"mediaType": ""}, "needs a mediaType"),
    (CHILD | {"mediaType": None}, "needs a mediaType"),
    (CHILD | {"mediaType": 1}, "needs a mediaType"),
    (CHILD | {"mediaType": "json"}, "needs a mediaType"),
    (CHILD | {"mediaType": "a/b\n"}, "needs a mediaType"),
    (CHILD | {"size": None}, "needs a size"),
    (CHILD | {"size": -1}, "needs a size"),
    (CHILD | {"size": 2**63}, "needs a size"),
    (CHILD | {"size": "1"}, "needs a size"),
    (CHILD | {"size": 1.0}, "needs a size"),
    (CHILD | {"size": True}, "needs a size"),
    (CHILD | {"size": False}, "needs a size"),
    (CHILD | {"digest": None}, "invalid digest"),
    (CHILD | {"digest": 1}, "invalid digest"),
    (CHILD | {"digest": ""}, "invalid digest"),
    (CHILD | {"digest": DIGEST.upper()}, "invalid digest"),
    (CHILD | {"digest": DIGEST[:-1]}, "invalid digest"),
    (CHILD | {"digest": DIGEST + "\n"}, "invalid digest"),
    (CHILD | {"digest": "md5:" + "0" * 32}, "invalid digest"),
    (CHILD | {"platform": "linux/amd64"}, "platform"),
    (CHILD | {"platform": []}, "platform"),
    (CHILD | {"Digest": DIGEST}, "write it 'digest'"),
    (CHILD | {"MEDIATYPE": "a/b"}, "write it 'mediaType'"),
    (CHILD | {"siZe": 1}, "write it 'size'"),
    (CHILD | {"URLs": []}, "write it 'urls'"),
]


@pytest.mark.parametrize(("entry", "reason"), DESCRIPTORS)
@pytest.mark.parametrize("place", ["config", "layers", "manifests", "subject"])
def test_a_descriptor_is_complete_wherever_it_stands(
    entry: object, reason: str, place: str
) -> None:
    listed = [CHILD, entry]
    document = {
        "config": image(b"x") | {"config": entry},
        "layers": image(layers=listed),
        "manifests": index(manifests=listed),
        "subject": image(b"x") | {"subject": entry},
    }[place]

    with pytest.raises(ManifestInvalid, match=reason) as caught:
        parse(encode(document))

    assert place in caught.value.message or "write it" in caught.value.message


def test_the_error_names_the_entry_that_is_wrong() -> None:
    with pytest.raises(ManifestInvalid, match=r"^manifests\[2\]"):
        parse(encode(index(CHILD, CHILD, CHILD | {"size": -1})))


@pytest.mark.parametrize(
    "key",
    [
        "Layers",
        "LAYERS",
        "Manifests",
        "mediatype",
        "MediaType",
        "schemaversion",
        "Config",
        "Subject",
        "artifacttype",
        "Annotations",
        "FSLayers",
    ],
)
def test_a_key_that_differs_from_a_known_one_only_in_case_is_refused(key: str) -> None:
    """CVE-2021-41190: some JSON libraries would read it as the known one, others not."""
    for document in (image(b"x"), index(CHILD)):
        with pytest.raises(ManifestInvalid, match="write it"):
            parse(encode(document | {key: []}))


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        (image(b"x"), media_types.OCI_INDEX),
        (image(b"x"), media_types.DOCKER_MANIFEST),
        (index(CHILD), media_types.OCI_MANIFEST),
        (index(CHILD), media_types.DOCKER_LIST),
        (image(b"x"), "text/plain"),
        (image(b"x"), "application/vnd.docker.distribution.manifest.v1+json"),
        (image(b"x", mediaType=""), media_types.OCI_MANIFEST),
        (image(b"x", mediaType=media_types.OCI_MANIFEST.upper()), media_types.OCI_MANIFEST),
    ],
)
def test_media_type_and_content_type_are_equal(document: Document, content_type: str) -> None:
    with pytest.raises(ManifestInvalid, match="make them equal"):
        parse(encode(document), content_type)


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain", "x" * 10_000])
def test_without_a_media_type_the_content_type_has_to_be_a_manifests(content_type: str) -> None:
    with pytest.raises(ManifestInvalid, match="not taken") as caught:
        parse(encode(image(b"x", mediaType=None)), content_type)

    assert len(caught.value.message) < 1000


def test_an_image_sent_as_an_index_is_refused_also_without_a_media_type() -> None:
    with pytest.raises(ManifestInvalid, match="has no 'config'"):
        parse(encode(image(b"x", mediaType=None)), media_types.OCI_INDEX)
