"""What is damaged in a tree is told, each thing once, and all else is taken over."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from repositories import blobs
from repositories.adoption.reports import Report
from repositories.models import Blob, Manifest, Repository, Tag
from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.adoption.conftest import found, pulled
from tests.repositories.adoption.trees import TreeMaker
from tests.repositories.content import push_blob

Take = Callable[..., Report]
APP = "payments/app"
pytestmark = pytest.mark.django_db


@pytest.fixture
def image(tree: TreeMaker) -> Digest:
    """One that is whole, beside whatever is not."""
    return tree.image(APP, b"one", tags=("1.0",))


@pytest.fixture
def spoilt(tree: TreeMaker, image: Digest) -> Digest:
    """One that a test damages, by the tag 2.0."""
    return tree.image(APP, b"two", tags=("2.0",))


@pytest.fixture(autouse=True)
def _whole(image: Digest, request: pytest.FixtureRequest) -> "object":
    """In every test, the image beside the damage pulls."""
    yield
    assert pulled(APP, "1.0") == str(image)


class TestManifests:
    def lost(self, spoilt: Digest, kind: str) -> set[tuple[str, str]]:
        return {(kind, f"{APP}@{spoilt}"), ("tag-lost", f"{APP}:2.0")}

    def test_missing_empty_and_changed_ones(
        self, tree: TreeMaker, take: Take, spoilt: Digest
    ) -> None:
        path = tree.data(spoilt)
        payload = path.read_bytes()
        path.unlink()
        assert found(take(dry_run=True)) == self.lost(spoilt, "manifest-missing")
        path.write_bytes(b"")
        assert found(take(dry_run=True)) == self.lost(spoilt, "manifest-empty")
        path.write_bytes(payload.replace(b"2", b"3", 1))
        assert found(take()) == self.lost(spoilt, "manifest-changed")
        assert set(Tag.objects.values_list("name", flat=True)) == {"1.0"}

    @pytest.mark.parametrize(
        "payload",
        [
            b'{"schemaVersion": 1, "name": "app", "fsLayers": []}',
            b"no JSON",
            b"[1]",
            b'{"schemaVersion": 2, "mediaType": 7}',
            b'{"schemaVersion": 2, "schemaVersion": 2, "config": {}, "layers": []}',
            documents.encode(documents.image(mediaType="application/vnd.example+json")),
            b" " * (4 * 1024 * 1024 + 1),
        ],
    )
    def test_ones_that_berth_does_not_take(
        self, tree: TreeMaker, take: Take, payload: bytes
    ) -> None:
        old = tree.push(APP, payload, "2.0")
        # Where a first version of Docker's registry has kept signatures of schema 1.
        tree.link(tree.revision(APP, old).parent / "signatures" / "sha256" / "x" / "link", old)
        assert found(take()) == self.lost(old, "manifest-refused")

    def test_an_old_schema_is_called_by_its_name(self, tree: TreeMaker, take: Take) -> None:
        tree.push(APP, b'{"schemaVersion": 1, "fsLayers": []}')
        (finding,) = take().findings
        assert "schema 1" in finding.detail


class TestBlobs:
    @pytest.mark.parametrize(
        ("content", "kind"),
        [(None, "blob-missing"), (b"", "blob-empty"), (b"t", "blob-size"), (b"two!", "blob-size")],
    )
    def test_an_image_without_one_is_kept_until_somebody_pushes_that(
        self,
        tree: TreeMaker,
        take: Take,
        spoilt: Digest,
        administrator: "object",
        content: bytes | None,
        kind: str,
    ) -> None:
        layer = Digest.of(b"two")
        if content is None:
            tree.data(layer).unlink()
        else:
            tree.data(layer).write_bytes(content)

        report = take()

        assert found(report) == {(kind, str(layer)), ("manifest-incomplete", f"{APP}@{spoilt}")}
        (told,) = (each for each in report.findings if each.kind == "manifest-incomplete")
        assert str(layer) in told.detail
        assert "its tags: 2.0" in told.detail
        with pytest.raises(BlobUnknown, match="push it again"):
            blobs.find(repository=APP, digest=layer)
        assert Blob.objects.get(digest=str(layer)).size == 3
        push_blob(administrator, b"two")  # type: ignore[arg-type]
        assert pulled(APP, "2.0") == str(spoilt)

    def test_one_that_was_cut_off_is_called_so_when_all_is_read_as_well(
        self, tree: TreeMaker, take: Take, spoilt: Digest
    ) -> None:
        tree.data(Digest.of(b"two")).write_bytes(b"t")
        wanted = {("blob-size", str(Digest.of(b"two"))), ("manifest-incomplete", f"{APP}@{spoilt}")}
        assert found(take(dry_run=True)) == found(take(verify=True)) == wanted

    def test_the_same_size_is_found_out_by_reading_alone(
        self, tree: TreeMaker, take: Take, spoilt: Digest
    ) -> None:
        layer = Digest.of(b"two")
        tree.data(layer).write_bytes(b"TWO")
        assert found(take(dry_run=True)) == set()
        report = take(verify=True)
        assert found(report) == {
            ("blob-changed", str(layer)),
            ("manifest-incomplete", f"{APP}@{spoilt}"),
        }
        assert Blob.objects.exclude(damaged_at=None).get().digest == str(layer)

    def test_a_manifest_that_gives_a_wrong_size_is_told_and_kept(
        self, tree: TreeMaker, take: Take
    ) -> None:
        """Distribution does not compare them."""
        wrong = documents.image(layers=[documents.descriptor(b"one", size=999)])
        image = tree.push(APP, wrong, "2.0")
        report = take()
        assert found(report) == {("manifest-sizes", f"{APP}@{image}")}
        assert pulled(APP, "2.0") == str(image)

    def test_one_that_is_lost_to_several_repositories_is_told_in_each(
        self, tree: TreeMaker, take: Take, spoilt: Digest
    ) -> None:
        same = tree.image("other/app", b"two", tags=("2.0",))
        layer = Digest.of(b"two")
        tree.data(layer).unlink()
        report = take()
        assert sorted((each.repository, each.kind, each.target) for each in report.findings) == [
            ("other/app", "blob-missing", str(layer)),
            ("other/app", "manifest-incomplete", f"other/app@{same}"),
            (APP, "blob-missing", str(layer)),
            (APP, "manifest-incomplete", f"{APP}@{spoilt}"),
        ]

    def test_a_link_to_one_that_no_image_needs(self, tree: TreeMaker, take: Take) -> None:
        layer = tree.push_blob(APP, b"two")
        tree.data(layer).unlink()
        assert found(take()) == {("blob-missing", str(layer))}
        assert not Blob.objects.filter(digest=str(layer)).exists()

    def test_one_by_another_name_that_is_not_its(self, tree: TreeMaker, take: Take) -> None:
        wrong = Digest.of(b"three", "sha512")
        tree.link(tree.layer(APP, wrong), Digest.of(b"one"))
        assert found(take()) == {("blob-changed", str(wrong))}

    def test_an_empty_one_can_be_whole(self, tree: TreeMaker, take: Take) -> None:
        image = tree.image(APP, b"", tags=("2.0",))
        assert found(take()) == set()
        assert pulled(APP, "2.0") == str(image)

    def test_one_that_cannot_be_read_is_healed_when_it_can(
        self, tree: TreeMaker, take: Take, spoilt: Digest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layer = Digest.of(b"two")
        monkeypatch.setattr(os, "access", lambda path, _: path != str(tree.data(layer)))
        assert ("unreadable", str(layer)) in found(take())


class TestLinks:
    @pytest.mark.parametrize(
        "content", [b"", b"sha256:44", b"sha256:" + b"0" * 64 + b"\n", b"\xff"]
    )
    def test_broken_ones(self, tree: TreeMaker, take: Take, spoilt: Digest, content: bytes) -> None:
        tree.write(tree.tag_folder(APP, "2.0") / "current" / "link", content)
        tree.write(tree.layer(APP, Digest.of(b"two")), content)
        other = tree.image("other/app", b"three", tags=("3.0",))
        tree.write(tree.revision("other/app", other), content)

        report = take()

        assert found(report) == {
            ("broken-link", f"{APP}:2.0"),
            ("broken-link", str(Digest.of(b"two"))),
            ("broken-link", f"other/app@{other}"),
            ("tag-lost", "other/app:3.0"),
        }
        assert pulled(APP, str(spoilt)) == str(spoilt)
        # Its layers are left where they are: nobody knows what the manifest needs.
        assert report.left == 2
        assert not Repository.objects.filter(name="other/app").exists()

    def test_one_that_names_another_digest(
        self, tree: TreeMaker, take: Take, image: Digest
    ) -> None:
        wrong = Digest.of(b"something else")
        tree.link(tree.revision(APP, wrong), image)
        assert found(take()) == {("broken-link", f"{APP}@{wrong}")}

    def test_a_tag_of_a_manifest_that_was_deleted(
        self, tree: TreeMaker, take: Take, spoilt: Digest
    ) -> None:
        tree.delete_manifest(APP, spoilt)
        (finding,) = take().findings
        assert (finding.kind, finding.target) == ("tag-lost", f"{APP}:2.0")
        assert "not in the repository any more" in finding.detail

    def test_a_tag_that_never_became_current(
        self, tree: TreeMaker, take: Take, image: Digest
    ) -> None:
        tree.link(tree.tag_folder(APP, "2.0") / "index" / "sha256" / image.hex / "link", image)
        assert found(take()) == {("tag-lost", f"{APP}:2.0")}

    def test_symbolic_links_are_not_followed(
        self, tree: TreeMaker, take: Take, image: Digest, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.write_text(str(image))
        link = tree.tag_folder(APP, "2.0") / "current" / "link"
        link.parent.mkdir(parents=True)
        link.symlink_to(outside)
        (tree.repositories / "linked").symlink_to(tree.repositories / "payments")
        copied = tree.repositories / "copied"
        (copied / "_manifests").mkdir(parents=True)
        (copied / "_layers").symlink_to(tree.repositories / APP / "_layers")
        secret = tree.push_blob(APP, b"a secret of somebody's")
        tree.data(secret).unlink()
        tree.data(secret).symlink_to(outside)
        folder = tree.push_blob(APP, b"in a folder elsewhere")
        tree.data(folder).parent.rename(tmp_path / "elsewhere")
        tree.data(folder).parent.symlink_to(tmp_path / "elsewhere")

        report = take()

        assert found(report) == {
            ("symbolic-link", f"{APP}:2.0"),
            ("symbolic-link", tree.below(tree.repositories / "linked")),
            ("symbolic-link", tree.below(copied / "_layers")),
            ("symbolic-link", str(secret)),
            ("symbolic-link", str(folder)),
            ("symbolic-link", tree.below(tree.data(folder).parent)),
        }
        assert not Blob.objects.filter(digest__in=[str(secret), str(folder)]).exists()
        assert list(Repository.objects.values_list("name", flat=True)) == [APP]


class TestStrangers:
    def test_leftovers_and_what_nobody_knows(self, tree: TreeMaker, take: Take) -> None:
        base, app = tree.base, tree.repositories / APP
        digest = Digest.of(b"one")
        names = {
            app / "notes.txt": "unknown",
            app / "_trash" / "x": "unknown",
            app / "_manifests" / "tags" / "1.0" / "index.bak": "unknown",
            app / "_manifests" / "tags" / "-odd" / "current" / "link": "invalid-name",
            app / "_manifests" / "other" / "x": "unknown",
            app / "_layers" / "md5" / "x": "unknown",
            app / "_layers" / "sha256" / "short" / "link": "unknown",
            tree.layer(APP, digest).with_name("link.5f3a.tmp"): "leftover",
            tree.data(digest).with_name("data.5f3a.tmp"): "leftover",
            base / "blobs" / "md5" / "x": "unknown",
            base / "blobs" / "sha256" / "zz" / "x": "unknown",
            base / "blobs" / "sha256" / "aa" / "short" / "data": "unknown",
        }
        for path in names:
            tree.write(path, b"x")
        ends = {"_trash", "-odd", "other", "md5", "short", "zz"}
        places = {next((up for up in path.parents if up.name in ends), path) for path in names}
        (app / "_uploads" / "some-id").mkdir(parents=True)

        report = take()

        assert {target for _, target in found(report)} == {tree.below(path) for path in places}
        kinds = sorted(finding.kind for finding in report.findings)
        assert kinds == sorted(names.values())

    def test_names_that_are_none_and_depths_without_end(self, tree: TreeMaker, take: Take) -> None:
        tree.image("payments/App", b"two", tags=("1.0",))
        os.makedirs(os.fsencode(tree.repositories) + b"/payments/\xff\xfe/_layers")
        deep = tree.repositories
        descriptor = os.open(deep, os.O_RDONLY)
        for _ in range(200):
            os.mkdir("a", dir_fd=descriptor)
            inner = os.open("a", os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        os.close(descriptor)

        report = take()

        kinds = [finding.kind for finding in report.findings]
        assert kinds == ["invalid-name"] * 3
        assert Repository.objects.count() == 1
        assert any("\\xff\\xfe" in finding.target for finding in report.findings)
        assert Manifest.objects.get().media_type == media_types.OCI_MANIFEST

    def test_a_damaged_file_that_no_record_names(self, tree: TreeMaker, take: Take) -> None:
        digest = tree.blob(b"cut off")
        tree.data(digest).write_bytes(b"")
        assert found(take()) == {("blob-empty", str(digest))}
        assert Blob.objects.exclude(damaged_at=None).get().digest == str(digest)

    def test_a_config_is_a_blob_as_others_are(self, tree: TreeMaker, take: Take) -> None:
        take()
        assert Blob.objects.filter(digest=str(Digest.of(CONFIG))).exists()
