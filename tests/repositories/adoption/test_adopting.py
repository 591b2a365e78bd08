"""What comes of a tree: rows that serve what it held, and nothing of it changed."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import AuditEvent, Team
from repositories import blobs, garbage, referrers, tags, trash
from repositories.adoption.reports import Report
from repositories.models import (
    Blob,
    BlobLink,
    Manifest,
    Repository,
    Review,
    Tag,
    TagChange,
)
from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.oci.errors import ManifestUnknown
from repositories.storage.filesystem import FilesystemStorage
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.adoption.conftest import found, pulled
from tests.repositories.adoption.trees import TreeMaker, described, when

Take = Callable[..., Report]
APP = "payments/app"
pytestmark = pytest.mark.django_db


class TestAWholeTree:
    def test_every_tag_pulls_and_nothing_of_the_tree_has_changed(
        self, tree: TreeMaker, take: Take
    ) -> None:
        one = tree.image(APP, b"one", b"shared", tags=("1.0", "latest"))
        two = tree.image("payments/app/worker", b"two", b"shared", tags=("1.0",))
        bare = tree.image("hello-world", b"three", tags=("latest",))
        before = tree.listing()

        report = take()

        assert tree.listing() == before
        assert report.findings == []
        assert (report.repositories, report.manifests, report.tags) == (3, 3, 4)
        assert pulled(APP, "1.0") == pulled(APP, "latest") == str(one)
        assert pulled("payments/app/worker", "1.0") == str(two)
        assert pulled("hello-world", "latest") == str(bare)
        assert set(Team.objects.values_list("name", flat=True)) == {"payments", "library"}
        assert BlobLink.objects.filter(blob__digest=str(Digest.of(b"shared"))).count() == 2

    def test_dates_and_history_are_those_of_the_links(self, tree: TreeMaker, take: Take) -> None:
        old = tree.image(APP, b"old", tags=("latest",))
        new = tree.image(APP, b"new", tags=("latest",))
        folder = tree.tag_folder(APP, "latest")

        take()

        tag = Tag.objects.get()
        assert tag.created_at == when(folder / "index" / "sha256" / old.hex / "link")
        assert tag.pushed_at == when(folder / "current" / "link")
        changes = TagChange.objects.order_by("pk").values_list("digest", "changed_at")
        assert list(changes) == [(str(old), tag.created_at), (str(new), tag.pushed_at)]
        manifest = Manifest.objects.get(digest=str(old))
        assert manifest.pushed_at == when(tree.revision(APP, old))
        repository = Repository.objects.get()
        assert repository.created_at == when(tree.layer(APP, Digest.of(b"old")))
        assert repository.pushed_at == tag.pushed_at
        layer = BlobLink.objects.get(blob__digest=str(Digest.of(b"old")))
        assert layer.created_at == when(tree.layer(APP, Digest.of(b"old")))
        assert layer.blob.created_at == when(tree.data(Digest.of(b"old")))

    def test_a_tag_that_came_back_ends_where_it_is(self, tree: TreeMaker, take: Take) -> None:
        old = tree.image(APP, b"old", tags=("latest",))
        new = tree.image(APP, b"new", tags=("latest",))
        tree.tag(APP, "latest", old)

        take()

        assert pulled(APP, "latest") == str(old)
        changes = TagChange.objects.order_by("pk").values_list("digest", flat=True)
        assert list(changes) == [str(new), str(old)]

    def test_types_come_from_the_json_or_from_its_shape(self, tree: TreeMaker, take: Take) -> None:
        image = documents.image(mediaType=None)
        tree.push_blob(APP, CONFIG)
        plain = tree.push(APP, image)
        docker = tree.push(APP, documents.image(mediaType=media_types.DOCKER_MANIFEST))
        child = described(documents.encode(image))
        index = tree.push(APP, documents.index(child, mediaType=None), "all")
        docker_list = tree.push(APP, documents.index(child, mediaType=media_types.DOCKER_LIST))

        assert take().findings == []

        types = dict(Manifest.objects.values_list("digest", "media_type"))
        assert types == {
            str(plain): media_types.OCI_MANIFEST,
            str(docker): media_types.DOCKER_MANIFEST,
            str(index): media_types.OCI_INDEX,
            str(docker_list): media_types.DOCKER_LIST,
        }
        assert pulled(APP, "all") == str(index)

    def test_an_index_may_lack_what_it_lists(self, tree: TreeMaker, take: Take) -> None:
        gone = tree.image(APP, b"for another machine")
        payload = tree.data(gone).read_bytes()
        index = tree.push(APP, documents.index(described(payload)), "all")
        tree.delete_manifest(APP, gone)

        assert take().findings == []

        assert pulled(APP, "all") == str(index)
        with pytest.raises(ManifestUnknown):
            pulled(APP, str(gone))

    def test_what_refers_to_a_subject_is_listed_and_fallback_tags_stay(
        self, tree: TreeMaker, take: Take
    ) -> None:
        image = tree.image(APP, b"one", tags=("1.0",))
        subject = described(tree.data(image).read_bytes())
        signature = tree.push(APP, documents.image(subject=subject, artifactType="text/signature"))
        bare = tree.push(APP, documents.image(artifactType="text/bare"))
        listed = [described(tree.data(each).read_bytes()) for each in (signature, bare)]
        fallback = tree.push(APP, documents.index(*listed), f"sha256-{image.hex}")

        take()

        (entry,) = referrers.listing(repository=APP, subject=image).entries
        assert str(signature) in entry
        assert pulled(APP, f"sha256-{image.hex}") == str(fallback)
        assert pulled(APP, str(bare)) == str(bare)

    def test_a_link_grants_access_without_any_manifest(self, tree: TreeMaker, take: Take) -> None:
        digest = tree.push_blob(APP, b"pushed, and no manifest yet")

        assert take().repositories == 1

        assert blobs.find(repository=APP, digest=digest).size == 27
        assert Review.objects.filter(kind="link").count() == 1

    def test_a_blob_that_was_deleted_from_the_repository_is_linked_for_its_image(
        self, tree: TreeMaker, take: Take
    ) -> None:
        image = tree.image(APP, b"one", tags=("1.0",))
        tree.layer(APP, Digest.of(b"one")).unlink()

        assert take().findings == []
        assert pulled(APP, "1.0") == str(image)

    def test_what_was_pushed_by_sha512_is_pulled_by_it(
        self, tree: TreeMaker, take: Take, disk: FilesystemStorage
    ) -> None:
        """Distribution has stored it as sha256, and links that."""
        digest = tree.push_blob(APP, b"strong", algorithm="sha512")
        tree.push_blob(APP, CONFIG)
        layer = documents.descriptor(b"strong", digest=str(digest))
        image = tree.push(APP, documents.image(layers=[layer]), "1.0")
        before = tree.files()

        report = take()

        assert report.findings == []
        assert pulled(APP, "1.0") == str(image)
        with disk.open_blob(digest) as file:
            assert file.read() == b"strong"
        name, original = disk.blob_path(digest), tree.data(Digest.of(b"strong"))
        assert name.stat().st_ino == original.stat().st_ino  # no byte was copied
        assert tree.files().keys() - before.keys() == {tree.below(name)}
        assert report.bytes == sum(size for path, size in before.items() if "/blobs/" in path)

    def test_what_was_deleted_is_neither_taken_nor_told(self, tree: TreeMaker, take: Take) -> None:
        tree.image(APP, b"one", tags=("1.0", "latest"))
        gone = tree.image(APP, b"two", tags=("2.0",))
        tree.untag(APP, "2.0")
        tree.untag(APP, "latest")
        tree.delete_manifest(APP, gone)
        tree.layer(APP, Digest.of(b"two")).unlink()
        emptied = tree.image("payments/emptied", b"three", tags=("1.0",))
        tree.untag("payments/emptied", "1.0")
        tree.delete_manifest("payments/emptied", emptied)
        for content in (CONFIG, b"three"):
            tree.layer("payments/emptied", Digest.of(content)).unlink()

        report = take()

        assert report.findings == []
        assert (report.repositories, report.manifests, report.tags) == (1, 1, 1)
        assert tags.listing(repository=APP, limit=10) == ["1.0"]
        assert Repository.objects.count() == 1

    @pytest.mark.parametrize(
        ("anonymous", "expected"), [("none", "private"), ("pull", "private"), ("push", "public")]
    )
    def test_visibility_is_as_a_first_push_gives_it(
        self, tree: TreeMaker, take: Take, settings: Settings, anonymous: str, expected: str
    ) -> None:
        settings.ANONYMOUS_ACCESS = anonymous
        tree.image(APP, b"one", tags=("1.0",))
        take()
        assert Repository.objects.get().visibility == expected

    def test_visibility_can_be_chosen(self, tree: TreeMaker, take: Take) -> None:
        tree.image(APP, b"one", tags=("1.0",))
        take(visibility="internal")
        assert Repository.objects.get().visibility == "internal"

    def test_a_registry_that_is_read_only_takes_it_over_all_the_same(
        self, tree: TreeMaker, take: Take, settings: Settings
    ) -> None:
        """Who moves has set that on the old one first, and keeps the setting."""
        settings.READ_ONLY = True
        image = tree.image(APP, b"one", tags=("1.0",))
        take()
        assert pulled(APP, "1.0") == str(image)

    def test_it_is_written_down_who_did_it(self, tree: TreeMaker, take: Take) -> None:
        tree.image(APP, b"one", tags=("1.0",))
        take()
        event = AuditEvent.objects.get()
        assert (event.action, event.actor) == ("registry.adopt", "command line")
        assert event.detail == {"repositories": 1, "tags": 1, "findings": 0}


class TestGarbage:
    def test_what_no_record_names_goes_with_the_grace_and_the_records_keep_theirs(
        self, tree: TreeMaker, take: Take, settings: Settings
    ) -> None:
        image = tree.image(APP, b"one", tags=("1.0",))
        stray = tree.blob(b"left over by a push that was broken off")
        gone = tree.image(APP, b"one")
        deleted = tree.push(APP, documents.image(annotations={"a": "b"}))
        tree.delete_manifest(APP, deleted)

        assert take().garbage == 2

        settings.GARBAGE_GRACE = 0.0
        tally = garbage.collect(grace=timedelta(0))
        swept = trash.sweep(grace=timedelta(0))
        assert tally.blobs == 2
        assert not tree.data(stray).exists()
        assert not tree.data(deleted).exists()
        # Its bytes are in the row; the records beside it may still be wanted, and need the file.
        assert tree.data(image).exists()
        assert swept.strays == 0
        assert pulled(APP, "1.0") == str(image) == str(gone)

    def test_nothing_goes_that_an_unusable_manifest_may_need(
        self, tree: TreeMaker, take: Take
    ) -> None:
        tree.push_blob(APP, b"a layer")
        old = tree.push(APP, b'{"schemaVersion": 1, "fsLayers": []}', "old")

        report = take()

        assert report.left == 1
        assert report.garbage == 0
        assert found(report) == {
            ("manifest-refused", f"{APP}@{old}"),
            ("tag-lost", f"{APP}:old"),
        }
        assert not Blob.objects.exists()

    def test_nothing_goes_that_a_folder_may_name_which_cannot_be_read(
        self, tree: TreeMaker, take: Take, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree.image(APP, b"one", tags=("1.0",))
        tree.image("other/app", b"two", tags=("1.0",))
        closed = tree.repositories / "other"
        refuse(monkeypatch, closed)

        report = take()

        assert report.garbage == 0
        assert found(report) == {("unreadable", tree.below(closed))}
        assert pulled(APP, "1.0")

    def test_misnamed_repositories_keep_what_is_theirs(self, tree: TreeMaker, take: Take) -> None:
        tree.image("Upper/App", b"one", tags=("1.0",))

        report = take()

        assert found(report) == {("invalid-name", tree.below(tree.repositories / "Upper/App"))}
        assert report.garbage == 0


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A folder that does not let us in; root's tests are let in everywhere."""
    scandir = os.scandir

    def scan(path: str) -> object:
        if str(path) == str(folder):
            raise PermissionError(13, os.strerror(13), str(path))
        return scandir(path)

    monkeypatch.setattr("repositories.adoption.tree.os.scandir", scan)
