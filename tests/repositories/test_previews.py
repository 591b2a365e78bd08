"""What a preview tells one by one: what goes, for which platform, and why the rest stays."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from repositories import previews
from repositories.access import Principal
from repositories.models import Repository
from repositories.oci import media_types
from repositories.previews import MOST_LISTED, Going, Preview, Staying, Why
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, described, push_document, push_image

pytestmark = pytest.mark.django_db

XSS = "<script>alert(1)</script>"


def preview(*names: str, digests: list[str] | None = None) -> Preview:
    row = Repository.objects.get(name=APP)
    return previews.preview(repository_id=row.pk, names=names, digests=digests or [])


def test_what_goes_is_told_with_type_platform_and_size(maintainer: Principal) -> None:
    arm = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    one, two = push_image(maintainer, b"one"), push_image(maintainer, b"twice", b"twice")
    document = documents.index(described(one, platform=arm), described(two))
    index = push_document(maintainer, document, tags=["multi"])
    found = {going.digest: going for going in preview("multi").going}

    assert set(found) == {str(pushed.digest) for pushed in (one, two, index)}
    assert found[str(one.digest)].platform == "linux/arm64/v8"
    assert found[str(two.digest)].platform == ""
    assert found[str(index.digest)] == Going(
        str(index.digest),
        media_types.OCI_INDEX,
        "",
        "",
        len(documents.encode(document)),
    )
    blobs = len(CONFIG + b"twice")  # each blob once
    assert found[str(two.digest)].size == blobs + len(
        documents.encode(documents.image(b"twice", b"twice"))
    )


def test_what_stays_is_told_with_its_reason(maintainer: Principal) -> None:
    tagged = push_image(maintainer, b"tagged", tags=["v1"])
    listed = push_image(maintainer, b"listed")
    below = push_image(maintainer, b"signature", subject=described(listed))
    gone = push_image(maintainer, b"gone")
    push_document(
        maintainer,
        documents.index(described(tagged), described(listed), described(gone)),
        tags=["multi"],
    )
    other = push_document(
        maintainer, documents.index(described(listed), annotations={"x": "y"}), tags=["other"]
    )
    found = preview("multi")

    assert set(found.staying) == {
        Staying(str(tagged.digest), Why.TAGGED, "v1"),
        Staying(str(listed.digest), Why.LISTED, str(other.digest)),
        Staying(str(below.digest), Why.ATTACHED, str(listed.digest)),
    }
    assert found.staying_count == 3
    assert str(gone.digest) in found.manifests
    assert (found.tags, found.children) == (("multi",), 1)


def test_an_image_with_another_tag_stays_and_that_is_said(maintainer: Principal) -> None:
    pushed = push_image(maintainer, b"layer", tags=["v1", "v2"])
    assert preview("v1").staying == (Staying(str(pushed.digest), Why.TAGGED, "v2"),)
    assert preview("v1", "v2").staying == ()


def test_an_index_by_digest_takes_its_children_along(maintainer: Principal) -> None:
    one, two = push_image(maintainer, b"one"), push_image(maintainer, b"two", tags=["two"])
    index = push_document(maintainer, documents.index(described(one), described(two)))
    found = preview(digests=[str(index.digest)])
    assert set(found.manifests) == {str(index.digest), str(one.digest)}
    assert found.staying == (Staying(str(two.digest), Why.TAGGED, "two"),)


@pytest.mark.parametrize(
    "platform",
    [{"os": XSS, "architecture": "\0"}, {"os": 1, "architecture": []}, {"os": "x" * 999}],
)
def test_hostile_platforms_are_bounded(platform: dict[str, object], maintainer: Principal) -> None:
    one = push_image(maintainer, b"one")
    push_document(maintainer, documents.index(described(one, platform=platform)), tags=["multi"])
    found = preview("multi")
    assert all(len(going.platform) < 400 for going in found.going)


def test_statements_are_few_however_deep_and_many(maintainer: Principal) -> None:
    inner = [push_image(maintainer, b"%d" % number) for number in range(MOST_LISTED + 20)]
    nested = push_document(maintainer, documents.index(*map(described, inner)))
    for _ in range(10):
        entry = described(nested, mediaType=media_types.OCI_INDEX)
        nested = push_document(maintainer, documents.index(entry), tags=["deep"])
    row = Repository.objects.get(name=APP)
    with CaptureQueriesContext(connection) as queries:
        found = previews.preview(repository_id=row.pk, names=["deep"])
    assert len(found.manifests) == MOST_LISTED + 31
    assert len(found.going) == MOST_LISTED
    assert len(queries) <= 8
