"""The sizes of tags: honest, and as cheap however much there is beside them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from repositories import manifests, sizes, tags
from repositories.access import Principal
from repositories.models import Manifest, Repository, Tag
from repositories.sizes import TagSize
from tests.oci.documents import CONFIG, Document, index
from tests.repositories.content import APP, described, push_document, push_image

pytestmark = pytest.mark.django_db


def measure(*names: str, repository: str = APP) -> dict[str, TagSize]:
    found = Repository.objects.get(name=repository)
    asked = found.tags.filter(name__in=names) if names else found.tags.all()
    return dict(sizes.measure(repository=found, tags=list(asked)))


def payloads(*references: str) -> int:
    return sum(len(manifests.read(repository=APP, reference=one).payload) for one in references)


def test_an_image_alone_is_all_its_own(writer: Principal) -> None:
    push_image(writer, b"one", b"three", tags=["v1"])
    found = measure()["v1"]
    assert found.total == found.unique == payloads("v1") + len(CONFIG) + 8
    assert (found.shared, found.layers, found.is_partial) == (0, 2, False)


def test_a_layer_that_stands_twice_counts_once(writer: Principal) -> None:
    push_image(writer, b"same", b"same", tags=["v1"])
    found = measure()["v1"]
    assert found.total == payloads("v1") + len(CONFIG) + 4
    assert found.layers == 1


def test_what_two_tags_share_is_neithers_own(writer: Principal) -> None:
    push_image(writer, b"base", b"first", tags=["v1"])
    push_image(writer, b"base", b"second", tags=["v2"])
    found = measure()
    assert found["v1"].shared == found["v2"].shared == len(CONFIG) + len(b"base")
    assert found["v1"].unique == payloads("v1") + len(b"first")
    # The same, whoever else is on the page.
    assert measure("v1")["v1"].unique == found["v1"].unique


def test_a_second_tag_of_the_same_image_leaves_nothing_to_free(writer: Principal) -> None:
    push_image(writer, b"layer", tags=["v1", "v2"])
    for names in (("v1",), ("v1", "v2")):
        found = measure(*names)["v1"]
        assert (found.unique, found.shared) == (0, found.total)


def test_an_untagged_image_uses_its_layers_as_well(writer: Principal) -> None:
    push_image(writer, b"base", tags=["v1"])
    push_image(writer, b"base", annotations={"another": "manifest"})
    assert measure()["v1"].unique == payloads("v1")


def test_an_image_of_another_repository_uses_the_layers_too(writer: Principal) -> None:
    push_image(writer, b"base", tags=["v1"])
    push_image(writer, b"base", repository="payments/other")
    assert measure()["v1"].unique == payloads("v1")


def pushed_index(writer: Principal, *layers: bytes, tag: str, **fields: object) -> list[Document]:
    children = [described(push_image(writer, b"base", layer)) for layer in layers]
    push_document(writer, index(*children, **fields), tags=[tag])
    return children


def test_an_index_is_measured_with_all_its_platforms(writer: Principal) -> None:
    children = pushed_index(writer, b"amd64", b"arm64v8", tag="v1")
    found = measure()["v1"]
    content = len(CONFIG) + len(b"base") + len(b"amd64") + len(b"arm64v8")
    assert found.total == payloads("v1", *(child["digest"] for child in children)) + content
    assert found.unique == found.total
    assert found.layers == 3


def test_a_sparse_index_counts_what_is_here(writer: Principal) -> None:
    absent = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1} | {
        "digest": "sha256:" + 64 * "0"
    }
    push_document(writer, index(absent), tags=["v1"])
    assert measure()["v1"].total == payloads("v1")


def test_a_platform_with_a_tag_of_its_own_stays_when_the_index_goes(writer: Principal) -> None:
    pushed_index(writer, b"amd64", b"arm64", tag="v1")
    push_image(writer, b"base", b"amd64", tags=["v1-amd64"])
    for names in (("v1",), ("v1", "v1-amd64")):
        found = measure(*names)["v1"]
        arm64 = Manifest.objects.get(blobs__link__blob__size=5, tags=None).digest
        assert found.unique == payloads("v1", arm64) + len(b"arm64")


def test_an_image_that_an_index_lists_stays_when_its_tag_goes(writer: Principal) -> None:
    pushed_index(writer, b"amd64", tag="v1")
    push_image(writer, b"base", b"amd64", tags=["v1-amd64"])
    for names in (("v1-amd64",), ("v1", "v1-amd64")):
        assert measure(*names)["v1-amd64"].unique == 0


def test_an_index_of_another_repository_holds_nothing_here(writer: Principal) -> None:
    child = described(push_image(writer, b"amd64", tags=["v1"]))
    push_document(writer, index(child), repository="payments/other", tags=["v1"])
    found = measure()["v1"]
    assert found.unique == found.total


def test_an_index_within_the_index_counts_with_its_images(writer: Principal) -> None:
    inner = described(push_document(writer, index(described(push_image(writer, b"layer")))))
    both = index(inner | {"mediaType": "application/vnd.oci.image.index.v1+json"})
    push_document(writer, both, tags=["v1"])
    found = measure()["v1"]
    every = [row.digest for row in Manifest.objects.all()]
    assert found.total == found.unique == payloads(*every) + len(CONFIG) + len(b"layer")


def test_an_image_that_two_indexes_of_the_page_list_belongs_to_neither(writer: Principal) -> None:
    pushed_index(writer, b"amd64", tag="v1")
    pushed_index(writer, b"amd64", tag="v2", annotations={"another": "index"})
    for names in (("v1",), ("v1", "v2")):
        assert measure(*names)["v1"].unique == payloads("v1")


@pytest.mark.parametrize("limit", ["MAX_EDGES", "MAX_USES", "MAX_BLOBS"])
def test_too_much_content_is_said_to_be_so_and_never_promised_to_be_freed(
    limit: str, writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed_index(writer, b"amd64", b"arm64", tag="v1")
    monkeypatch.setattr(sizes, limit, 1)
    found = measure()["v1"]
    assert (found.is_partial, found.unique) == (True, 0)


def test_no_tags_take_no_query(writer: Principal) -> None:
    push_image(writer, b"layer")
    with CaptureQueriesContext(connection) as queries:
        sizes.measure(repository=Repository(), tags=[])
    assert len(queries) == 0


def test_a_tag_that_is_gone_meanwhile_is_left_out(writer: Principal) -> None:
    pushed = push_image(writer, b"layer", tags=["v1"])
    repository = Repository.objects.get(name=APP)
    rows = list(repository.tags.all())
    tags.delete(principal=writer, repository=APP, name="v1")
    manifests.delete(principal=writer, repository=APP, digest=pushed.digest)
    assert sizes.measure(repository=repository, tags=rows) == {}


def test_a_page_is_four_queries_however_many_tags_and_users_of_a_layer_there_are(
    writer: Principal,
) -> None:
    counts = []
    for start, size in ((0, 2), (10, 30)):
        for number in range(start, start + size):
            pushed_index(writer, b"%d" % number, b"arm64", tag=f"v{number}")
            push_image(writer, b"base", b"single %d" % number, tags=[f"s{number}"])
            push_image(writer, b"base", b"other", repository=f"payments/app{number}")
        rows = list(Tag.objects.filter(repository__name=APP))
        repository = Repository.objects.get(name=APP)
        with CaptureQueriesContext(connection) as queries:
            sizes.measure(repository=repository, tags=rows)
        counts.append(len(queries))
    assert counts == [4, 4]
