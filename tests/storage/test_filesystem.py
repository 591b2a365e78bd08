"""The filesystem driver: its tree, its order of durability, its locks."""

import errno
import os
import subprocess
import sys
import threading
from collections import namedtuple
from contextlib import suppress
from pathlib import Path

import pytest

from repositories.oci.digests import Digest
from repositories.storage import hashing, writeback
from repositories.storage.filesystem import FilesystemStorage
from tests.live import ROOT

UPLOAD = "0b6c1cd4-3c1c-4b1c-8f1c-000000000001"
CONTENT = b"content"
DIGEST = Digest.of(CONTENT)

Event = namedtuple("Event", "call path")


@pytest.fixture
def storage(tmp_path: Path) -> FilesystemStorage:
    storage = FilesystemStorage(tmp_path / "root")
    storage.create_upload(UPLOAD)
    return FilesystemStorage(storage.root)  # as a process that knows nothing yet


@pytest.fixture
def calls(storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What is asked of the system from now on, with paths relative to the root's parent."""
    events: list[Event] = []
    base = storage.root.parent
    fsync, write, replace, mkdir = os.fsync, os.write, os.replace, os.mkdir

    def path_of(descriptor: int) -> str:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(base))

    def recorded_fsync(descriptor: int) -> None:
        events.append(Event("fsync", path_of(descriptor)))
        fsync(descriptor)

    def recorded_write(descriptor: int, data: bytes) -> int:
        events.append(Event("write", path_of(descriptor)))
        return write(descriptor, data)

    def recorded_replace(source: Path, target: Path) -> None:
        events.append(Event("replace", str(target.relative_to(base))))
        replace(source, target)

    def recorded_mkdir(path: Path, mode: int = 0o777) -> None:
        mkdir(path, mode)
        events.append(Event("mkdir", str(path.relative_to(base))))

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "write", recorded_write)
    monkeypatch.setattr(os, "replace", recorded_replace)
    monkeypatch.setattr(os, "mkdir", recorded_mkdir)
    return events


def publish(storage: FilesystemStorage, content: bytes = CONTENT) -> None:
    with storage.write_upload(UPLOAD) as writer:
        writer.write(content)
        writer.publish(Digest.of(content))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_lies_where_the_distribution_project_has_it(
    storage: FilesystemStorage, algorithm: str
) -> None:
    digest = Digest.of(CONTENT, algorithm)
    with storage.write_upload(UPLOAD) as writer:
        writer.write(CONTENT)
        writer.publish(digest)
    path = f"docker/registry/v2/blobs/{algorithm}/{digest.hex[:2]}/{digest.hex}/data"

    assert (storage.root / path).read_bytes() == CONTENT
    assert storage.internal_path(digest) == path


def test_a_blob_that_the_distribution_project_wrote_is_served(storage: FilesystemStorage) -> None:
    folder = storage.root / f"docker/registry/v2/blobs/sha256/{DIGEST.hex[:2]}/{DIGEST.hex}"
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(CONTENT)

    assert storage.blob_size(DIGEST) == len(CONTENT)
    with storage.open_blob(DIGEST) as file:
        assert file.read() == CONTENT


def test_an_upload_in_flight_is_a_file_of_its_id(storage: FilesystemStorage) -> None:
    with storage.write_upload(UPLOAD) as writer:
        writer.write(CONTENT)

    assert (storage.root / "berth" / "uploads" / UPLOAD).read_bytes() == CONTENT


def test_publishing_leaves_nothing_but_the_blob(storage: FilesystemStorage) -> None:
    publish(storage)

    files = [path for path in storage.root.rglob("*") if path.is_file()]
    assert files == [storage.blob_path(DIGEST)]


def test_the_order_is_write_sync_rename_sync_of_the_folder(
    storage: FilesystemStorage, calls: list[Event]
) -> None:
    """R3: a name that survives a power cut names bytes that do."""
    publish(storage)

    blobs = "root/docker/registry/v2/blobs"
    prefix = f"{blobs}/sha256/{DIGEST.hex[:2]}"
    folder = f"{prefix}/{DIGEST.hex}"
    written = calls.index(Event("write", f"root/berth/uploads/{UPLOAD}"))
    synced = calls.index(Event("fsync", f"root/berth/uploads/{UPLOAD}"))
    renamed = calls.index(Event("replace", f"{folder}/data"))
    assert written < synced < renamed
    for path in ("root", "root/docker", blobs, f"{blobs}/sha256", prefix, folder):
        assert Event("fsync", path) in calls[renamed:]


def test_a_folder_is_made_sure_of_once_a_process(
    storage: FilesystemStorage, calls: list[Event]
) -> None:
    """A folder that is there may be the work of a process that was killed before it synced it."""
    publish(storage)
    storage.create_upload(UPLOAD)
    calls.clear()
    publish(storage)

    folders = [event.path for event in calls if event.call == "fsync" and "blobs" in event.path]
    assert len(folders) == 2  # the blob's own folder, and the one that has its name


def test_every_folder_on_the_way_to_the_first_upload_is_durable(
    tmp_path: Path, storage: FilesystemStorage, calls: list[Event]
) -> None:
    FilesystemStorage(storage.root / "new").create_upload(UPLOAD)

    for folder in ("root/new/berth", "root/new/berth/uploads"):
        made = calls.index(Event("mkdir", folder))
        assert Event("fsync", str(Path(folder).parent)) in calls[made:]


def test_a_new_uploads_name_is_durable_where_somebody_may_come_back_to_it(
    storage: FilesystemStorage, calls: list[Event]
) -> None:
    """I1: a chunk whose file has no name after a power cut was acknowledged in vain."""
    for durable in (True, False):
        storage.delete_upload(UPLOAD)
        storage.make_durable(storage.upload_path(UPLOAD).parent)
        calls.clear()
        storage.create_upload(UPLOAD, durable=durable)

        assert calls == [Event("fsync", "root/berth/uploads")] * durable


def test_an_upload_whose_name_cannot_be_made_durable_is_not_left_behind(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.make_durable(storage.upload_path(UPLOAD).parent)
    storage.delete_upload(UPLOAD)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        storage.create_upload(UPLOAD)

    assert list(storage.uploads()) == []


def test_what_an_earlier_request_wrote_is_synced_before_the_rename(
    storage: FilesystemStorage, calls: list[Event]
) -> None:
    """That request may have been killed before it came to its own sync."""
    with storage.write_upload(UPLOAD) as writer:
        writer.write(CONTENT)
    calls.clear()
    with storage.write_upload(UPLOAD) as writer:
        writer.publish(DIGEST)
    order = [event.call for event in calls]

    assert Event("fsync", f"root/berth/uploads/{UPLOAD}") in calls[: order.index("replace")]


def test_what_is_synced_already_is_not_synced_again(
    storage: FilesystemStorage, calls: list[Event]
) -> None:
    with storage.write_upload(UPLOAD) as writer:
        writer.write(CONTENT)
        writer.sync()
        writer.sync()
        writer.publish(DIGEST)

    assert calls.count(Event("fsync", f"root/berth/uploads/{UPLOAD}")) == 1


def test_a_failed_sync_publishes_nothing(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R4: after EIO the kernel may have dropped the bytes, whatever a second sync says."""

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    storage.check()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        publish(storage)

    assert not storage.blob_path(DIGEST).exists()


def test_a_long_upload_is_on_its_way_to_the_disk_before_its_end(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(writeback, "begin", lambda _, start, length: begun.append((start, length)))
    append, pieces = b"x" * 1_000_000, 30
    with storage.write_upload(UPLOAD) as writer:
        for _ in range(pieces):
            writer.write(append)

    ends = [start + length for start, length in begun]
    assert [start for start, _ in begun] == [0, *ends[:-1]]
    assert pieces * len(append) - ends[-1] < 10_000_000


def test_what_the_kernel_is_asked_to_begin_with_it_can_do(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10_000)
    with path.open("r+b") as file:
        assert writeback._call is not None
        assert writeback._call(file.fileno(), 0, 10_000, writeback._WRITE) == 0
        assert writeback._call(-1, 0, 10_000, writeback._WRITE) == -1


@pytest.mark.parametrize("is_refused", [False, True])
def test_no_thread_is_left_behind_by_an_upload(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch, *, is_refused: bool
) -> None:
    """Or those who come later would have to do without."""
    before = set(threading.enumerate())

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    storage.check()
    if is_refused:
        monkeypatch.setattr(os, "fsync", fail)
    with suppress(OSError):
        publish(storage, b"x" * 3_000_000)

    assert set(threading.enumerate()) == before
    assert hashing._streams._count == 0


def test_short_writes_are_completed(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    publish(storage, b"0123456789")

    assert storage.blob_path(Digest.of(b"0123456789")).read_bytes() == b"0123456789"


def test_a_resumed_upload_is_read_again_only_by_another_process(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    pread = os.pread

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        reads.append(size)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    with storage.write_upload(UPLOAD) as writer:
        writer.write(CONTENT)
    with storage.write_upload(UPLOAD) as writer:
        assert writer.digest("sha256") == DIGEST
    assert reads == []

    with FilesystemStorage(storage.root).write_upload(UPLOAD) as writer:
        assert writer.digest("sha256") == DIGEST
    assert sum(reads) == len(CONTENT)


HOLD = """
import sys
from repositories.storage import hashing, writeback
from repositories.storage.filesystem import FilesystemStorage
with FilesystemStorage(sys.argv[1]).write_upload(sys.argv[2]) as writer:
    writer.write(b"content")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_the_kernel_lets_go_of_the_lock_of_a_killed_writer(storage: FilesystemStorage) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(storage.root), UPLOAD],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"writing\n"
        holder.kill()

    with storage.write_upload(UPLOAD) as writer:
        assert writer.size == len(CONTENT)
        assert writer.digest("sha256") == DIGEST


def test_the_check_finds_a_file_in_place_of_a_folder(storage: FilesystemStorage) -> None:
    (storage.root / "docker").write_text("in the way")

    with pytest.raises(OSError) as caught:
        storage.check()
    assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR)


def test_the_check_finds_a_folder_that_cannot_be_written(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.check()
    monkeypatch.setattr(os, "access", lambda path, _: path != storage.blobs)

    with pytest.raises(PermissionError) as caught:
        storage.check()
    assert caught.value.filename == str(storage.blobs)


def test_the_check_finds_uploads_on_another_file_system(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename from one to the other is impossible: every push would fail at its very end."""
    stat = Path.stat

    def moved(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        status = stat(path, follow_symlinks=follow_symlinks)
        if path != storage.root / "berth" / "uploads":
            return status
        return os.stat_result((*status[:2], status.st_dev + 1, *status[3:]))

    storage.check()
    monkeypatch.setattr(Path, "stat", moved)
    with pytest.raises(OSError) as caught:
        storage.check()
    assert caught.value.errno == errno.EXDEV
