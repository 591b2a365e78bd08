"""The drivers that the contract's tests run over."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from repositories.storage import filesystem
from repositories.storage.base import Storage
from repositories.storage.filesystem import FilesystemStorage


@dataclass(frozen=True)
class Driver:
    """A storage driver under test, and what a test has to know to put it into trouble."""

    # Another driver object over the same bytes, as another process has: it remembers nothing.
    open: Callable[[], Storage]
    # Set as soon as somebody waits for another's writer.
    somebody_waits: threading.Event
    # Let the next write take only so many bytes, and then fail with this error number.
    fail_write: Callable[[int, int], None]
    # Let the next sync fail with this error number.
    fail_sync: Callable[[int], None]
    # Let writers wait for others no longer than this.
    set_patience: Callable[[float], None]
    # Overwrite the bytes of the blob whose internal path this is, behind the driver's back.
    damage: Callable[[str, bytes], None]


def _filesystem(root: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    somebody_waits = threading.Event()

    def sleep(seconds: float) -> None:
        somebody_waits.set()
        time.sleep(seconds)

    def fail_write(taken: int, number: int) -> None:
        write = os.write
        left = taken

        def failing(descriptor: int, data: bytes) -> int:
            nonlocal left
            if not left:
                monkeypatch.setattr(os, "write", write)
                raise OSError(number, os.strerror(number))
            written = write(descriptor, data[:left])
            left -= written
            return written

        monkeypatch.setattr(os, "write", failing)

    def fail_sync(number: int) -> None:
        fsync = os.fsync

        def failing(descriptor: int) -> None:
            monkeypatch.setattr(os, "fsync", fsync)
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", failing)

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr(filesystem, "time", clock)
    return Driver(
        open=lambda: FilesystemStorage(root),
        somebody_waits=somebody_waits,
        fail_write=fail_write,
        fail_sync=fail_sync,
        set_patience=lambda seconds: monkeypatch.setattr(
            filesystem, "_LOCK_PATIENCE_SECONDS", seconds
        ),
        damage=lambda path, content: _overwrite(root / path, content),
    )


def _overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


# A new driver is added here, and is done when every test of the contract passes for it.
DRIVERS = {"filesystem": _filesystem}


@pytest.fixture(params=DRIVERS)
def driver(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Driver:
    return DRIVERS[request.param](tmp_path / "root", monkeypatch)
