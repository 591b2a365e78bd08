"""A pass goes on where it was left, whoever comes next; what happens meanwhile is noticed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Team
from repositories import (
    blobs,
    damage,
    garbage,
    hits,
    integrity,
    jobs,
    manifests,
    scrub,
    scrub_passes,
)
from repositories.access import Principal
from repositories.integrity import BlobRow, Look
from repositories.models import Blob, Job, Repository, ScrubPass
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown
from repositories.scrub_passes import Busy, TakenOver
from repositories.storage.filesystem import FilesystemStorage
from tests.repositories.content import APP, push_blob, push_image
from tests.repositories.scrubbing import (
    OPERATOR,
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

LAYERS = [b"layer %d" % number for number in range(12)]
DIGESTS = [Digest.of(layer) for layer in LAYERS]
FAST = 10**12


@pytest.fixture(autouse=True)
def _nothing_half_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process, as far as the background job can tell."""
    monkeypatch.setattr(scrub, "_half", None)
    monkeypatch.setattr(scrub, "_name", "")


@pytest.fixture
def old(writer: Principal) -> None:
    """An image whose blobs have been there for a while."""
    push_image(writer, *LAYERS, tags=["v1"])
    Blob.objects.update(created_at=timezone.now() - timedelta(days=2))


def run_slice(seconds: float = 3600, days: int = 30) -> ScrubPass | None:
    return scrub.run_slice(rate=FAST, seconds=seconds, days=days)


def interrupt_after(count: int) -> scrub.Progress:
    """Ctrl-C when so many blobs have been looked at."""

    def progress(row: ScrubPass) -> None:
        if row.blobs >= count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.django_db
class TestResumption:
    def test_a_pass_that_was_interrupted_goes_on_where_it_was(
        self, old: None, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flip(disk, DIGESTS[1])
        cut(disk, DIGESTS[9])
        read: list[str] = []
        open_blob = FilesystemStorage.open_blob

        def opened(self: FilesystemStorage, digest: Digest) -> object:
            read.append(str(digest))
            return open_blob(self, digest)

        monkeypatch.setattr(FilesystemStorage, "open_blob", opened)
        for count in (4, 7):
            with pytest.raises(KeyboardInterrupt):
                scrub.run(principal=OPERATOR, is_repairing=False, progress=interrupt_after(count))
        first = ScrubPass.objects.get()
        assert (first.blobs, first.finished_at, first.claimed_until) == (7, None, None)
        row = look()

        assert row.pk == first.pk
        assert (row.blobs, row.manifests) == (len(LAYERS) + 1, 1)
        assert found(row) == {str(DIGESTS[1]): Kind.CHANGED, str(DIGESTS[9]): Kind.CUT}
        assert len(read) == len(set(read)) == len(LAYERS)  # a cut one need not be read

    def test_what_was_found_before_anybody_repaired_is_looked_at_again(
        self, old: None, writer: Principal, disk: FilesystemStorage
    ) -> None:
        for digest in DIGESTS[:4]:
            cut(disk, digest)
        with pytest.raises(KeyboardInterrupt):
            scrub.run(principal=OPERATOR, is_repairing=False, progress=interrupt_after(6))
        assert marked() == set()
        remove(disk, DIGESTS[1])
        push_blob(writer, LAYERS[2])
        Blob.objects.filter(digest=str(DIGESTS[3])).update(digest=f"sha256:{'0' * 64}")
        row = repair()

        left = row.findings.filter(healed_at=None).values_list("target", "kind")
        assert dict(left) == {
            str(DIGESTS[0]): Kind.CUT,
            str(DIGESTS[1]): Kind.MISSING,
            f"{APP}@{row.findings.get(kind=Kind.MANIFEST_INCOMPLETE).target.partition('@')[2]}": (
                Kind.MANIFEST_INCOMPLETE
            ),
        }
        assert marked() == {str(DIGESTS[0]), str(DIGESTS[1])}
        assert row.findings.filter(healed_at=None, marked_at=None).count() == 1
        assert row.blobs == len(LAYERS) + 1

    def test_a_pass_can_be_begun_anew(self, old: None, disk: FilesystemStorage) -> None:
        flip(disk, DIGESTS[1])
        with pytest.raises(KeyboardInterrupt):
            scrub.run(principal=OPERATOR, is_repairing=False, progress=interrupt_after(4))
        disk.blob_path(DIGESTS[1]).write_bytes(LAYERS[1])
        row = look(is_anew=True)

        assert (found(row), row.blobs) == ({}, len(LAYERS) + 1)
        assert ScrubPass.objects.get() == row

    def test_who_was_killed_without_a_word_left_a_claim_that_runs_out(self, old: None) -> None:
        row = scrub_passes.begin()
        scrub_passes.claim(row, scrub_passes.holder(is_command=True))
        with pytest.raises(Busy):
            look()
        assert run_slice() is None
        ScrubPass.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
        assert look().pk == row.pk

    def test_who_was_killed_between_the_mark_and_its_next_step_is_believed(
        self, old: None, disk: FilesystemStorage
    ) -> None:
        flip(disk, DIGESTS[1])
        repair()
        ScrubPass.objects.update(finished_at=None, position=0, stage="blobs")
        assert found(repair()) == {str(DIGESTS[1]): Kind.CHANGED}

    def test_what_comes_while_a_pass_is_under_way_waits_for_the_next(
        self, old: None, writer: Principal
    ) -> None:
        with pytest.raises(KeyboardInterrupt):
            scrub.run(principal=OPERATOR, is_repairing=False, progress=interrupt_after(4))
        push_image(writer, b"new", tags=["v2"])
        row = look()
        assert (row.blobs, row.manifests) == (len(LAYERS) + 1, 1)
        assert look().blobs == len(LAYERS) + 2

    def test_a_row_whose_digest_is_none_stops_nobody(self, old: None) -> None:
        Blob.objects.filter(digest=str(DIGESTS[0])).update(digest="md5:0")
        row = look()
        assert found(row)["md5:0"] == Kind.MISSING
        assert row.finished_at


@pytest.mark.django_db
class TestBackground:
    def test_it_repairs_in_slices_until_the_pass_is_done(
        self, old: None, disk: FilesystemStorage
    ) -> None:
        flip(disk, DIGESTS[3])
        slices, place = 0, ("blobs", "bytes", "stage", "position", "finished_at")
        while not ScrubPass.objects.filter(finished_at__isnull=False).exists():
            before = ScrubPass.objects.values_list(*place).first()
            row = run_slice(seconds=0)
            assert row is not None
            assert ScrubPass.objects.values_list(*place).first() != before
            slices += 1

        assert slices > len(LAYERS)
        assert row is not None
        assert found(row) == {str(DIGESTS[3]): Kind.CHANGED}
        assert marked() == {str(DIGESTS[3])}
        assert quarantined(disk) == [str(DIGESTS[3])]
        assert run_slice() is None

    def test_the_next_pass_begins_so_many_days_after_the_last_one_began(self, old: None) -> None:
        assert run_slice() is not None
        assert run_slice(days=3) is None
        ScrubPass.objects.update(started_at=timezone.now() - timedelta(days=3.01))
        row = run_slice(days=3)
        assert row is not None
        assert row.number == 2

    def test_what_was_just_pushed_has_just_been_hashed(self, writer: Principal) -> None:
        assert run_slice() is None
        push_image(writer, *LAYERS)
        assert run_slice() is None
        assert not ScrubPass.objects.exists()

    def test_a_large_blob_is_read_over_several_slices(
        self, old: None, writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(integrity, "CHUNK", 10)
        push_blob(writer, bytes(100))
        rows = ScrubPass.objects
        while rows.filter(blobs__gte=len(LAYERS) + 1).count() == 0:
            run_slice(seconds=0)
        before = rows.get().bytes
        for step in range(1, 5):
            run_slice(seconds=0)
            assert rows.get().bytes == before + 10 * step
            assert rows.get().claimed_until  # another process would begin it anew
        while not rows.filter(finished_at__isnull=False).exists():
            run_slice(seconds=0)
        assert rows.get().bytes == before + 100
        assert found(rows.get()) == {}

    def test_a_command_takes_over_and_the_job_notices(
        self, old: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = run_slice(seconds=0)
        assert row is not None
        scrub_passes.claim(row, scrub._name)
        command = scrub_passes.begin()
        scrub_passes.claim(command, scrub_passes.holder(is_command=True))
        with pytest.raises(TakenOver):
            scrub_passes.save(row)
        assert run_slice() is None
        command.position = 10**6
        scrub_passes.let_go(command)
        assert ScrubPass.objects.get().position == 10**6

    def test_a_disk_that_is_not_there_costs_no_blob_its_mark(
        self, old: None, disk: FilesystemStorage
    ) -> None:
        disk.blobs.rename(disk.blobs.parent / "elsewhere")
        row = run_slice()
        assert row is not None
        assert marked() == set()
        assert row.withheld == len(found(row)) == len(LAYERS) + 1

    def test_what_was_left_to_people_in_a_pass_under_way_is_repaired_by_their_command(
        self, old: None, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scrub, "MOST_UNATTENDED", 1)
        for digest in DIGESTS[:3]:
            remove(disk, digest)
        while ScrubPass.objects.filter(blobs__gte=5).count() == 0:
            run_slice(seconds=0)
        assert (len(marked()), ScrubPass.objects.get().withheld) == (1, 2)
        row = repair()
        assert (row.number, row.withheld, len(marked())) == (1, 0, 3)

    def test_when_very_much_is_damaged_the_rest_is_left_to_people(
        self, old: None, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scrub, "MOST_UNATTENDED", 3)
        for digest in DIGESTS[:8]:
            remove(disk, digest)
        row = run_slice()
        assert row is not None
        assert (len(marked()), row.withheld) == (3, 5)
        assert len(found(row)) == 8
        repair()
        assert len(marked()) == 8

    @pytest.mark.parametrize("is_enabled", [True, False])
    def test_the_setting_switches_it_off(self, is_enabled: bool, settings: Settings) -> None:
        settings.SCRUB_ENABLED = is_enabled
        jobs.run_due()
        assert Job.objects.filter(name="scrub-storage").exists() is is_enabled

    def test_the_job_says_what_it_did(self, old: None) -> None:
        size = sum(Blob.objects.values_list("size", flat=True))
        assert jobs.scrub_storage() == f"pass 1 finished: 13 blobs, {size} bytes looked at"
        assert jobs.scrub_storage() == "nothing to do"


@pytest.mark.django_db
class TestMeanwhile:
    """Something happens between reading a blob and locking its digest."""

    @pytest.fixture
    def meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> list[object]:
        """What is called then, once each."""
        pending: list[object] = []
        of_blob = hits.of_blob

        def call(digest: str) -> hits.Hits:
            if pending:
                pending.pop(0)()  # type: ignore[operator]
            return of_blob(digest)

        monkeypatch.setattr(hits, "of_blob", call)
        return pending

    def test_a_push_heals_what_is_about_to_be_set_apart(
        self, old: None, writer: Principal, disk: FilesystemStorage, meanwhile: list[object]
    ) -> None:
        cut(disk, DIGESTS[2])
        meanwhile.append(lambda: push_blob(writer, LAYERS[2]))
        row = repair()
        assert (found(row), marked(), quarantined(disk)) == ({}, set(), [])
        assert disk.blob_path(DIGESTS[2]).read_bytes() == LAYERS[2]

    def test_a_push_heals_what_another_has_set_apart(
        self, old: None, writer: Principal, disk: FilesystemStorage, meanwhile: list[object]
    ) -> None:
        flip(disk, DIGESTS[2])

        def another() -> None:
            seen = damage.fingerprint(DIGESTS[2])
            damage.confirm(
                principal=OPERATOR,
                digest=DIGESTS[2],
                seen=seen,
                kind=Kind.CHANGED,
                is_repairing=True,
            )
            push_blob(writer, LAYERS[2])

        meanwhile.append(another)
        row = repair()
        assert (found(row), marked()) == ({}, set())
        assert quarantined(disk) == [str(DIGESTS[2])]  # the other's
        assert disk.blob_path(DIGESTS[2]).read_bytes() == LAYERS[2]

    def test_the_collector_removes_what_seems_to_be_missing(
        self, writer: Principal, disk: FilesystemStorage, meanwhile: list[object]
    ) -> None:
        digest = push_blob(writer, b"of no image")
        remove(disk, digest)
        meanwhile.append(lambda: garbage.collect(grace=timedelta(0)))
        row = repair()
        assert not Blob.objects.exists()
        assert found(row) == {}

    def test_a_file_that_cannot_be_set_apart_is_told_of(
        self, old: None, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(self: FilesystemStorage, digest: Digest) -> int:
            raise PermissionError(13, "Permission denied")

        flip(disk, DIGESTS[2])
        monkeypatch.setattr(FilesystemStorage, "quarantine", fail)
        row = repair()
        assert found(row) == {str(DIGESTS[2]): Kind.CHANGED}
        assert (marked(), row.withheld, bool(row.finished_at)) == (set(), 1, True)

    def test_a_manifest_that_is_deleted_is_not_taken_for_incomplete(
        self, old: None, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flaws_of = integrity.flaws_of

        def deleted(row: integrity.ManifestRow) -> object:
            manifests.delete(principal=writer, repository=APP, digest=Digest.parse(row.digest))
            return flaws_of(row)

        monkeypatch.setattr("repositories.scrub.flaws_of", deleted)
        assert found(look()) == {}

    def test_a_file_that_is_replaced_between_two_goes_is_read_anew(
        self, writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(integrity, "CHUNK", 4)
        digest = push_blob(writer, b"0123456789")
        blob = Blob.objects.get()
        flip(disk, digest)
        look = Look(BlobRow(blob.pk, digest, blob.size, is_marked=False))
        assert look.go_on(lambda _: False) is None
        disk.blob_path(digest).unlink()
        push_blob(writer, b"0123456789")
        verdict = look.go_on(lambda _: True)
        assert verdict is not None
        assert verdict.kind is None


@pytest.mark.django_db(transaction=True)
def test_what_is_marked_and_healed_is_remembered_by_nobody(
    writer: Principal, disk: FilesystemStorage, team: Team
) -> None:
    digest = push_blob(writer, LAYERS[0])
    Repository.objects.create(name="payments/other", team=team)
    assert blobs.mount(principal=writer, repository="payments/other", source=APP, digest=digest)
    flip(disk, digest)
    for _ in range(2):
        for name in (APP, "payments/other"):
            assert blobs.find(repository=name, digest=digest).size == len(LAYERS[0])
    repair()
    for name in (APP, "payments/other"):
        with pytest.raises(BlobUnknown):
            blobs.find(repository=name, digest=digest)
    push_blob(writer, LAYERS[0])
    for name in (APP, "payments/other"):
        assert blobs.find(repository=name, digest=digest).size == len(LAYERS[0])
