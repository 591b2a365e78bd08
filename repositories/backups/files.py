"""Files copied so that they survive a power cut, and never are readable by the world."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from repositories.storage.filesystem import sync_folder

CHUNK = 1024 * 1024
NOT_FOR_OTHERS = 0o770

# Called with how many bytes were done.
Advance = Callable[[int], None]


class Progress:
    """How far the work is, for whoever watches; this one is for nobody."""

    def begin(self, what: str, total: int | None) -> None:
        """Another piece of work of `total` bytes; None: that is not known."""

    def advance(self, count: int) -> None:
        """So many more of its bytes are done."""


def copy(source: BinaryIO, target: Path, algorithm: str, advance: Advance) -> tuple[int, str]:
    """Copy into a new file, durable but for its name: its size, and its hash in hex."""
    value, size = hashlib.new(algorithm), 0
    with target.open("xb", buffering=0) as file:
        while chunk := source.read(CHUNK):
            value.update(chunk)
            size += len(chunk)
            _write(file.fileno(), chunk)
            advance(len(chunk))
        os.fsync(file.fileno())
    return size, value.hexdigest()


def hash_of(source: BinaryIO, algorithm: str, advance: Advance) -> str:
    """The hash of the rest of a file, in hex."""
    value = hashlib.new(algorithm)
    while chunk := source.read(CHUNK):
        value.update(chunk)
        advance(len(chunk))
    return value.hexdigest()


def write(path: Path, content: bytes, mode: int) -> None:
    """Make a file whole or not at all, in place of the one that is there; durable on return."""
    draft = draft_of(path)
    draft.unlink(missing_ok=True)
    with open(draft, "xb", buffering=0, opener=for_owner) as file:
        os.fchmod(file.fileno(), mode & NOT_FOR_OTHERS)
        _write(file.fileno(), content)
        os.fsync(file.fileno())
    os.replace(draft, path)
    sync_folder(path.parent)


def draft_of(path: Path) -> Path:
    """What a file is called until it is whole."""
    return path.with_name(f".{path.name}.new")


def for_owner(path: str, flags: int) -> int:
    """For `open`: nobody else may read the new file, from its first byte on."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def install(source: Path, target: Path, mode: int) -> None:
    """Copy a file, whole or not at all, in place of the one that is there; durable on return."""
    draft = draft_of(target)
    draft.unlink(missing_ok=True)
    with source.open("rb") as file, open(draft, "xb", opener=for_owner) as copied:
        shutil.copyfileobj(file, copied, CHUNK)
        os.fchmod(copied.fileno(), mode & NOT_FOR_OTHERS)
        copied.flush()
        os.fsync(copied.fileno())
    os.replace(draft, target)
    sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder for the owner alone, and what is missing above it; durable on return."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(0o700, exist_ok=True)
    sync_folder(folder.parent)


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
