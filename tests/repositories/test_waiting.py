"""Threads that must not wait."""

import os
from pathlib import Path

import pytest
from django.db import connection

from repositories import waiting
from repositories.database import fetch


@pytest.mark.django_db(transaction=True)
def test_whoever_must_not_wait_has_no_database_until_they_may_again() -> None:
    with waiting.without_waiting():
        for ask in (lambda: fetch("SELECT 1", []), connection.cursor, waiting.check_may_wait):
            with pytest.raises(waiting.MustWait):
                ask()
    waiting.check_may_wait()
    assert fetch("SELECT 1", []) == [(1,)]


def test_a_failure_is_not_what_it_is_taken_for() -> None:
    assert not issubclass(waiting.MustWait, Exception)


def test_bytes_that_are_in_memory_are_read_by_everybody(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        assert waiting.read(file, 2, 3) == b"234"
        assert waiting.read(file, 8, 5) == b"89"
        with waiting.without_waiting():
            assert waiting.read(file, 2, 3) == b"234"
            with pytest.raises(waiting.MustWait):
                waiting.read(file, 8, 5)


def test_bytes_that_are_on_the_disk_only_take_waiting(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    with path.open("rb") as file:
        os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with waiting.without_waiting(), pytest.raises(waiting.MustWait):
            waiting.read(file, 0, 1 << 20)
        assert waiting.read(file, 0, 1 << 20) == bytes(1 << 20)


def test_what_the_kernel_cannot_tell_takes_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    monkeypatch.delattr(os, "RWF_NOWAIT")
    with path.open("rb") as file, waiting.without_waiting(), pytest.raises(waiting.MustWait):
        waiting.read(file, 2, 3)
