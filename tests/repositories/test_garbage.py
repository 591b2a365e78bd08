"""The collector: what nothing needs goes after its grace, and nothing else ever does."""

from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone
from pytest_django import Settings

from repositories import blobs, garbage, manifests, reviews, trash
from repositories.access import Principal
from repositories.models import Blob, BlobLink, Manifest, Repository, Review
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown
from repositories.reviews import Kind
from repositories.storage.filesystem import FilesystemStorage
from repositories.trash import Tally
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, push_blob, push_document, push_image
from tests.work import looked_at

pytestmark = pytest.mark.django_db

LAYER = b"a layer"
OTHER = "payments/other"
NOW = timedelta(0)
DAY = timedelta(days=1)


def collect(grace: timedelta = NOW) -> Tally:
    return garbage.collect(grace=grace)


def pass_time(days: float) -> None:
    """Everything that has been there gets older."""
    past = timedelta(days=days)
    for table, fields in (
        (Review, ["nominated_at"]),
        (Manifest, ["pushed_at", "pulled_at"]),
    ):
        for row in table.objects.all():
            for field in fields:
                if getattr(row, field):
                    setattr(row, field, getattr(row, field) - past)
            row.save(update_fields=fields)


def stored() -> set[str]:
    return set(Blob.objects.values_list("digest", flat=True))


def on_disk(disk: FilesystemStorage) -> set[str]:
    return {str(blob.digest) for shard in range(256) for blob in disk.stored(shard)}


def in_trash(disk: FilesystemStorage) -> set[str]:
    return {str(blob.digest) for blob in disk.trash()}


def delete_image(principal: Principal, digest: Digest, repository: str = APP) -> None:
    manifests.delete(principal=principal, repository=repository, digest=digest)


class TestBlobs:
    def test_what_an_image_is_made_of_stays(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        push_image(writer, LAYER, tags=["v1"])
        tally = collect()

        assert (tally.links, tally.blobs) == (0, 0)
        assert stored() == on_disk(disk) == {str(Digest.of(CONFIG)), str(Digest.of(LAYER))}
        assert not Review.objects.exists()

    def test_what_no_manifest_came_to_name_goes_when_its_grace_is_over(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        digest = push_blob(writer, LAYER)
        assert collect(DAY) == Tally()
        pass_time(1.01)
        tally = collect(DAY)

        assert (tally.links, tally.blobs, tally.trashed_bytes) == (1, 1, len(LAYER))
        assert (stored(), on_disk(disk), in_trash(disk)) == (set(), set(), {str(digest)})
        with pytest.raises(BlobUnknown):
            blobs.find(repository=APP, digest=digest)

    def test_a_deleted_image_leaves_what_others_are_made_of(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        push_image(writer, LAYER, b"shared", tags=["v1"])
        doomed = push_image(writer, b"doomed", b"shared")
        push_image(writer, b"elsewhere", repository=OTHER)
        push_blob(writer, b"elsewhere")
        delete_image(writer, doomed.digest)
        tally = collect()

        assert tally.trashed_bytes == len(b"doomed")
        gone = str(Digest.of(b"doomed"))
        assert in_trash(disk) == {gone}
        assert gone not in stored()
        assert stored() == on_disk(disk)
        assert str(Digest.of(b"elsewhere")) in stored()
        assert not BlobLink.objects.filter(
            repository__name=APP, blob__digest=str(Digest.of(b"elsewhere"))
        ).exists()

    def test_an_unlinked_blob_goes(self, writer: Principal, disk: FilesystemStorage) -> None:
        digest = push_blob(writer, LAYER)
        blobs.unlink(principal=writer, repository=APP, digest=digest)
        pass_time(0.9)
        assert collect(DAY) == Tally()
        pass_time(0.2)

        assert collect(DAY).blobs == 1
        assert on_disk(disk) == set()

    @pytest.mark.parametrize("how", ["push", "mount", "head", "unlink and push"])
    def test_who_uses_a_blob_again_begins_its_grace_anew(
        self, how: str, writer: Principal, settings: Settings
    ) -> None:
        settings.GARBAGE_GRACE = DAY.total_seconds()
        digest = push_blob(writer, LAYER)
        push_image(writer, LAYER, repository=OTHER)
        pass_time(1.01)
        if how == "head":
            found = blobs.find(repository=APP, digest=digest)
            blobs.renew(principal=writer, repository=APP, blob=found)
        elif how == "mount":
            assert blobs.mount(principal=writer, repository=APP, source=OTHER, digest=digest)
        else:
            if how == "unlink and push":
                blobs.unlink(principal=writer, repository=APP, digest=digest)
            push_blob(writer, LAYER)
        collect(DAY)

        assert blobs.find(repository=APP, digest=digest).size == len(LAYER)
        push_blob(writer, CONFIG)
        push_document(writer, documents.image(LAYER))
        pass_time(3)
        collect(DAY)
        assert blobs.find(repository=APP, digest=digest).is_used

    def test_asking_for_what_has_just_gone_says_so(self, writer: Principal) -> None:
        found = blobs.find(repository=APP, digest=push_blob(writer, LAYER))
        collect()

        with pytest.raises(BlobUnknown):
            blobs.renew(principal=writer, repository=APP, blob=found)

    def test_asking_again_and_again_does_not_write(
        self, writer: Principal, settings: Settings
    ) -> None:
        settings.GARBAGE_GRACE = DAY.total_seconds()
        found = blobs.find(repository=APP, digest=push_blob(writer, LAYER))
        at = Review.objects.get().nominated_at
        blobs.renew(principal=writer, repository=APP, blob=found)
        assert Review.objects.get().nominated_at == at
        pass_time(0.6)
        blobs.renew(principal=writer, repository=APP, blob=found)
        assert Review.objects.get().nominated_at > at

    def test_a_push_takes_its_blob_back_from_the_trash(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        digest = push_blob(writer, LAYER)
        inode = disk.blob_path(digest).stat().st_ino
        collect()
        push_blob(writer, LAYER)

        assert disk.blob_path(digest).stat().st_ino == inode
        assert in_trash(disk) == set()
        assert list(disk.uploads()) == []

    def test_what_is_cut_in_the_trash_is_not_taken_for_the_blob(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        digest = push_blob(writer, LAYER)
        disk.blob_path(digest).write_bytes(LAYER[:2])
        collect()
        push_blob(writer, LAYER)

        assert disk.blob_path(digest).read_bytes() == LAYER

    def test_the_trash_is_purged_after_the_grace(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        push_blob(writer, LAYER)
        collect()
        assert trash.purge(grace=DAY).purged_bytes == 0
        assert len(in_trash(disk)) == 1

        tally = trash.purge(grace=NOW)
        assert (tally.purged, tally.purged_bytes) == (1, len(LAYER))
        assert in_trash(disk) == set()

    def test_a_blob_that_could_not_be_removed_is_tried_again_later_and_later(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        push_blob(writer, LAYER)
        calls = []

        def fail(digest: Digest) -> None:
            calls.append(digest)
            raise OperationalError("deadlock detected")

        monkeypatch.setattr(garbage, "lock_digest", fail)
        pauses = []
        for _ in range(3):
            assert collect().kept == {"failed, and tried again later": 1}
            assert collect() == Tally()  # it has to wait
            review = Review.objects.get(kind=Kind.LINK)
            assert review.retry_at is not None
            pauses.append(review.retry_at - timezone.now())
            Review.objects.update(retry_at=timezone.now())
        monkeypatch.undo()

        assert len(calls) == 3
        assert pauses[0] < pauses[1] < pauses[2] < timedelta(minutes=5)
        assert garbage.collect(grace=NOW, insist=True).blobs == 1

    def test_a_file_that_could_not_be_moved_is_found_by_the_sweep(
        self, writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digest = push_blob(writer, LAYER)

        def fail(storage: FilesystemStorage, digest: Digest) -> int:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(FilesystemStorage, "discard", fail)
            assert collect().kept == {"failed, and tried again later": 1}
        assert (stored(), on_disk(disk)) == (set(), {str(digest)})

        tally = trash.sweep(grace=NOW)
        assert (tally.strays, tally.trashed_bytes) == (1, len(LAYER))
        assert (on_disk(disk), in_trash(disk)) == (set(), {str(digest)})

    def test_it_ends_when_its_time_is_over_and_goes_on_next_time(self, writer: Principal) -> None:
        for number in range(5):
            push_blob(writer, b"%d" % number)
        assert garbage.collect(grace=NOW, seconds=-1) == Tally()
        assert garbage.collect(grace=NOW, seconds=60).blobs == 5

    def test_many_rows_of_one_kind_do_not_keep_the_others_waiting(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blobs.unlink(principal=writer, repository=APP, digest=push_blob(writer, b"unlinked"))
        for number in range(5):
            push_blob(writer, b"%d" % number)
        clock = iter(range(100))
        monkeypatch.setattr("repositories.garbage.time.monotonic", lambda: next(clock))
        monkeypatch.setattr("repositories.garbage.give_way", lambda **_: None)
        tally = garbage.collect(grace=NOW, seconds=12)

        assert 0 < tally.links < 5
        assert tally.blobs > 0


class TestSweep:
    def test_files_without_a_row_go_and_those_with_one_stay(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        push_image(writer, LAYER)
        stray = push_blob(writer, b"stray")
        BlobLink.objects.filter(blob__digest=str(stray)).delete()
        Blob.objects.filter(digest=str(stray)).delete()
        assert trash.sweep(grace=DAY).strays == 0

        assert trash.sweep(grace=NOW).strays == 1
        assert in_trash(disk) == {str(stray)}
        assert on_disk(disk) == stored()

    def test_nothing_is_swept_beside_another_registrys_records(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        """A tree that is about to be adopted is all strays to us."""
        (disk.blobs.parent / "repositories" / "theirs").mkdir(parents=True)
        push_blob(writer, LAYER)
        BlobLink.objects.all().delete()
        Blob.objects.all().delete()
        tally = trash.sweep(grace=NOW)

        assert (tally.strays, tally.kept) == (0, {trash.SHARED: 1})
        assert len(on_disk(disk)) == 1

    def test_what_nobody_nominated_is_found(self, writer: Principal) -> None:
        push_image(writer, LAYER, tags=["v1"])
        push_blob(writer, b"loose")
        digest = push_blob(writer, b"unlinked")
        BlobLink.objects.filter(blob__digest=str(digest)).delete()
        Review.objects.all().delete()

        assert reviews.nominate_forgotten() == 2
        assert reviews.nominate_forgotten() == 0
        assert collect().blobs == 2

    def test_a_row_that_comes_back_in_time_keeps_its_file(
        self, writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the look at the rows and the move somebody pushes the same blob."""
        digest = push_blob(writer, LAYER)
        link = BlobLink.objects.get()
        BlobLink.objects.all().delete()
        Blob.objects.all().delete()
        found = list(trash.strays(int(digest.hex[:2], 16), before=timezone.now()))
        assert [blob.digest for blob in found] == [digest]
        monkeypatch.setattr(trash, "strays", lambda shard, **_: found if not shard else [])
        push_blob(writer, LAYER)
        assert trash.sweep(grace=NOW).strays == 0

        assert on_disk(disk) == {str(digest)}
        assert link.pk not in BlobLink.objects.values_list("pk", flat=True)


def reviews_of_all() -> None:
    """Nominate every row there is, a long time ago."""
    past = datetime(2020, 1, 1, tzinfo=timezone.now().tzinfo)
    with transaction.atomic():
        for kind, table in ((Kind.MANIFEST, Manifest), (Kind.LINK, BlobLink), (Kind.BLOB, Blob)):
            reviews.nominate(kind, table.objects.values_list("pk", flat=True))
    Review.objects.update(nominated_at=past)


def test_reviews_of_rows_that_are_gone_end(writer: Principal) -> None:
    push_image(writer, LAYER, tags=["v1"])
    reviews_of_all()
    Manifest.objects.all().delete()
    Repository.objects.all().delete()
    Blob.objects.all().delete()
    assert collect() == Tally()
    assert not Review.objects.exists()


def test_reviews_that_are_not_due_are_not_looked_at(writer: Principal) -> None:
    """There may be very many: everything that was pushed or deleted within the grace."""

    def a_step(number: int) -> None:
        long_ago = timezone.now() - 2 * DAY
        blob = Blob.objects.create(digest=str(Digest.of(b"blob %d" % number)), size=1)
        Review.objects.create(kind=Kind.BLOB, target=blob.pk, nominated_at=long_ago)
        assert collect(DAY).blobs == 1

    def of_step(number: int) -> int:
        return looked_at(lambda: a_step(number))

    of_step(0)
    before = of_step(1)
    Review.objects.bulk_create(Review(kind=Kind.BLOB, target=10**9 + n) for n in range(2_000))
    assert of_step(2) < before + 200


def test_all_that_is_due_is_looked_at_whenever_it_was_nominated(
    writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one piece, some of which were nominated at the same time, in no order of ids."""
    monkeypatch.setattr(garbage, "_PIECE", 3)
    now = timezone.now()
    blobs_ = Blob.objects.bulk_create(
        Blob(digest=str(Digest.of(b"blob %d" % n)), size=1) for n in range(20)
    )
    Review.objects.bulk_create(
        Review(kind=Kind.BLOB, target=blob.pk, nominated_at=now - DAY * (2 + n * 7 % 4))
        for n, blob in enumerate(blobs_)
    )
    assert collect(DAY).blobs == 20
    assert not Review.objects.exists()
