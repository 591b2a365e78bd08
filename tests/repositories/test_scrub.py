"""R21, R26: the scrub finds all damage and nothing else, names what that hits; a push heals it."""

import random
from datetime import timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.models import AuditEvent
from repositories import blobs, garbage, manifests, reviews, trash, uploads
from repositories.access import Principal
from repositories.models import Blob, BlobLink, Manifest, Repository, Review, ScrubPass, Tag, Upload
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown, ManifestBlobUnknown
from repositories.storage.filesystem import FilesystemStorage
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, described, push_blob, push_document, push_image
from tests.repositories.scrubbing import (
    Kind,
    cut,
    flip,
    found,
    look,
    marked,
    quarantined,
    remove,
    repair,
)

pytestmark = pytest.mark.django_db

LAYER = b"a layer"
DIGEST = Digest.of(LAYER)
OTHER = "payments/other"
DAMAGE = {Kind.CHANGED: flip, Kind.CUT: cut, Kind.MISSING: remove}


@pytest.fixture
def _no_grace(settings: Settings) -> None:
    settings.GARBAGE_GRACE = 0


def images_of(row: ScrubPass, target: object) -> list[tuple[str, str, list[str]]]:
    hits = row.findings.get(target=str(target)).hits
    return [(image["repository"], image["digest"], image["tags"]) for image in hits["images"]]


class TestFinding:
    def test_all_of_a_hundred_damaged_files_are_found_and_no_other(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        lots = random.Random(21)
        layers = [lots.randbytes(lots.randrange(1, 5000)) for _ in range(160)]
        images: dict[str, list[bytes]] = {}
        for number in range(40):
            chosen = lots.sample(layers, 8) + layers[number * 4 : number * 4 + 4]
            pushed = push_image(
                writer, *chosen, repository=f"payments/app{number % 3}", tags=[f"v{number}"]
            )
            images[str(pushed.digest)] = [*chosen, CONFIG]
        expected: dict[str, str] = {}
        for number, layer in enumerate(lots.sample(layers, 100)):
            digest = Digest.of(layer)
            kind = list(DAMAGE)[number % 3]
            DAMAGE[kind](disk, digest)
            expected[str(digest)] = kind.value
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # as PostgreSQL does by itself, outside of a transaction
        row = look()

        assert len(expected) == 100
        assert found(row) == expected
        assert (row.blobs, row.manifests) == (Blob.objects.count(), 40)
        for finding in row.findings.all():
            made_of_it = {
                digest
                for digest, content in images.items()
                if any(str(Digest.of(layer)) == finding.target for layer in content)
            }
            assert {image["digest"] for image in finding.hits["images"]} == made_of_it
            assert finding.hits["image_count"] == len(made_of_it)
            assert all(image["tags"] for image in finding.hits["images"])
        assert (marked(), quarantined(disk)) == (set(), [])

    def test_what_is_whole_is_found_whole(self, writer: Principal) -> None:
        image = push_image(writer, LAYER, b"", tags=["v1"])
        push_blob(writer, b"of no image", algorithm="sha512")
        push_document(writer, documents.index(described(image)), tags=["multi"])
        Repository.objects.create(name=OTHER, team=Repository.objects.get(name=APP).team)
        assert blobs.mount(principal=writer, repository=OTHER, source=APP, digest=DIGEST)
        row = look()

        assert found(row) == {}
        assert (row.blobs, row.manifests) == (4, 2)
        assert row.bytes == row.expected_bytes == sum(Blob.objects.values_list("size", flat=True))
        assert row.finished_at

    def test_images_are_named_by_their_tags_those_of_indexes_or_their_digest(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        tagged = push_image(writer, LAYER, tags=["v1", "v2"])
        child = push_image(writer, LAYER, b"another")
        bare = push_image(writer, LAYER, b"third", repository=OTHER)
        push_document(writer, documents.index(described(child)), tags=["multi"])
        flip(disk, DIGEST)

        row = look()
        expected = [
            (APP, str(tagged.digest), ["v1", "v2"]),
            (APP, str(child.digest), ["multi"]),
            (OTHER, str(bare.digest), []),
        ]
        assert images_of(row, DIGEST) == sorted(expected)
        hits = row.findings.get().hits
        assert (hits["repositories"], hits["repository_count"]) == ([APP, OTHER], 2)

    def test_many_images_are_counted_and_some_of_them_named(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        for number in range(23):
            tags = [f"{number}-{each}" for each in range(7)]
            push_image(writer, LAYER, annotations={"number": str(number)}, tags=tags)
        remove(disk, DIGEST)
        hits = look().findings.get().hits

        assert (len(hits["images"]), hits["image_count"]) == (20, 23)
        assert {len(image["tags"]) for image in hits["images"]} == {5}

    def test_a_disk_that_fails_is_told_from_one_that_is_wrong(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        push_blob(writer, LAYER)

        def fail(self: FilesystemStorage, digest: Digest) -> object:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(FilesystemStorage, "open_blob", fail)
        row = look()
        assert found(row) == {str(DIGEST): Kind.UNREADABLE}
        assert row.findings.get().detail == "Input/output error at 0"
        repair()
        assert marked() == {str(DIGEST)}

    def test_a_file_that_we_may_not_read_is_no_reason_to_take_it_away(
        self, writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        push_blob(writer, LAYER)

        def fail(self: FilesystemStorage, digest: Digest) -> object:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(FilesystemStorage, "open_blob", fail)
        row = repair()
        assert found(row) == {str(DIGEST): Kind.UNREADABLE}
        assert (marked(), quarantined(disk), row.withheld) == (set(), [], 1)

    @pytest.mark.usefixtures("_no_grace")
    def test_files_that_no_row_names_are_told_of_when_they_are_old(
        self, writer: Principal, settings: Settings
    ) -> None:
        push_image(writer, LAYER)
        digest = push_blob(writer, b"a stray")
        BlobLink.objects.filter(blob__digest=str(digest)).delete()
        Blob.objects.filter(digest=str(digest)).delete()

        row = look()
        assert found(row) == {str(digest): Kind.ORPHAN}
        assert row.findings.filter(is_damage=True).count() == 0
        assert row.findings.get().size == 7
        settings.GARBAGE_GRACE = 3600
        assert found(look()) == {}

    @pytest.mark.usefixtures("_no_grace")
    def test_files_beside_another_registry_are_counted_and_no_finding(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        push_blob(writer, b"a stray")
        BlobLink.objects.all().delete()
        Blob.objects.all().delete()
        (disk.blobs.parent / "repositories").mkdir()

        row = look()
        assert (found(row), row.foreign_files) == ({}, 1)

    @pytest.mark.usefixtures("_no_grace")
    def test_the_bytes_of_uploads_that_no_row_names_are_told_of(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        mine = uploads.start(principal=writer, repository=APP)
        stray = uploads.start(principal=writer, repository=APP)
        Upload.objects.filter(pk=stray.id).delete()
        strange = disk.upload_path("x").parent / "temporary\udcff"
        strange.write_bytes(b"123")

        row = look()
        assert found(row) == {
            stray.id: Kind.STRAY_UPLOAD,
            "temporary\\udcff": Kind.STRAY_UPLOAD,
        }
        assert mine.id not in found(row)
        assert row.findings.filter(is_damage=True).count() == 0

    def test_uploads_under_way_are_left_in_peace(self, writer: Principal, disk: object) -> None:
        stray = uploads.start(principal=writer, repository=APP)
        Upload.objects.filter(pk=stray.id).delete()
        assert found(look()) == {}

    def test_a_blob_without_a_link_is_nominated_and_no_finding(self, writer: Principal) -> None:
        digest = push_blob(writer, LAYER)
        blobs.unlink(principal=writer, repository=APP, digest=digest)
        Review.objects.all().delete()

        row = look()
        assert (found(row), row.unlinked) == ({}, 1)
        assert Review.objects.get().kind == reviews.Kind.BLOB

    def test_a_manifest_whose_bytes_have_changed_is_damage(self, writer: Principal) -> None:
        image = push_image(writer, LAYER, tags=["v1"])
        payload = Manifest.objects.get().payload
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE repositories_manifest SET payload = %s",
                [bytes(payload).replace(b"2", b"3")],
            )
        row = look()

        target = f"{APP}@{image.digest}"
        assert found(row) == {target: Kind.MANIFEST_CHANGED}
        assert row.findings.get().is_damage
        assert images_of(row, target) == [(APP, str(image.digest), ["v1"])]

    def test_a_manifest_that_names_a_blob_that_is_not_there_is_damage(
        self, writer: Principal
    ) -> None:
        image = push_image(writer, LAYER, b"another", tags=["v1"])
        Manifest.objects.get().blobs.filter(link__blob__digest=str(DIGEST)).delete()
        row = look()

        assert found(row) == {f"{APP}@{image.digest}": Kind.MANIFEST_INCOMPLETE}
        assert row.findings.get().detail == f"1: {DIGEST}"

    def test_an_index_without_some_of_its_manifests_is_no_damage(self, writer: Principal) -> None:
        child, absent = push_image(writer, LAYER), push_image(writer, b"absent")
        index = push_document(writer, documents.index(described(child), described(absent)))
        assert found(look()) == {}
        manifests.delete(principal=writer, repository=APP, digest=absent.digest)

        row = look()
        assert found(row) == {f"{APP}@{index.digest}": Kind.INDEX_SPARSE}
        finding = row.findings.get()
        assert (finding.is_damage, finding.detail) == (False, f"1: {absent.digest}")


class TestDifference:
    """R26: the database and the files are from different moments."""

    @pytest.mark.usefixtures("_no_grace")
    def test_a_database_that_is_older_than_the_files(self, writer: Principal) -> None:
        push_image(writer, LAYER, tags=["v1"])
        old = {table: set(table.objects.values_list("pk", flat=True)) for table in (Blob, Manifest)}
        later = [b"later %d" % number for number in range(5)]
        push_image(writer, LAYER, *later, tags=["v2"])
        Manifest.objects.exclude(pk__in=old[Manifest]).delete()
        BlobLink.objects.exclude(blob__in=old[Blob]).delete()
        Blob.objects.exclude(pk__in=old[Blob]).delete()

        row = look()
        assert found(row) == {str(Digest.of(layer)): Kind.ORPHAN for layer in later}

    @pytest.mark.usefixtures("_no_grace")
    def test_a_database_that_is_newer_than_the_files(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        push_image(writer, LAYER, tags=["v1"])
        later = [b"later %d" % number for number in range(5)]
        push_image(writer, LAYER, *later, tags=["v2"])
        for layer in later:
            remove(disk, Digest.of(layer))

        row = look()
        assert found(row) == {str(Digest.of(layer)): Kind.MISSING for layer in later}
        for layer in later:
            assert [tags for _, _, tags in images_of(row, Digest.of(layer))] == [["v2"]]

    @pytest.mark.usefixtures("_no_grace")
    def test_both_have_what_the_other_lacks(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        push_image(writer, LAYER, b"lost", tags=["v1"])
        remove(disk, Digest.of(b"lost"))
        digest = push_blob(writer, b"forgotten")
        BlobLink.objects.filter(blob__digest=str(digest)).delete()
        Blob.objects.filter(digest=str(digest)).delete()

        row = look()
        assert found(row) == {str(Digest.of(b"lost")): Kind.MISSING, str(digest): Kind.ORPHAN}


@pytest.mark.parametrize("kind", DAMAGE)
class TestHealing:
    @pytest.fixture(autouse=True)
    def _damaged(self, kind: Kind, writer: Principal, disk: FilesystemStorage) -> None:
        push_image(writer, LAYER, tags=["v1"])
        push_image(writer, LAYER, repository=OTHER, tags=["v1"])
        DAMAGE[kind](disk, DIGEST)

    def test_a_damaged_blob_is_set_apart_until_it_is_pushed_again(
        self, kind: Kind, writer: Principal, disk: FilesystemStorage
    ) -> None:
        row = repair()
        assert found(row) == {str(DIGEST): kind}
        assert quarantined(disk) == ([] if kind is Kind.MISSING else [str(DIGEST)])
        for repository in (APP, OTHER):
            with pytest.raises(BlobUnknown, match="push it again"):
                blobs.find(repository=repository, digest=DIGEST)
        assert not blobs.mount(
            principal=writer, repository="payments/third", source=APP, digest=DIGEST
        )
        assert not blobs.mount(
            principal=writer, repository="payments/third", source="", digest=DIGEST
        )

        push_blob(writer, LAYER)
        for repository in (APP, OTHER):
            assert blobs.find(repository=repository, digest=DIGEST).size == len(LAYER)
        assert disk.blob_path(DIGEST).read_bytes() == LAYER
        assert row.findings.get().healed_at
        assert found(look()) == {}
        assert quarantined(disk) == ([] if kind is Kind.MISSING else [str(DIGEST)])

    def test_a_manifest_that_names_it_is_refused_until_then(self, writer: Principal) -> None:
        repair()
        again, new = documents.image(LAYER), documents.image(LAYER, annotations={"is": "new"})
        for document in (again, new):
            with pytest.raises(ManifestBlobUnknown, match=str(DIGEST)):
                push_document(writer, document, tags=["v2"])
        assert not Tag.objects.filter(name="v2").exists()

        push_blob(writer, LAYER)
        for document in (again, new):
            push_document(writer, document, tags=["v2"])

    def test_it_is_in_the_audit_log(self, kind: Kind, writer: Principal) -> None:
        repair()
        event = AuditEvent.objects.get(target=str(DIGEST))
        action = "blob.lost" if kind is Kind.MISSING else "blob.quarantine"
        assert (event.action, event.actor) == (action, "command line")
        assert event.detail == {"found": kind.value, "repositories": 2}
        repair()
        assert AuditEvent.objects.filter(target=str(DIGEST)).count() == 1

    def test_the_next_pass_still_tells_of_it(self, kind: Kind) -> None:
        repair()
        row = look()
        assert found(row) == {str(DIGEST): Kind.MISSING}
        assert row.findings.get().marked_at
        assert not ScrubPass.objects.exclude(pk=row.pk).exists()

    def test_a_file_that_somebody_puts_back_heals_it_as_well(
        self, kind: Kind, disk: FilesystemStorage
    ) -> None:
        repair()
        path = disk.blob_path(DIGEST)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(LAYER)
        row = look()
        assert found(row) == {str(DIGEST): Kind.MARKED}
        assert marked() == {str(DIGEST)}
        row = repair()
        assert (found(row), marked()) == ({}, set())
        assert blobs.find(repository=OTHER, digest=DIGEST).size == len(LAYER)

    def test_a_second_damage_is_set_apart_beside_the_first(
        self, kind: Kind, writer: Principal, disk: FilesystemStorage
    ) -> None:
        repair()
        push_blob(writer, LAYER)
        flip(disk, DIGEST)
        repair()
        assert quarantined(disk) == [str(DIGEST)] * (1 if kind is Kind.MISSING else 2)


def test_a_push_heals_a_row_that_gives_another_size(writer: Principal) -> None:
    push_image(writer, LAYER, tags=["v1"])
    Blob.objects.filter(digest=str(DIGEST)).update(size=1)
    BlobLink.objects.filter(blob__digest=str(DIGEST)).update(size=1)
    repair()
    push_blob(writer, LAYER)

    assert blobs.find(repository=APP, digest=DIGEST).size == len(LAYER)
    assert BlobLink.objects.get(blob__digest=str(DIGEST)).size == len(LAYER)
    assert found(look()) == {}


def test_a_damaged_blob_that_nothing_needs_is_collected(
    writer: Principal, disk: FilesystemStorage
) -> None:
    push_blob(writer, LAYER)
    flip(disk, DIGEST)
    repair()
    garbage.collect(grace=timedelta(0))
    assert not Blob.objects.exists()
    trash.sweep(grace=timedelta(0))
    assert quarantined(disk) == [str(DIGEST)]
    assert found(look()) == {}
