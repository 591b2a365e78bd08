"""`manage.py backup`: what it saves, what it reuses, and what it says of what is lost."""

import json
import os
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from accounts.management.local import OPERATOR
from repositories import deletion, garbage, manifests, reviews, trash
from repositories.access import Principal
from repositories.backups import database, saving
from repositories.backups.archive import Archive, BackupError
from repositories.backups.saving import Report
from repositories.backups.taking import Amount
from repositories.models import Blob, BlobLink
from repositories.oci.digests import Digest
from repositories.storage.filesystem import FilesystemStorage
from tests.oci.documents import CONFIG
from tests.repositories.backups.conftest import KEY, break_off, manage, refused
from tests.repositories.content import APP, push_blob, push_image

# pg_dump sees what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

Save = Callable[..., Report]
LAYER = b"a layer"
BOTH = Amount(2, len(CONFIG) + len(LAYER))
NONE = Amount()


def files_of(archive: Archive) -> dict[str, bytes]:
    """The blobs of the backup, by digest; each hashes to its name."""
    found = {}
    for path in (archive.root / "blobs").rglob("*"):
        if path.is_file():
            digest = Digest(path.parent.parent.name, path.name)
            content = path.read_bytes()
            assert Digest.of(content, digest.algorithm) == digest
            assert archive.blob_path(digest) == path
            found[str(digest)] = content
    return found


def rows() -> set[str]:
    return set(Blob.objects.values_list("digest", flat=True))


def test_every_blob_that_the_snapshot_names_is_saved(
    writer: Principal, archive: Archive, save: Save
) -> None:
    push_image(writer, LAYER, tags=["v1"])
    push_blob(writer, b"another", algorithm="sha512")
    report = save()
    snapshot = archive.find(None)
    assert report.snapshot == snapshot.name
    assert {str(blob.digest) for blob in snapshot.blobs()} == rows() == files_of(archive).keys()
    assert report.lost == []
    assert database.problems(snapshot.folder, snapshot.manifest()) == []


def test_blobs_that_only_a_delete_could_put_back_are_saved_too(
    writer: Principal, archive: Archive, save: Save
) -> None:
    push_image(writer, LAYER, tags=["v1"])
    deletion.delete_repository(principal=OPERATOR, repository=APP)
    assert not BlobLink.objects.exists()
    report = save()
    assert (report.linked, report.lost) == (BOTH, [])
    assert len(files_of(archive)) == 2


def test_blobs_are_hard_links_where_that_is_possible(
    writer: Principal, archive: Archive, save: Save, disk: FilesystemStorage
) -> None:
    push_image(writer, LAYER)
    report = save()
    assert (report.linked, report.copied) == (BOTH, NONE)
    digest = Digest.of(LAYER)
    assert archive.blob_path(digest).samefile(disk.blob_path(digest))


@pytest.mark.usefixtures("no_links")
def test_elsewhere_they_are_copies(
    writer: Principal, archive: Archive, save: Save, disk: FilesystemStorage
) -> None:
    push_image(writer, LAYER)
    report = save()
    assert (report.linked, report.copied) == (NONE, BOTH)
    digest = Digest.of(LAYER)
    assert not archive.blob_path(digest).samefile(disk.blob_path(digest))
    assert files_of(archive).keys() == rows()


@pytest.mark.usefixtures("no_links")
def test_the_next_snapshot_copies_only_what_is_new(
    writer: Principal, archive: Archive, save: Save
) -> None:
    push_image(writer, LAYER)
    save()
    inodes = {path: path.stat().st_ino for path in archive.root.rglob("blobs/*/*/*")}
    push_image(writer, b"a new layer", tags=["v2"])
    report = save()
    assert (report.copied, report.linked, report.reused) == (Amount(1, 11), NONE, BOTH)
    assert all(path.stat().st_ino == inode for path, inode in inodes.items())
    assert files_of(archive).keys() == rows()
    first, second = archive.snapshots()
    assert len(list(first.blobs())) == 2
    assert len(list(second.blobs())) == 3


def test_a_blob_that_was_collected_since_the_snapshot_is_taken_from_the_trash(
    writer: Principal, archive: Archive, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = push_image(writer, LAYER)
    before, save_blobs = rows(), saving._save_blobs

    def collected_first(*args: object) -> None:
        manifests.delete(principal=writer, repository=APP, digest=pushed.digest)
        tally = garbage.collect(grace=timedelta(0), insist=True)
        tally.add(trash.purge(grace=timedelta(0)))
        assert (tally.blobs, tally.purged) == (2, 0)
        save_blobs(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(saving, "_save_blobs", collected_first)
    report = save()
    assert (report.lost, rows()) == ([], set())
    assert files_of(archive).keys() == before
    assert trash.purge(grace=timedelta(0)).purged == 2


def test_what_is_pushed_after_the_snapshot_is_not_in_it(
    writer: Principal, archive: Archive, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_image(writer, LAYER)
    save_blobs = saving._save_blobs

    def pushed_first(*args: object) -> None:
        push_image(writer, b"a late layer", tags=["late"])
        save_blobs(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(saving, "_save_blobs", pushed_first)
    save()
    assert str(Digest.of(b"a late layer")) not in files_of(archive)


def test_a_blob_that_is_nowhere_is_named_with_its_images_and_the_rest_is_saved(
    writer: Principal, archive: Archive, place: Path, disk: FilesystemStorage
) -> None:
    pushed = push_image(writer, LAYER, tags=["v1", "latest"])
    push_image(writer, b"whole", tags=["v2"])
    lost = Digest.of(LAYER)
    disk.blob_path(lost).unlink()
    told = refused("backup", str(place))
    assert "1 blobs are lost; all else is saved" in told
    assert f"{lost}: its file is nowhere; part of {APP}@{pushed.digest} (latest, v1)" in told
    assert files_of(archive).keys() == rows() - {str(lost)}
    assert archive.find(None).manifest().missing == [str(lost)]
    assert "2 blobs of 3" in manage("backup", "--verify", str(place))


def test_with_a_lost_blob_no_older_snapshot_is_removed(
    writer: Principal, archive: Archive, place: Path, disk: FilesystemStorage
) -> None:
    push_image(writer, LAYER)
    manage("backup", str(place))
    push_image(writer, b"soon lost")
    disk.blob_path(Digest.of(b"soon lost")).unlink()
    assert "no snapshot was removed" in refused("backup", str(place), "--keep=1")
    assert len(archive.snapshots()) == 2


def test_what_the_backup_has_is_not_lost_with_the_registrys_file(
    writer: Principal, archive: Archive, save: Save, disk: FilesystemStorage
) -> None:
    push_image(writer, LAYER)
    save()
    disk.blob_path(Digest.of(LAYER)).unlink()
    report = save()
    assert (report.lost, report.reused) == ([], BOTH)


def test_a_file_of_another_size_is_not_saved(
    writer: Principal, archive: Archive, save: Save, disk: FilesystemStorage
) -> None:
    push_image(writer, LAYER)
    disk.blob_path(Digest.of(LAYER)).write_bytes(b"short")
    [lost] = save().lost
    assert lost.why == "its file has 5 bytes instead of 7"
    assert str(Digest.of(LAYER)) not in files_of(archive)


@pytest.mark.usefixtures("no_links")
def test_bytes_that_have_changed_are_not_copied(
    writer: Principal, archive: Archive, save: Save, disk: FilesystemStorage
) -> None:
    push_image(writer, LAYER)
    disk.blob_path(Digest.of(LAYER)).write_bytes(b"a lAyer")
    [lost] = save().lost
    assert "do not hash to its digest" in lost.why
    assert str(Digest.of(LAYER)) not in files_of(archive)


def test_a_backup_that_was_held_up_for_too_long_says_so_when_it_misses_a_blob(
    writer: Principal,
    archive: Archive,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    disk: FilesystemStorage,
) -> None:
    push_image(writer, LAYER)
    save_blobs = saving._save_blobs

    def held_up(*args: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM repositories_backuplease")
        disk.blob_path(Digest.of(LAYER)).unlink()
        save_blobs(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(saving, "_save_blobs", held_up)
    assert "held up for more than ten minutes" in refused("backup", str(place))
    assert archive.snapshots() == []


def test_the_files_of_the_data_folder_are_saved_with_their_modes_and_not_for_the_world(
    data_folder: Path, archive: Archive, save: Save
) -> None:
    (data_folder / "htpasswd").write_text("somebody:…")
    (data_folder / "htpasswd").chmod(0o644)
    (data_folder / "secret_key.0123456789abcdef").write_text("a draft")
    (data_folder / "berth").mkdir()
    (data_folder / "berth" / "generations").write_bytes(b"00")
    report = save()
    assert report.files == ["htpasswd", "secret_key"]
    saved = archive.find(None).folder / "data"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in saved.iterdir()}
    assert modes == {"htpasswd": 0o640, "secret_key": 0o600}
    assert (saved / "secret_key").read_bytes() == (data_folder / "secret_key").read_bytes()


def test_nobody_else_can_look_into_a_backup(writer: Principal, place: Path) -> None:
    old = os.umask(0)
    try:
        push_image(writer, LAYER)
        manage("backup", str(place))
    finally:
        os.umask(old)
    folders = [place, *(path for path in place.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    files = [path for path in (place / "snapshots").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert all(not path.stat().st_mode & 0o007 for path in files)


def test_a_key_of_the_environment_is_not_saved_and_that_is_said(
    data_folder: Path, place: Path, archive: Archive
) -> None:
    (data_folder / "secret_key").unlink()
    assert "SECRET_KEY is given by the environment" in manage("backup", str(place))
    files = [path for path in place.rglob("*") if path.is_file()]
    assert archive.find(None).folder / "manifest.json" in files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_the_summary_counts_what_is_new_linked_and_reused(writer: Principal, place: Path) -> None:
    push_image(writer, LAYER)
    told = manage("backup", str(place))
    assert f"new, linked: 2 blobs, {BOTH.bytes} bytes" in told
    assert "new, copied: 0 blobs, 0 bytes" in told
    assert f"reused: 2 blobs, {BOTH.bytes} bytes" in manage("backup", str(place))


# --- keeping, and breaking off -------------------------------------------------------------------


def test_keep_removes_older_snapshots_and_what_only_they_name(
    writer: Principal, archive: Archive, save: Save
) -> None:
    old = push_image(writer, b"an old layer")
    save()
    manifests.delete(principal=writer, repository=APP, digest=old.digest)
    reviews.nominate_forgotten()
    garbage.collect(grace=timedelta(0), insist=True)
    push_image(writer, LAYER)
    save()
    assert str(Digest.of(b"an old layer")) in files_of(archive)
    report = save(keep=2)
    assert report.removed is not None
    assert (report.removed.snapshots, report.removed.blobs, report.removed.bytes) == (1, 1, 12)
    assert files_of(archive).keys() == rows()
    assert [snapshot.name for snapshot in archive.snapshots()][-1] == report.snapshot
    assert len(archive.snapshots()) == 2
    assert "is whole" in manage("backup", "--verify", str(archive.root))


def test_keep_removes_nothing_by_a_list_that_is_damaged(
    writer: Principal, archive: Archive, place: Path
) -> None:
    """A line that is lost would take away a blob that is needed."""
    push_image(writer, LAYER)
    manage("backup", str(place))
    path = archive.find(None).folder / "blobs.txt"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    before = files_of(archive)
    assert "blobs.txt is damaged" in refused("backup", str(place), "--keep=2")
    assert files_of(archive) == before


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_at_least_one_snapshot_is_kept(number: str, place: Path) -> None:
    assert "keep" in refused("backup", str(place), f"--keep={number}")


def test_what_a_killed_run_left_counts_for_nothing_and_goes_away(
    writer: Principal, archive: Archive, save: Save
) -> None:
    push_image(writer, LAYER)
    save()
    break_off(after=archive.root)
    assert len(archive.snapshots()) == 1
    save()
    assert len(archive.snapshots()) == 2
    assert list(archive.partial.iterdir()) == []


def test_snapshots_of_one_second_do_not_get_into_each_others_way(
    save: Save, archive: Archive
) -> None:
    names = [save().snapshot for _ in range(3)]
    assert len(set(names)) == 3
    assert [snapshot.name for snapshot in archive.snapshots()] == names


# --- where to ------------------------------------------------------------------------------------


def test_two_at_once_are_refused(archive: Archive, save: Save, place: Path) -> None:
    save()
    with archive.locked(to_write=True):
        assert "Another command is at work" in refused("backup", str(place))
        assert "Another command is at work" in refused("backup", "--verify", str(place))
    with archive.locked(to_write=False):
        assert "is whole" in manage("backup", "--verify", str(place))


def test_what_fails_at_the_work_is_not_taken_for_another_command(
    archive: Archive, save: Save
) -> None:
    save()
    with pytest.raises(BlockingIOError), archive.locked(to_write=True):
        raise BlockingIOError


def test_a_folder_of_something_else_is_refused(place: Path) -> None:
    place.mkdir()
    (place / "thesis").write_text("…")
    assert "is not empty, and no backup" in refused("backup", str(place))
    assert [path.name for path in place.iterdir()] == ["thesis"]
    assert "is no backup" in refused("backup", "--verify", str(place))


def test_a_folder_of_the_registry_is_refused(data_folder: Path, disk: FilesystemStorage) -> None:
    for folder in (data_folder, data_folder / "berth" / "backup", disk.blobs / "backup"):
        assert "belongs to the registry" in refused("backup", str(folder))


def test_options_that_do_not_go_together_are_refused(place: Path) -> None:
    assert "leave out --keep" in refused("backup", str(place), "--verify", "--keep=1")
    assert "goes with --verify" in refused("backup", str(place), "--snapshot=x")


def test_a_disk_that_is_full_is_told_in_one_line_and_leaves_no_snapshot(
    writer: Principal, place: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    push_image(writer, LAYER)
    monkeypatch.setattr(saving, "take", full)
    assert "No space left" in refused("backup", str(place))
    assert archive.snapshots() == []


def test_a_manifest_of_a_newer_format_is_refused(save: Save, archive: Archive) -> None:
    save()
    path = archive.find(None).folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(BackupError, match="newer Berth"):
        archive.find(None).manifest()
