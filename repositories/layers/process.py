"""Starting the child that makes a listing, and hearing how far it is.

The child has the locks, so it does not matter whether the process that started it lives on: any
other sees by them that somebody is at it, and reads in the same file how far.
"""

import fcntl
import io
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from repositories.layers import cache
from repositories.layers.cache import Place
from repositories.layers.worker import FAILED, WORKING, Mark, read_mark

_ROOT = Path(__file__).resolve().parents[2]
# A child that was killed is not started again at once: it would be killed again.
RETRY_SECONDS = 60
_POLL_SECONDS = 0.03
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")

logger = logging.getLogger(__name__)


class State(StrEnum):
    """`waiting`: for others to be done; `failed`: and tried again after RETRY_SECONDS."""

    ABSENT = "absent"
    WAITING = "waiting"
    WORKING = "working"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a listing is: `read` of `total` (bytes of a layer, layers of an image)."""

    state: State
    read: int = 0
    total: int = 0
    entries: int = 0

    @property
    def is_done(self) -> bool:
        return self.state is State.DONE


def progress(place: Place, total: int) -> Progress:
    """What the files say."""
    if place.finished.exists():
        return Progress(State.DONE, total, total)
    try:
        descriptor = os.open(place.working, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Progress(State.ABSENT, 0, total)
    try:
        mark = read_mark(descriptor) or Mark(WORKING, 0, 0)
        if mark.state == FAILED:
            age = time.time() - os.fstat(descriptor).st_mtime
            return Progress(State.FAILED if age < RETRY_SECONDS else State.ABSENT, 0, total)
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return Progress(State.ABSENT, 0, total)  # whoever wrote that is dead
        return Progress(State.WORKING, min(mark.read, total), total, mark.entries)
    finally:
        os.close(descriptor)


def start(
    place: Place,
    command: str,
    arguments: Sequence[str] = (),
    *,
    blob: Callable[[], BinaryIO] | None = None,
    then: Callable[[], object] = lambda: None,
) -> None:
    """Have a child make the listing, unless somebody is at it, has done it, or all slots are taken.

    `blob` opens what it reads; `then` is called after it has ended well. Raises OSError, and what
    `blob` raises.
    """
    lock = cache.lock(place.working)
    if lock is None:
        return
    slot = None if place.finished.exists() else cache.slot()
    try:
        if slot is not None:
            child = _spawn(place, command, arguments, (lock, slot), blob)
            watch = threading.Thread(
                target=_see_off,
                args=(child, place, (lock, slot), then),
                name="listing",
                daemon=True,
            )
            watch.start()
            return
    except BaseException:
        _close(lock, slot)
        raise
    _close(lock)


def _spawn(
    place: Place,
    command: str,
    arguments: Sequence[str],
    locks: tuple[int, int],
    blob: Callable[[], BinaryIO] | None,
) -> subprocess.Popen[bytes]:
    Mark(WORKING, 0, 0).write(locks[0])
    with ExitStack() as undo:
        inherited = [locks[0]]
        if blob is not None:
            inherited.insert(0, _descriptor(blob(), undo))
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "repositories.layers.worker", command),
                *map(str, [*inherited, place.temporary, place.finished]),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=_ROOT,
            # None of the settings, with their secrets, for who reads what strangers have packed.
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            pass_fds=(*inherited, locks[1]),
            start_new_session=True,  # Ctrl-C is for the server
        )


def _descriptor(stream: BinaryIO, undo: ExitStack) -> int:
    """What the child can read the blob from: the open file, or a pipe where storage has none."""
    try:
        descriptor = stream.fileno()
    except (AttributeError, io.UnsupportedOperation):
        descriptor, end = os.pipe()
        undo.callback(os.close, descriptor)
        threading.Thread(target=_feed, args=(stream, end), name="listing", daemon=True).start()
    else:
        undo.callback(stream.close)
    return descriptor


def _feed(stream: BinaryIO, end: int) -> None:
    # The child stops reading where its limits are.
    with suppress(BrokenPipeError), stream, open(end, "wb") as pipe:
        shutil.copyfileobj(stream, pipe, 256 * 1024)


def _see_off(
    child: subprocess.Popen[bytes],
    place: Place,
    locks: tuple[int, int],
    then: Callable[[], object],
) -> None:
    """Wait for the child's end, and say so in the lock's file if it was a bad one."""
    try:
        _, errors = child.communicate()
        if child.returncode == 0:
            place.working.unlink(missing_ok=True)
            cache.sweep()
        else:
            place.temporary.unlink(missing_ok=True)
            Mark(FAILED, 0, 0).write(locks[0])
            text = errors[-2000:].decode(errors="backslashreplace")
            logger.error("no listing %s: exit %d %r", place.finished, child.returncode, text)
    finally:
        _close(*locks)
    if child.returncode == 0:
        try:
            then()
        except Exception:  # nobody waits for this thread; whoever asks next tries again
            logger.exception("after the listing %s", place.finished)


def _close(*descriptors: int | None) -> None:
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)


def wait(look: Callable[[], Progress], *, seconds: float) -> Progress:
    """What `look` gives when something has come of it, or after that many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        is_over = found.state in (State.DONE, State.FAILED)
        if is_over or time.monotonic() > deadline:
            return found
        time.sleep(_POLL_SECONDS)
