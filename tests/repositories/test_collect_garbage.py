"""`manage.py collect_garbage` and the jobs: what they say is what they do, to the byte."""

import io
import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from repositories import garbage, jobs, manifests, tags, trash
from repositories.access import Principal
from repositories.models import Blob, BlobLink, Job, Manifest, Review
from repositories.storage.filesystem import FilesystemStorage
from repositories.trash import Tally
from tests.oci import documents
from tests.repositories.content import APP, described, push_blob, push_document, push_image
from tests.repositories.test_garbage import on_disk, pass_time, stored

pytestmark = pytest.mark.django_db

LAYER = b"a layer"


def run(*options: str) -> str:
    out = io.StringIO()
    call_command("collect_garbage", *options, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def figures(text: str) -> list[int]:
    """Every number of the report, its `kept` lines aside."""
    removed = [line for line in text.splitlines() if not line.startswith("kept")]
    return [int(number) for number in re.findall(r"[0-9]+", " ".join(removed))]


def disk_bytes(disk: FilesystemStorage) -> int:
    return sum(path.stat().st_size for path in disk.root.rglob("*") if path.is_file())


@pytest.fixture
def garbage_of_all_kinds(writer: Principal, settings: Settings) -> None:
    settings.GARBAGE_UNTAGGED = 7
    push_image(writer, LAYER, b"shared", tags=["v1"])
    child = push_image(writer, b"a child's", b"shared")
    push_document(writer, documents.index(described(child)), tags=["multi"])
    push_image(writer, b"a signature", subject=described(child))
    tags.delete(principal=writer, repository=APP, name="multi")
    doomed = push_image(writer, b"of a deleted image", b"shared", tags=["v0"])
    manifests.delete(principal=writer, repository=APP, digest=doomed.digest)
    push_blob(writer, b"of no image")
    digest = str(push_blob(writer, b"a stray file"))
    BlobLink.objects.filter(blob__digest=digest).delete()
    Blob.objects.filter(digest=digest).delete()
    pass_time(7.1)


@pytest.mark.usefixtures("garbage_of_all_kinds")
def test_a_dry_run_says_exactly_what_a_run_then_does(disk: FilesystemStorage) -> None:
    before = disk_bytes(disk)
    said = run("--dry-run", "--grace", "0s")
    assert disk_bytes(disk) == before
    done = run("--grace", "0s")

    assert figures(said) == figures(done)
    gone = [b"a child's", b"a signature", b"of a deleted image", b"of no image", b"a stray file"]
    freed = sum(map(len, gone))
    assert f"{freed} bytes freed: 5 files of the trash" in done
    assert before - disk_bytes(disk) == freed
    assert "3 manifests, 4 links, 4 blobs and 1 files without a row removed" in done
    assert on_disk(disk) == stored()
    assert Manifest.objects.count() == 1


@pytest.mark.usefixtures("garbage_of_all_kinds")
def test_with_the_grace_of_the_settings_bytes_wait_in_the_trash(disk: FilesystemStorage) -> None:
    before = disk_bytes(disk)
    said, done = run("--dry-run"), run()

    assert figures(said) == figures(done)
    assert "\n0 bytes freed: 0 files of the trash" in done
    assert disk_bytes(disk) == before
    assert "of the trash, until their grace is over" in done


def test_it_says_what_it_kept_and_why(writer: Principal) -> None:
    push_image(writer, LAYER, tags=["v1"])
    assert "kept: 2 blobs that images are made of" in run("--dry-run", "--grace", "0s")
    assert "kept: 2 blobs that images are made of" in run("--grace", "0s")
    assert "kept" not in run("--grace", "0s")


@pytest.mark.parametrize("text", ["", "0", "1", "s", "-1s", "1.5h", "1y", "٣s", "0s\n"])
def test_a_duration_that_is_none_is_refused(text: str, db: None) -> None:
    with pytest.raises(CommandError, match="write 0s, 90m, 24h or 7d"):
        run(f"--grace={text}")


def test_storage_that_cannot_be_used_is_told_in_one_line(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FilesystemStorage, *, before: object) -> list[object]:
        raise PermissionError(13, "Permission denied", "trash")

    monkeypatch.setattr(FilesystemStorage, "purge_trash", fail)
    with pytest.raises(CommandError, match=r"The storage cannot be used: .*Permission denied"):
        run()


def test_jobs_remove_what_is_due_and_free_it_a_grace_later(
    writer: Principal, disk: FilesystemStorage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_image(writer, LAYER, tags=["v1"])
    push_blob(writer, b"of no image")
    monkeypatch.setattr(jobs, "SWEEP_HOURS", 1)
    assert jobs.collect_garbage().startswith("0 manifests, 0 links and 0 blobs removed")
    settings.GARBAGE_GRACE = 0
    assert jobs.collect_garbage() == (
        "0 manifests, 1 links and 1 blobs removed, 11 bytes moved to the trash"
    )
    assert jobs.sweep_storage() == (
        "0 rows nominated, 0 stray files moved to the trash, 11 bytes freed"
    )
    assert on_disk(disk) == stored()


def test_every_file_is_looked_at_once_in_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr("repositories.reviews.nominate_forgotten", lambda: 0)

    def sweep(*, grace: timedelta, shards: range) -> Tally:
        looked.extend(shards)
        return Tally()

    monkeypatch.setattr("repositories.trash.sweep", sweep)
    for hour in range(24):
        monkeypatch.setattr("time.time", lambda hour=hour: 1_000_000 * 3600.0 + hour * 3600)
        jobs.sweep_storage()
    assert sorted(looked) == list(range(trash.SHARDS))


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_setting_switches_the_collector_off(
    is_enabled: bool, db: None, settings: Settings
) -> None:
    settings.GARBAGE_ENABLED = is_enabled
    jobs.run_due()
    names = set(Job.objects.values_list("name", flat=True))
    assert ({"collect-garbage", "sweep-storage"} <= names) is is_enabled


def test_a_long_grace_is_kept(writer: Principal) -> None:
    push_blob(writer, b"of no image")
    pass_time(2)
    assert garbage.collect(grace=timedelta(days=3)).links == 0
    assert Review.objects.count() == 1


class TestDeleteUntagged:
    """`--delete-untagged`, which is `-m` of Docker's registry: without breaking an image."""

    @pytest.fixture
    def pushed(self, writer: Principal) -> dict[str, str]:
        """Digests of manifests by what they are; all of them were pushed two days ago."""
        child = push_image(writer, b"a child's")
        index = push_document(writer, documents.index(described(child)), tags=["multi"])
        signature = push_image(writer, b"a signature", subject=described(index))
        untagged = push_image(writer, b"of no tag")
        found = {"child": child, "index": index, "signature": signature, "untagged": untagged}
        pass_time(2)
        return {what: str(each.digest) for what, each in found.items()}

    def left(self, pushed: dict[str, str]) -> set[str]:
        here = set(Manifest.objects.values_list("digest", flat=True))
        return {what for what, digest in pushed.items() if digest in here}

    def test_what_a_tag_leads_to_stays_by_an_index_and_a_subject_too(
        self, pushed: dict[str, str]
    ) -> None:
        said = run("--delete-untagged", "--dry-run")
        assert self.left(pushed) == set(pushed)
        assert figures(said)[0] == 1
        assert figures(run("--delete-untagged"))[0] == 1
        assert self.left(pushed) == set(pushed) - {"untagged"}

    def test_without_it_nothing_goes(self, pushed: dict[str, str]) -> None:
        run("--grace", "0s")
        assert self.left(pushed) == set(pushed)

    def test_what_was_pushed_or_pulled_within_the_grace_stays(
        self, pushed: dict[str, str], writer: Principal
    ) -> None:
        Manifest.objects.filter(digest=pushed["untagged"]).update(pulled_at=timezone.now())
        new = push_image(writer, b"pushed just now")
        run("--delete-untagged")
        assert self.left(pushed | {"new": str(new.digest)}) == {*pushed, "new"}
        run("--delete-untagged", "--grace", "0s")
        assert self.left(pushed | {"new": str(new.digest)}) == {"child", "index", "signature"}

    def test_the_setting_is_as_it_was_afterwards(
        self, pushed: dict[str, str], settings: Settings
    ) -> None:
        settings.GARBAGE_UNTAGGED = 30
        run("--delete-untagged")
        assert settings.GARBAGE_UNTAGGED == 30

    def test_it_is_refused_where_deletes_are_switched_off(
        self, pushed: dict[str, str], settings: Settings
    ) -> None:
        settings.DELETE_ENABLED = False
        with pytest.raises(CommandError, match="REGISTRY_STORAGE_DELETE_ENABLED"):
            run("--delete-untagged")
        assert self.left(pushed) == set(pushed)


def test_quiet_says_nothing(writer: Principal) -> None:
    push_blob(writer, b"of no image")
    pass_time(2)
    assert run("--quiet") == ""
    assert "1 blobs" not in run("--dry-run")
