"""The contract of `storage/base.py`: every driver passes all of this."""

import errno
import random
import threading
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from repositories.oci.digests import Digest
from repositories.storage.base import BlobMissing, Storage, UploadBusy, UploadGone
from tests.storage.conftest import Driver

ALGORITHMS = ["sha256", "sha512"]
UPLOAD = str(uuid.UUID(int=1))
OTHER = str(uuid.UUID(int=2))


@pytest.fixture(autouse=True)
def upload(driver: Driver) -> None:
    """The upload of every test, opened."""
    driver.open().create_upload(UPLOAD)


def append(storage: Storage, *chunks: bytes, upload: str = UPLOAD) -> None:
    with storage.write_upload(upload) as writer:
        for chunk in chunks:
            writer.write(chunk)
        writer.sync()


def publish(storage: Storage, content: bytes, *, algorithm: str = "sha256") -> Digest:
    digest, upload = Digest.of(content, algorithm), str(uuid.uuid4())
    storage.create_upload(upload)
    with storage.write_upload(upload, algorithm) as writer:
        writer.write(content)
        writer.publish(digest)
    return digest


def read(storage: Storage, digest: Digest) -> bytes:
    with storage.open_blob(digest) as file:
        return file.read()


def test_an_upload_that_nobody_wrote_to_is_empty(driver: Driver) -> None:
    storage = driver.open()

    assert storage.upload_size(UPLOAD) == 0
    assert [(upload.id, upload.size) for upload in storage.uploads()] == [(UPLOAD, 0)]
    with storage.write_upload(UPLOAD) as writer:
        assert writer.size == 0
        assert writer.digest("sha256") == Digest.of(b"")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_memory_of_a_chunk_may_be_used_again_after_the_next(
    driver: Driver, algorithm: str
) -> None:
    """As bodies are received: into two stretches of memory by turns."""
    content = random.Random(1).randbytes(5_000_000)
    storage = driver.open()
    stretches = [memoryview(bytearray(200_000)) for _ in range(2)]
    with storage.write_upload(UPLOAD, algorithm) as writer:
        for start in range(0, len(content), 200_000):
            piece = content[start : start + 200_000]
            stretches[0][:] = piece
            writer.write(stretches[0])
            stretches.reverse()
        digest = writer.digest(algorithm)
        writer.publish(digest)

    assert digest == Digest.of(content, algorithm)
    assert read(storage, digest) == content


def test_an_upload_that_was_not_opened_is_none(driver: Driver) -> None:
    """It may have been finished: making it anew would take bytes that end up in no blob."""
    storage = driver.open()

    with pytest.raises(UploadGone):
        storage.upload_size(OTHER)
    with pytest.raises(UploadGone), storage.write_upload(OTHER):
        pass
    assert [upload.id for upload in storage.uploads()] == [UPLOAD]


def test_an_upload_whose_sync_failed_is_gone(driver: Driver) -> None:
    """Nobody knows which of its bytes are on the disk, and the next sync would claim success."""
    storage = driver.open()
    with pytest.raises(OSError), storage.write_upload(UPLOAD) as writer:  # noqa: PT012
        writer.write(b"content")
        driver.fail_sync(errno.EIO)
        writer.sync()

    with pytest.raises(UploadGone):
        driver.open().upload_size(UPLOAD)


def test_chunks_are_appended_in_one_request_and_over_several(driver: Driver) -> None:
    storage = driver.open()
    append(storage, b"one", b"", b"two")
    append(storage, b"three")

    assert storage.upload_size(UPLOAD) == 11
    with storage.write_upload(UPLOAD) as writer:
        assert writer.size == 11
        assert writer.digest("sha256") == Digest.of(b"onetwothree")


def test_what_was_written_counts_at_once_for_everybody(driver: Driver) -> None:
    """Whoever asks for the status while another request writes, or after it was killed."""
    with driver.open().write_upload(UPLOAD) as writer:
        writer.write(b"12345")
        assert writer.size == 5
        assert driver.open().upload_size(UPLOAD) == 5
        writer.write(b"678")
        assert driver.open().upload_size(UPLOAD) == 8


@pytest.mark.parametrize("asked", ALGORITHMS)
@pytest.mark.parametrize("announced", ALGORITHMS)
def test_an_upload_resumed_in_another_process_has_the_digest_of_all_its_bytes(
    driver: Driver, announced: str, asked: str
) -> None:
    with driver.open().write_upload(UPLOAD, announced) as writer:
        writer.write(b"first")
    with driver.open().write_upload(UPLOAD, announced) as writer:
        writer.write(b"second")
        assert writer.digest(asked) == Digest.of(b"firstsecond", asked)


@pytest.mark.parametrize("asked", ALGORITHMS)
def test_an_upload_resumed_in_the_same_process_has_the_digest_of_all_its_bytes(
    driver: Driver, asked: str
) -> None:
    storage = driver.open()
    append(storage, b"first")
    with storage.write_upload(UPLOAD, asked) as writer:
        writer.write(b"second")
        assert writer.digest(asked) == Digest.of(b"firstsecond", asked)


def test_what_another_process_wrote_meanwhile_is_part_of_the_digest(driver: Driver) -> None:
    mine, theirs = driver.open(), driver.open()
    append(mine, b"1")
    append(theirs, b"2")
    append(mine, b"3")
    append(theirs, b"4")

    with mine.write_upload(UPLOAD) as writer:
        assert writer.digest("sha256") == Digest.of(b"1234")


def test_a_digest_may_be_asked_for_at_any_point(driver: Driver) -> None:
    with driver.open().write_upload(UPLOAD) as writer:
        for end in (1, 2, 3):
            writer.write(b"x")
            assert writer.digest("sha256") == Digest.of(b"x" * end)
            assert writer.digest("sha512") == Digest.of(b"x" * end, "sha512")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("content", [b"", b"blob", bytes(range(256)) * 8192])
def test_a_published_upload_is_a_blob_for_everybody(
    driver: Driver, content: bytes, algorithm: str
) -> None:
    digest = publish(driver.open(), content, algorithm=algorithm)
    storage = driver.open()

    assert storage.blob_size(digest) == len(content)
    assert read(storage, digest) == content
    storage.confirm(digest)
    assert [upload.id for upload in storage.uploads()] == [UPLOAD]


def test_an_upload_of_several_requests_can_be_published(driver: Driver) -> None:
    append(driver.open(), b"first")
    with driver.open().write_upload(UPLOAD) as writer:
        writer.write(b"second")
        writer.publish(Digest.of(b"firstsecond"))

    assert read(driver.open(), Digest.of(b"firstsecond")) == b"firstsecond"


def test_a_blob_can_be_read_from_anywhere_in_it(driver: Driver) -> None:
    storage = driver.open()
    with storage.open_blob(publish(storage, b"0123456789")) as file:
        file.seek(7)
        assert file.read(2) == b"78"
        file.seek(0)
        assert file.read(1) == b"0"


def test_publishing_the_same_blob_again_heals_a_damaged_one(driver: Driver) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    driver.damage(storage.internal_path(digest), b"rubbish, and longer")
    publish(storage, b"content")

    assert read(storage, digest) == b"content"
    assert storage.blob_size(digest) == 7


def test_whoever_reads_a_blob_goes_on_reading_it_while_it_is_published_again(
    driver: Driver,
) -> None:
    storage = driver.open()
    digest = publish(storage, b"content")
    with storage.open_blob(digest) as file:
        assert file.read(3) == b"con"
        publish(storage, b"content")
        assert file.read() == b"tent"


def test_a_blob_that_nobody_published_is_missing(driver: Driver) -> None:
    storage = driver.open()

    with pytest.raises(BlobMissing):
        storage.open_blob(Digest.of(b"absent"))
    with pytest.raises(BlobMissing):
        storage.blob_size(Digest.of(b"absent"))


def test_algorithms_do_not_share_blobs(driver: Driver) -> None:
    storage = driver.open()
    publish(storage, b"content", algorithm="sha512")

    with pytest.raises(BlobMissing):
        storage.blob_size(Digest.of(b"content", "sha256"))


def test_a_discarded_upload_is_gone(driver: Driver) -> None:
    storage = driver.open()
    with storage.write_upload(UPLOAD) as writer:
        writer.write(b"wrong")
        writer.discard()

    with pytest.raises(UploadGone):
        storage.upload_size(UPLOAD)
    assert list(storage.uploads()) == []


def test_an_id_that_is_used_anew_starts_from_nothing(driver: Driver) -> None:
    storage = driver.open()
    append(storage, b"old")
    storage.delete_upload(UPLOAD)
    storage.create_upload(UPLOAD)
    append(storage, b"new")

    with storage.write_upload(UPLOAD) as writer:
        assert writer.digest("sha256") == Digest.of(b"new")


def test_an_upload_is_deleted_once_and_a_missing_one_not_at_all(driver: Driver) -> None:
    storage = driver.open()
    append(storage, b"content")
    storage.delete_upload(UPLOAD)
    storage.delete_upload(UPLOAD)

    with pytest.raises(UploadGone):
        storage.upload_size(UPLOAD)


def test_what_an_interrupted_request_wrote_stays(driver: Driver) -> None:
    with suppress(RuntimeError), driver.open().write_upload(UPLOAD) as writer:
        writer.write(b"so far")
        raise RuntimeError("the client went away")

    with driver.open().write_upload(UPLOAD) as writer:
        assert writer.size == 6
        writer.write(b" so good")
        assert writer.digest("sha256") == Digest.of(b"so far so good")


def test_an_upload_has_one_writer_at_a_time(driver: Driver) -> None:
    driver.set_patience(0.05)
    with driver.open().write_upload(UPLOAD) as writer:
        writer.write(b"mine")
        with pytest.raises(UploadBusy), driver.open().write_upload(UPLOAD):
            pass
        assert driver.open().upload_size(UPLOAD) == 4
        driver.open().create_upload(OTHER)
        append(driver.open(), b"theirs", upload=OTHER)

    append(driver.open(), b"!")
    assert driver.open().upload_size(UPLOAD) == 5


def test_a_second_writer_waits_a_little_for_the_first(driver: Driver) -> None:
    driver.set_patience(60)
    second = threading.Thread(target=append, args=(driver.open(), b"second"))
    with driver.open().write_upload(UPLOAD) as writer:
        second.start()
        assert driver.somebody_waits.wait(30)
        writer.write(b"first")
    second.join()

    with driver.open().write_upload(UPLOAD) as writer:
        assert writer.digest("sha256") == Digest.of(b"firstsecond")


@pytest.mark.parametrize("end", ["published", "discarded", "deleted and begun anew"])
def test_who_waited_for_an_upload_that_has_ended_does_not_write_to_it(
    driver: Driver, end: str
) -> None:
    """What the second appended would go into the published blob."""
    driver.set_patience(60)
    seen: list[BaseException] = []

    def wait() -> None:
        try:
            append(driver.open(), b"late")
        except UploadGone as error:
            seen.append(error)

    second = threading.Thread(target=wait)
    storage = driver.open()
    with storage.write_upload(UPLOAD) as writer:
        writer.write(b"content")
        second.start()
        assert driver.somebody_waits.wait(30)
        if end == "published":
            writer.publish(Digest.of(b"content"))
        elif end == "discarded":
            writer.discard()
        else:
            storage.delete_upload(UPLOAD)
            storage.create_upload(UPLOAD)
            append(storage, b"anew")
    second.join()

    assert [type(error) for error in seen] == [UploadGone]
    if end.startswith("deleted"):
        assert storage.upload_size(UPLOAD) == 4
    if end == "published":
        assert read(storage, Digest.of(b"content")) == b"content"


@pytest.mark.parametrize("taken", [0, 1, 9])
def test_a_write_that_fails_half_way_leaves_the_upload_as_it_was(
    driver: Driver, taken: int
) -> None:
    with driver.open().write_upload(UPLOAD) as writer:
        writer.write(b"before ")
        driver.fail_write(taken, errno.ENOSPC)
        with pytest.raises(OSError, match="No space left") as caught:
            writer.write(b"ten bytes!")
        assert caught.value.errno == errno.ENOSPC
        assert writer.size == driver.open().upload_size(UPLOAD) == 7
        writer.write(b"after")
        assert writer.digest("sha256") == Digest.of(b"before after")

    with driver.open().write_upload(UPLOAD) as writer:
        assert writer.digest("sha256") == Digest.of(b"before after")


def test_an_upload_whose_write_failed_can_be_finished_and_published(driver: Driver) -> None:
    storage = driver.open()
    with storage.write_upload(UPLOAD) as writer:
        driver.fail_write(4, errno.EIO)
        with suppress(OSError):
            writer.write(b"12345678")
    with storage.write_upload(UPLOAD) as writer:
        writer.write(b"abc")
        assert writer.digest("sha256") == Digest.of(b"abc")
        writer.publish(Digest.of(b"abc"))

    assert read(storage, Digest.of(b"abc")) == b"abc"


def test_uploads_in_flight_are_listed_with_size_and_time(driver: Driver) -> None:
    storage = driver.open()
    append(storage, b"one")
    storage.create_upload(OTHER)
    append(storage, b"three", upload=OTHER)
    listed = {upload.id: upload for upload in driver.open().uploads()}

    assert {id: upload.size for id, upload in listed.items()} == {UPLOAD: 3, OTHER: 5}
    for upload in listed.values():
        assert abs(datetime.now(UTC) - upload.modified) < timedelta(minutes=5)
        with driver.open().write_upload(upload.id) as writer:
            assert writer.modified == upload.modified


def test_published_and_deleted_uploads_are_not_listed(driver: Driver) -> None:
    storage = driver.open()
    publish(storage, b"content")
    append(storage, b"content")
    storage.delete_upload(UPLOAD)

    assert list(storage.uploads()) == []


def test_the_internal_path_is_below_the_root_and_the_blobs_own(driver: Driver) -> None:
    storage = driver.open()
    paths = {
        storage.internal_path(digest)
        for content in (b"a", b"b")
        for digest in (Digest.of(content), Digest.of(content, "sha512"))
    }

    assert len(paths) == 4
    assert not any(path.startswith("/") or ".." in path for path in paths)


def test_fresh_and_used_storage_pass_the_check(driver: Driver) -> None:
    storage = driver.open()
    storage.check()
    digest = publish(storage, b"content")
    storage.check()

    assert read(storage, digest) == b"content"
