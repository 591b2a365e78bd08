"""Interrupted, repeated, from elsewhere, beside people: nothing twice, and nothing back."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repositories import deletion, manifests, tags
from repositories.access import Principal
from repositories.adoption import contents, rows
from repositories.adoption.adopting import is_called_for
from repositories.adoption.reports import AdoptionError, Progress, Report
from repositories.models import (
    AdoptedRepository,
    Adoption,
    Blob,
    BlobLink,
    Manifest,
    ManifestBlob,
    ManifestChild,
    Repository,
    Review,
    Tag,
    TagChange,
)
from repositories.oci.digests import Digest
from repositories.storage.filesystem import FilesystemStorage
from tests.oci import documents
from tests.repositories.adoption.conftest import found, pulled
from tests.repositories.adoption.trees import TreeMaker, described
from tests.repositories.content import push_image

Take = Callable[..., Report]
APP, WORKER = "payments/app", "payments/worker"
MODELS = (Repository, Blob, BlobLink, Manifest, ManifestBlob, ManifestChild, Tag, TagChange, Review)
pytestmark = pytest.mark.django_db


@pytest.fixture
def images(tree: TreeMaker) -> tuple[Digest, Digest]:
    """Two repositories, of which the second one's tag has moved."""
    one = tree.image(APP, b"one", b"shared", tags=("1.0", "latest"))
    old = tree.image(WORKER, b"two", b"shared", tags=("latest",))
    tree.push(WORKER, documents.index(described(tree.data(old).read_bytes())), "all")
    return one, tree.image(WORKER, b"three", b"shared", tags=("latest",))


def all_rows() -> dict[str, list[Any]]:
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in MODELS}


class TestAgain:
    def test_a_second_run_does_nothing_and_tells_the_same(
        self, tree: TreeMaker, take: Take, images: tuple[Digest, Digest]
    ) -> None:
        tree.write(tree.tag_folder(APP, "2.0") / "current" / "link", b"")
        first, before = take(), all_rows()

        second = take()

        assert second.was_finished
        assert (second.findings, second.tags, second.bytes) == (
            first.findings,
            first.tags,
            first.bytes,
        )
        assert all_rows() == before

    @pytest.mark.parametrize("again", [False, True])
    def test_nothing_comes_back_that_people_have_deleted_or_moved(
        self,
        take: Take,
        images: tuple[Digest, Digest],
        administrator: Principal,
        again: bool,
    ) -> None:
        take()
        tags.delete(principal=administrator, repository=APP, name="1.0")
        pushed = push_image(administrator, b"new", repository=APP, tags=["latest"])
        manifests.delete(principal=administrator, repository=APP, digest=images[0])
        deletion.delete_repository(principal=administrator, repository=WORKER)
        before = all_rows()

        take(again=again)

        assert all_rows() == before
        assert pulled(APP, "latest") == str(pushed.digest)
        assert tags.listing(repository=APP, limit=10) == ["latest"]

    def test_again_takes_what_is_new_and_what_was_damaged_and_is_mended(
        self,
        tree: TreeMaker,
        take: Take,
        images: tuple[Digest, Digest],
        administrator: Principal,
    ) -> None:
        broken = tree.image(APP, b"broken", tags=("2.0",))
        payload = tree.data(broken).read_bytes()
        tree.data(broken).write_bytes(b"")
        link = tree.tag_folder(WORKER, "latest") / "current" / "link"
        content = link.read_bytes()
        link.write_bytes(b"")
        first = take()
        assert len(first.findings) == 3
        tags.delete(principal=administrator, repository=APP, name="1.0")
        tree.data(broken).write_bytes(payload)
        link.write_bytes(content)
        late = tree.image("payments/late", b"four", tags=("1.0",))
        assert take().was_finished

        second = take(again=True)

        assert second.findings == []
        assert second.repositories == 3
        assert second.tags == first.tags + 3
        assert pulled(APP, "2.0") == str(broken)
        assert pulled(WORKER, "latest") == str(images[1])
        assert pulled("payments/late", "1.0") == str(late)
        assert tags.listing(repository=APP, limit=10) == ["2.0", "latest"]


class _Killed(BaseException):
    pass


class TestKilled:
    @pytest.mark.parametrize("step", ["open_place", "write", "write_tags"])
    @pytest.mark.parametrize("place", [APP, WORKER])
    @pytest.mark.parametrize("is_before", [True, False])
    def test_the_next_run_goes_on_to_the_same_end(
        self,
        take: Take,
        images: tuple[Digest, Digest],
        monkeypatch: pytest.MonkeyPatch,
        step: str,
        place: str,
        is_before: bool,
    ) -> None:
        real = getattr(rows, step)

        def dying(**arguments: object) -> object:
            name = arguments.get("name") or arguments["place"].name  # type: ignore[attr-defined]
            result = None if is_before and name == place else real(**arguments)
            if name == place:
                raise _Killed
            return result

        with monkeypatch.context() as patch:
            patch.setattr(rows, step, dying)
            with pytest.raises(_Killed):
                take()
        assert is_called_for()

        report = take()

        assert report.findings == []
        assert (report.repositories, report.manifests, report.tags) == (2, 4, 4)
        assert pulled(APP, "1.0") == str(images[0])
        assert pulled(WORKER, "latest") == str(images[1])
        assert TagChange.objects.count() == 5
        assert Manifest.objects.count() == 4
        assert not is_called_for()

    def test_much_comes_in_many_small_parts(
        self, take: Take, images: tuple[Digest, Digest], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(contents, "MOST_BLOBS", 1)
        monkeypatch.setattr(contents, "MOST_BYTES", 1)
        report = take()
        assert (report.repositories, report.manifests, report.tags) == (2, 4, 4)
        assert pulled(APP, "1.0") == str(images[0])
        assert pulled(WORKER, "latest") == str(images[1])

    def test_one_that_died_among_the_files_goes_on(
        self, tree: TreeMaker, take: Take, images: tuple[Digest, Digest]
    ) -> None:
        tree.blob(b"a stray")

        class Dying(Progress):
            def begin(self, what: str, total: int) -> None:
                if "files" in what:
                    raise _Killed

        with pytest.raises(_Killed):
            take(progress=Dying())
        assert Adoption.objects.get().finished_at is None

        assert take().garbage == 1
        assert AdoptedRepository.objects.count() == 2


class TestIsCalledFor:
    def test_by_a_tree_where_there_is_no_repository_yet(
        self,
        tree: TreeMaker,
        take: Take,
        images: tuple[Digest, Digest],
        administrator: Principal,
    ) -> None:
        assert is_called_for()
        take()
        assert not is_called_for()
        for name in (APP, WORKER):
            deletion.delete_repository(principal=administrator, repository=name)
        assert not is_called_for()

    def test_not_without_a_tree(self, blob_storage: object) -> None:
        assert not is_called_for()

    def test_not_where_somebody_has_pushed(self, tree: TreeMaker, administrator: Principal) -> None:
        push_image(administrator, b"new")
        assert not is_called_for()


class TestBesideOthers:
    def test_what_berth_has_already_stays(
        self, take: Take, images: tuple[Digest, Digest], administrator: Principal
    ) -> None:
        pushed = push_image(administrator, b"new", repository=APP, tags=["latest"])
        created = Repository.objects.get().created_at

        report = take()

        assert found(report) == {("tag-kept", f"{APP}:latest")}
        assert pulled(APP, "latest") == str(pushed.digest)
        assert pulled(APP, "1.0") == str(images[0])
        assert Repository.objects.get(name=APP).created_at == created

    def test_a_repository_that_is_deleted_meanwhile_is_gone(
        self,
        take: Take,
        images: tuple[Digest, Digest],
        administrator: Principal,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        write = rows.write

        def deleting(*, place: rows.Place, **arguments: object) -> None:
            write(place=place, **arguments)  # type: ignore[arg-type]
            if place.name == APP:
                deletion.delete_repository(principal=administrator, repository=APP)

        monkeypatch.setattr(rows, "write", deleting)
        take()
        take(again=True)
        assert list(Repository.objects.values_list("name", flat=True)) == [WORKER]

    def test_a_file_that_the_collector_has_just_set_aside_is_taken_back(
        self,
        tree: TreeMaker,
        take: Take,
        disk: FilesystemStorage,
        images: tuple[Digest, Digest],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It saw no row, as ours was not committed: it comes before us, or after."""
        layer = Digest.of(b"one")
        monkeypatch.setattr(
            rows, "lock_digests", lambda new: disk.discard(layer) if layer in new else None
        )
        take()
        assert pulled(APP, "1.0") == str(images[0])


class TestElsewhere:
    def test_blobs_get_second_names_and_the_tree_stays_as_it_is(
        self, other: TreeMaker, take: Take, disk: FilesystemStorage
    ) -> None:
        image = other.image(APP, b"one", tags=("1.0",))
        strong = other.push_blob(APP, b"strong", algorithm="sha512")
        other.blob(b"a stray")
        before = other.listing()

        report = take(root=other.root)

        assert other.listing() == before
        assert (report.findings, report.tags) == ([], 1)
        assert pulled(APP, "1.0") == str(image)
        for digest, source in [(Digest.of(b"one"),) * 2, (strong, Digest.of(b"strong"))]:
            assert disk.blob_path(digest).samefile(other.data(source))
        assert not disk.blob_path(Digest.of(b"a stray")).exists()
        assert not disk.is_shared()
        assert take(root=other.root).was_finished
        assert not is_called_for()

    def test_another_file_system_is_refused_and_nothing_is_copied(
        self, other: TreeMaker, take: Take, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other.image(APP, b"one", tags=("1.0",))

        def refuse(*_: object) -> None:
            raise OSError(18, os.strerror(18))

        monkeypatch.setattr(os, "link", refuse)
        with pytest.raises(AdoptionError, match="ROOTDIRECTORY"):
            take(root=other.root)
        assert Blob.objects.count() == 0
        assert list(disk.stored(int(Digest.of(b"one").hex[:2], 16))) == []

    def test_a_damaged_tree_is_no_reason_to_lose_what_berth_has(
        self, other: TreeMaker, take: Take, administrator: Principal
    ) -> None:
        push_image(administrator, b"one", repository="mine/app", tags=["1.0"])
        image = other.image(APP, b"one", tags=("1.0",))
        other.data(Digest.of(b"one")).unlink()

        report = take(root=other.root)

        assert ("blob-missing", str(Digest.of(b"one"))) in found(report)
        assert pulled(APP, "1.0") == str(image)  # by the blob that Berth had

    def test_what_is_no_tree_is_refused(self, take: Take, tmp_path: Path) -> None:
        with pytest.raises(AdoptionError, match="rootdirectory"):
            take(root=tmp_path)
        with pytest.raises(AdoptionError, match="rootdirectory"):
            take()

    def test_a_tree_that_leads_elsewhere_is_refused(
        self, other: TreeMaker, take: Take, tmp_path: Path
    ) -> None:
        other.image(APP, b"one")
        (other.base / "blobs").rename(tmp_path / "blobs")
        (other.base / "blobs").symlink_to(tmp_path / "blobs")
        with pytest.raises(AdoptionError, match="symbolic links are not followed"):
            take(root=other.root)


def test_a_dry_run_writes_nothing(
    tree: TreeMaker, take: Take, images: tuple[Digest, Digest]
) -> None:
    tree.blob(b"a stray")
    report = take(dry_run=True)
    assert (report.repositories, report.manifests, report.tags, report.garbage) == (2, 4, 4, 1)
    assert all(not rows for rows in all_rows().values())
    assert not Adoption.objects.exists()
    real = take()
    assert (report.blobs, report.bytes) == (real.blobs, real.bytes)
