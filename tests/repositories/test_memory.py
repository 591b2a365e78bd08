"""What is remembered is never older than the last change that was acknowledged."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from repositories import blobs, catalog, generations, hosts, manifests, memory, tags
from repositories.access import ANONYMOUS, Principal
from repositories.models import Manifest, Tag
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown, ManifestUnknown, NameUnknown, OCIError
from tests.oci.documents import image
from tests.repositories.content import APP, push_blob, push_document, push_image

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, SECOND = image(b"layer"), image(b"layer", annotations={"version": "2"})


@pytest.fixture
def pushed(administrator: Principal) -> Digest:
    """The manifest that the tag `v1` names."""
    return push_image(administrator, b"layer", tags=["v1"]).digest


@pytest.fixture
def loose(administrator: Principal) -> Digest:
    """A blob that no manifest is made of."""
    return push_blob(administrator, b"loose")


def queries(read: Callable[[], object]) -> int:
    """How many queries a read takes, once it was made twice already."""
    read()
    read()
    with CaptureQueriesContext(connection) as captured:
        read()
    return len(captured)


def by_tag() -> str:
    return manifests.read(repository=APP, reference="v1").digest


def test_what_was_asked_for_is_answered_without_the_database(pushed: Digest, loose: Digest) -> None:
    assert queries(by_tag) == 0
    assert queries(lambda: manifests.read(repository=APP, reference=str(pushed))) == 0
    assert queries(lambda: blobs.find(repository=APP, digest=loose)) == 0


def test_the_order_of_arguments_makes_no_difference(pushed: Digest) -> None:
    """A repository that is named like another's tag is not taken for it."""
    assert by_tag() == str(pushed)
    with pytest.raises(NameUnknown):
        manifests.read(reference=APP, repository="v1")
    assert manifests.read(reference="v1", repository=APP).digest == str(pushed)


def test_a_tag_that_moves(administrator: Principal, pushed: Digest) -> None:
    assert queries(by_tag) == 0
    moved = push_document(administrator, SECOND, tags=["v1"]).digest
    assert by_tag() == str(moved) != str(pushed)
    assert queries(by_tag) == 0
    push_document(administrator, FIRST, tags=["v2", "v1"])
    assert by_tag() == str(pushed)


def test_a_tag_that_goes(administrator: Principal, pushed: Digest) -> None:
    assert queries(by_tag) == 0
    tags.delete(principal=administrator, repository=APP, name="v1")
    with pytest.raises(ManifestUnknown):
        by_tag()
    push_document(administrator, FIRST, tags=["v1"])
    assert by_tag() == str(pushed)


def test_a_manifest_that_goes_with_its_tags(administrator: Principal, pushed: Digest) -> None:
    def by_digest() -> str:
        return manifests.read(repository=APP, reference=str(pushed)).digest

    assert queries(by_tag) == queries(by_digest) == 0
    manifests.delete(principal=administrator, repository=APP, digest=pushed)
    for read in (by_tag, by_digest):
        with pytest.raises(ManifestUnknown):
            read()
    push_document(administrator, FIRST)
    assert by_digest() == str(pushed)
    with pytest.raises(ManifestUnknown):
        by_tag()


def test_a_blob_that_goes(administrator: Principal, loose: Digest) -> None:
    def find() -> int:
        return blobs.find(repository=APP, digest=loose).size

    assert queries(find) == 0
    blobs.unlink(principal=administrator, repository=APP, digest=loose)
    with pytest.raises(BlobUnknown):
        find()
    push_blob(administrator, b"loose")
    assert find() == len(b"loose")


def test_the_catalog_of_who_sees_everything(administrator: Principal, pushed: Digest) -> None:
    def names() -> list[str]:
        return catalog.listing(principal=administrator, limit=10)

    assert queries(names) == 0
    assert names() == [APP]
    for content in (b"{}", b"layer"):
        push_blob(administrator, content, repository="zoo/app")
    assert names() == [APP]
    by_digest = push_document(administrator, FIRST, repository="zoo/app").digest
    assert names() == [APP, "zoo/app"]
    assert queries(names) == 0
    assert catalog.listing(principal=administrator, limit=1) == [APP]
    assert catalog.listing(principal=administrator, limit=9, last=APP) == ["zoo/app"]
    manifests.delete(principal=administrator, repository="zoo/app", digest=by_digest)
    assert names() == [APP]


def test_the_catalog_of_somebody_else_is_not_taken_for_it(
    administrator: Principal, pushed: Digest
) -> None:
    assert catalog.listing(principal=administrator, limit=10) == [APP]
    assert catalog.listing(principal=ANONYMOUS, limit=10) == []


def test_a_change_that_fails_changes_nothing(administrator: Principal, pushed: Digest) -> None:
    assert queries(by_tag) == 0
    with pytest.raises(OCIError):
        push_document(administrator, image(b"a layer that is not there"), tags=["v1"])
    with CaptureQueriesContext(connection) as captured:
        assert by_tag() == str(pushed)
    assert len(captured) == 0


def test_what_is_not_there_is_not_remembered(administrator: Principal, pushed: Digest) -> None:
    """Not even that it is not: another host's push adds rows, and tells nobody."""
    for _ in range(3):
        with pytest.raises(ManifestUnknown):
            manifests.read(repository=APP, reference="v2")
    manifest = Manifest.objects.get()
    Tag.objects.create(name="v2", repository_id=manifest.repository_id, manifest=manifest)
    assert manifests.read(repository=APP, reference="v2").digest == str(pushed)


def test_inside_a_transaction_the_database_is_asked(
    administrator: Principal, pushed: Digest
) -> None:
    assert queries(by_tag) == 0
    with transaction.atomic():
        moved = push_document(administrator, SECOND, tags=["v1"]).digest
        assert by_tag() == str(moved)
        transaction.set_rollback(True)
    assert by_tag() == str(pushed)


def test_it_can_be_switched_off(pushed: Digest, settings: Settings) -> None:
    assert queries(by_tag) == 0
    settings.REMEMBER_ANSWERS = False
    assert queries(by_tag) == 1


class Found(NamedTuple):
    """An answer of a look-up that was made for a test."""

    payload: bytes


def test_an_answer_that_was_on_its_way_during_a_change_is_not_used_again() -> None:
    """Its reader may have seen the state before the commit, and be late with keeping it."""
    asked: list[str] = []

    @memory.remembered(by="reference")
    def look_up(*, repository: str, reference: str) -> Found:
        asked.append(reference)
        if len(asked) == 1:
            memory.forget_on_commit(repository)
        return Found(b"%d" % len(asked))

    answers = [look_up(repository=APP, reference="v1").payload for _ in range(3)]
    assert answers == [b"1", b"2", b"2"]


def test_nothing_is_remembered_for_long(pushed: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the writer that is killed after its commit: it has acknowledged nothing."""
    clock = [1000.0]
    monkeypatch.setattr(hosts, "now", lambda: clock[0])
    assert by_tag() == str(pushed)
    Tag.objects.all().delete()
    while clock[0] < 1000.0 + memory.LONGEST_SECONDS - 0.9:
        assert by_tag() == str(pushed)
        clock[0] += 0.9
    clock[0] += 1.0
    with pytest.raises(ManifestUnknown):
        by_tag()


def answer(weight: int) -> memory._Answer:
    return memory._Answer(generation=1, period=1, until=1.0, weight=weight, value=weight)


def test_it_holds_so_many_answers_and_no_more() -> None:
    kept = memory.Memory()
    for number in range(memory.MOST_ANSWERS + 10):
        kept.keep((number,), answer(0))

    assert len(kept) == memory.MOST_ANSWERS
    assert kept.get((9,)) is None
    assert kept.get((10,)) is not None


def test_it_holds_so_many_bytes_and_no_more() -> None:
    kept, each = memory.Memory(), memory.MOST_BYTES_EACH
    for number in range(3 * memory.MOST_BYTES // each):
        for _ in range(2):  # the second takes the place of the first
            kept.keep((number,), answer(each))
    assert len(kept) * each == memory.MOST_BYTES
    kept.keep(("large",), answer(each + 1))
    assert kept.get(("large",)) is None
    assert len(kept) * each == memory.MOST_BYTES


@pytest.fixture
def _no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file that cannot be made, as in a folder of another user's."""
    (tmp_path / "berth").write_text("in the way")
    monkeypatch.setattr(generations, "_shared", generations._unopened)
    monkeypatch.setattr(generations, "_path", lambda: tmp_path / "berth" / "generations")
    hosts._identity.cache_clear()
    yield
    hosts._identity.cache_clear()


@pytest.mark.usefixtures("pushed", "_no_file")
def test_where_nobody_could_be_told_nothing_is_remembered(
    administrator: Principal, pushed: Digest
) -> None:
    """On SQLite it is not changed, either: others may be remembering. On PostgreSQL they are
    other hosts."""
    if connection.vendor == "sqlite":
        with pytest.raises(OSError, match="berth"):
            tags.delete(principal=administrator, repository=APP, name="v1")
        assert Tag.objects.count() == 1
    else:
        tags.delete(principal=administrator, repository=APP, name="v1")
        assert hosts._identity().may_remember is False
    assert queries(lambda: manifests.read(repository=APP, reference=str(pushed))) == 1
