"""A disk of a few megabytes that can be full, and then be not."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.tracing import missing

PIECE = 1 << 16


class SmallDisk:
    """A tmpfs at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @contextmanager
    def full(self, *, but_for: int = 0) -> Iterator[None]:
        """No room meanwhile, but for so many bytes."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT)
        try:
            try:
                while True:
                    os.write(descriptor, bytes(PIECE))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            if but_for:
                os.ftruncate(descriptor, max(os.fstat(descriptor).st_size - but_for, 0))
            yield
        finally:
            os.close(descriptor)
            self._ballast.unlink()


@contextmanager
def small_disk(*, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one where other users get to it, as PostgreSQL's does; needs the right to mount."""
    with tempfile.TemporaryDirectory(prefix="berth-disk-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            missing("there is no mount on PATH")
        if done.returncode:
            missing(f"a small disk may not be mounted here: {done.stderr.strip()}")
        try:
            yield SmallDisk(Path(folder))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
