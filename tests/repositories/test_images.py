"""What an image is made of, read through rows and storage."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from repositories import configs, images, tag_facts
from repositories.access import Principal
from repositories.images import Description
from repositories.models import Manifest, Repository, Tag
from repositories.oci import media_types
from repositories.oci.artifacts import Kind
from repositories.oci.errors import ManifestUnknown
from repositories.storage.filesystem import FilesystemStorage
from tests.oci.documents import CONFIG_TYPE, LAYER_TYPE, Document, descriptor, image, index
from tests.repositories.content import APP, described, push_blob, push_document, push_image

pytestmark = pytest.mark.django_db


def config_of(platform: str = "linux/amd64", **fields: object) -> bytes:
    os, architecture = platform.split("/")
    return json.dumps({"os": os, "architecture": architecture} | fields).encode()


def push(
    writer: Principal, config: bytes, *layers: bytes, tag: str = "", **fields: Any
) -> Document:
    """Push an image with this config; its descriptor for an index."""
    for content in (config, *layers):
        push_blob(writer, content)
    config_type = fields.pop("config_type", CONFIG_TYPE)
    document = image(*layers, config=descriptor(config, config_type), **fields)
    return described(push_document(writer, document, tags=[tag] if tag else []))


def push_platforms(writer: Principal, *platforms: str, tag: str = "v1") -> list[Document]:
    children = []
    for platform in platforms:
        child = push(writer, config_of(platform), platform.encode())
        os, architecture = platform.split("/")
        children.append(child | {"platform": {"os": os, "architecture": architecture}})
    push_document(writer, index(*children), tags=[tag])
    return children


def describe(reference: str = "v1", platform: str = "") -> Description:
    repository = Repository.objects.get(name=APP)
    return images.describe(repository=repository, reference=reference, platform=platform)


def only(description: Description) -> images.Image:
    assert description.image is not None
    return description.image


def test_an_image_is_described_with_layers_and_the_steps_that_made_them(writer: Principal) -> None:
    history = [
        {"created_by": "/bin/sh -c #(nop) ADD file:a in / "},
        {"created_by": "ENV A=b", "empty_layer": True},
        {"created_by": "RUN /bin/sh -c make # buildkit"},
    ]
    config = config_of(history=history, config={"Cmd": ["sh"]})
    push(writer, config, b"base", b"made by make", tag="v1", annotations={"a": "b"})
    description = describe()
    found = only(description)
    assert description.manifest == found.manifest
    assert found.manifest.artifact.kind is Kind.IMAGE
    assert found.manifest.annotations == {"a": "b"}
    assert found.manifest.pushed_by == "writer"
    assert str(found.platform) == "linux/amd64"
    assert found.config is not None
    assert found.config.cmd == ("sh",)
    assert [layer.instruction for layer in found.layers] == ["ADD file:a in /", "RUN make"]
    assert found.size == found.manifest.size + len(config) + 4 + 12
    assert found.layers[1].share == 12 / found.size


def test_layers_have_no_step_when_the_history_is_for_others(writer: Principal) -> None:
    push(writer, config_of(history=[{"created_by": "RUN x"}] * 3), b"squashed", tag="v1")
    assert only(describe()).layers[0].instruction == ""


def test_a_tag_and_a_digest_name_the_same(writer: Principal) -> None:
    pushed = push_image(writer, b"layer", tags=["v1"])
    assert describe() == describe(str(pushed.digest))


@pytest.mark.parametrize("reference", ["v2", "sha256:" + 64 * "0", "sha256:short", ":", "a:b"])
def test_what_is_not_here_is_unknown(reference: str, writer: Principal) -> None:
    push_image(writer, b"layer", tags=["v1"])
    with pytest.raises(ManifestUnknown):
        describe(reference)


def test_an_image_of_another_repository_is_unknown(writer: Principal) -> None:
    push_image(writer, b"mine", tags=["v1"])
    other = push_image(writer, b"other", repository="payments/other")
    with pytest.raises(ManifestUnknown):
        describe(str(other.digest))


@pytest.mark.parametrize(
    ("platforms", "wanted", "chosen"),
    [
        (("linux/arm64", "linux/amd64"), "", 1),
        (("linux/arm64", "windows/amd64"), "", 0),
        (("linux/amd64", "linux/arm64"), "linux/arm64", 1),
    ],
)
def test_the_platform_that_is_meant_is_shown(
    platforms: tuple[str, ...], wanted: str, chosen: int, writer: Principal
) -> None:
    push_platforms(writer, *platforms)
    found = describe(platform=wanted)
    assert [entry.is_chosen for entry in found.entries].index(True) == chosen
    assert str(only(found).platform) == platforms[chosen]
    assert all(entry.is_here and entry.size for entry in found.entries)


def test_variants_are_chosen_by_name_and_found_without(writer: Principal) -> None:
    children = []
    for variant in ("v6", "v7"):
        child = push(writer, config_of("linux/arm", variant=variant), variant.encode())
        platform = {"os": "linux", "architecture": "arm", "variant": variant}
        children.append(child | {"platform": platform})
    push_document(writer, index(*children), tags=["v1"])
    for wanted, expected in (("linux/arm/v7", "v7"), ("linux/arm", "v6")):
        assert only(describe(platform=wanted)).platform.variant == expected


def test_a_platform_that_an_index_lacks_is_unknown(writer: Principal) -> None:
    push_platforms(writer, "linux/amd64")
    with pytest.raises(ManifestUnknown, match="plan9/mips"):
        describe(platform="plan9/mips")


def test_absent_entries_and_attestations_are_listed_and_never_chosen(writer: Principal) -> None:
    absent = descriptor(b"absent", media_types.OCI_MANIFEST, platform={"os": "linux"})
    real = push(writer, config_of("linux/arm64"), b"layer")
    annotations = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": real["digest"],
    }
    platform = {"os": "unknown", "architecture": "unknown"}
    attestation = push(writer, config_of("unknown/unknown"), b"attestation") | {
        "annotations": annotations,
        "platform": platform,
    }
    push_document(writer, index(absent, attestation, real), tags=["v1"])
    found = describe().entries
    assert [entry.is_here for entry in found] == [False, True, True]
    assert [entry.is_chosen for entry in found] == [False, False, True]
    assert [entry.attests for entry in found] == ["", real["digest"], ""]
    assert found[0].size is None


def test_an_index_of_nothing_has_no_image(writer: Principal) -> None:
    push_document(writer, index(), tags=["v1"])
    assert describe().image is None


def test_an_index_within_the_index_leads_to_its_image(writer: Principal) -> None:
    (child,) = push_platforms(writer, "linux/arm64", tag="inner")
    inner = descriptor(media_type=media_types.OCI_INDEX) | {
        "digest": Manifest.objects.get(tags__name="inner").digest
    }
    push_document(writer, index(inner), tags=["v1"])
    for platform in ("", "linux/arm64"):
        found = describe(platform=platform)
        assert only(found).manifest.digest == child["digest"]
        assert [entry.digest for entry in found.entries] == [inner["digest"]]


def test_a_chart_has_no_image_config_and_no_problem(writer: Principal) -> None:
    helm = "application/vnd.cncf.helm.config.v1+json"
    push(writer, b'{"name":"x"}', b"chart", tag="v1", config_type=helm)
    found = only(describe())
    assert found.manifest.artifact.kind is Kind.HELM_CHART
    assert (found.config, found.config_problem) == (None, "")


HOSTILE_CONFIGS = [
    b"",
    b"null",
    b"[]",
    b"\0",
    b"\xff" * 100,
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b'{"os":"a","os":"b"}',
    b'{"os":"\\ud800"}',
    b'{"x":1e999}',
    b"{" * 100_001,
    b" " * (1024 * 1024 + 1),
]


@pytest.mark.parametrize("config", HOSTILE_CONFIGS, ids=range(len(HOSTILE_CONFIGS)))
def test_a_hostile_config_is_a_problem_that_is_told(config: bytes, writer: Principal) -> None:
    push(writer, config, b"layer", tag="v1")
    for _ in range(2):  # read, and remembered
        found = only(describe())
        assert found.config is None
        assert found.config_problem
        assert [layer.size for layer in found.layers] == [5]
    repository = Repository.objects.get(name=APP)
    (listed,) = tag_facts.facts(repository=repository, tags=list(repository.tags.all()))
    assert listed.platforms == ()


def test_a_config_whose_bytes_are_lost_is_shown_again_when_they_are_back(
    writer: Principal, disk: FilesystemStorage
) -> None:
    config = config_of()
    push(writer, config, b"layer", tag="v1")
    digest = only(describe()).config_digest
    configs.forget_everything()
    path = next(path for path in disk.root.rglob("data") if path.parent.name in digest)
    away = path.rename(path.with_suffix(".away"))
    assert only(describe()).config_problem == "its bytes are missing from storage"
    away.rename(path)
    assert only(describe()).config is not None


def test_a_config_is_read_from_storage_once(
    writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(writer, config_of(), b"layer", tag="v1")
    first = only(describe()).config
    monkeypatch.setattr(type(disk), "open_blob", None)
    assert only(describe()).config is first


def test_no_more_configs_are_kept_than_fit(
    writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configs, "MAX_KEPT_BYTES", 20_000)
    for number in range(10):
        push(writer, config_of(author=f"{number}"), b"layer", tag=f"v{number}")
        describe(f"v{number}")
    assert 0 < configs._kept_bytes <= 20_000
    assert len(configs._kept) == 4


def test_layers_that_may_not_be_distributed_are_not_here(writer: Principal) -> None:
    foreign = descriptor(b"windows", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")
    push_blob(writer, b"own")
    push(writer, config_of(), layers=[foreign, descriptor(b"own", LAYER_TYPE)], tag="v1")
    found = only(describe())
    assert [layer.is_here for layer in found.layers] == [False, True]
    assert found.layers[0].share == 0
    assert found.size == found.manifest.size + len(config_of()) + 3


def test_a_manifest_that_cannot_be_read_is_shown_raw(writer: Principal) -> None:
    push_image(writer, b"layer", tags=["v1"])
    for payload in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":1,"a":2}'):
        Manifest.objects.update(payload=payload)
        found = describe()
        assert found.image is None
        assert found.manifest.problem
        repository = Repository.objects.get(name=APP)
        raw = images.raw(repository=repository, reference="v1")
        assert (raw.payload, raw.text) == (payload, payload.decode(errors="replace"))
        (listed,) = tag_facts.facts(repository=repository, tags=list(Tag.objects.all()))
        assert listed.manifest.problem


def test_a_manifest_is_read_as_it_was_pushed_and_indented(writer: Principal) -> None:
    document = image(annotations={"z": "<script>é", "a": "1"})
    push_blob(writer, b"{}")
    push_document(writer, document, tags=["v1"])
    raw = images.raw(repository=Repository.objects.get(name=APP), reference="v1")
    assert json.loads(raw.payload) == document
    assert raw.text.startswith('{\n  "schemaVersion": 2,')
    assert '"z": "<script>é",\n    "a": "1"' in raw.text


def test_a_large_manifest_is_not_indented(writer: Principal) -> None:
    push_blob(writer, b"{}")
    push_document(writer, image(annotations={"a": "x" * images.MAX_PRETTY_BYTES}), tags=["v1"])
    raw = images.raw(repository=Repository.objects.get(name=APP), reference="v1")
    assert raw.text == raw.payload.decode()


@pytest.mark.parametrize("content", ["x" * 10_000, "\0", "<script>", "\u202e", "é" * 5_000])
def test_annotations_are_kept_to_a_length(content: str, writer: Principal) -> None:
    push_blob(writer, b"{}")
    many = {f"{number}": "x" for number in range(2_000)}
    push_document(writer, image(annotations={content: content} | many), tags=["v1"])
    found = describe().manifest.annotations
    assert len(found) == 500
    assert max(len(text.encode()) for pair in found.items() for text in pair) <= 4 * 1024 + 3


def test_tags_are_listed_with_kind_size_and_platforms(writer: Principal) -> None:
    push_platforms(writer, "linux/amd64", "linux/arm64", tag="multi")
    push(writer, config_of("linux/s390x"), b"layer", tag="single")
    repository = Repository.objects.get(name=APP)
    rows = list(repository.tags.order_by("name"))
    found = {one.tag.name: one for one in tag_facts.facts(repository=repository, tags=rows)}
    assert list(map(str, found["multi"].platforms)) == ["linux/amd64", "linux/arm64"]
    assert list(map(str, found["single"].platforms)) == ["linux/s390x"]
    assert found["multi"].manifest.artifact.kind is Kind.INDEX
    assert found["single"].size.layers == 1


def test_a_longer_index_takes_no_more_queries(writer: Principal) -> None:
    counts = []
    for size in (1, 20):
        push_platforms(writer, *(f"linux/arch{number}" for number in range(size)))
        with CaptureQueriesContext(connection) as queries:
            describe()
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8
