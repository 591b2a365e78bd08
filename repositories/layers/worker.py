"""The child process that reads what strangers have packed.

    python -m repositories.layers.worker list <blob> <lock> <temporary> <final>
    python -m repositories.layers.worker merge <lock> <temporary> <final> <is cut> <number=listing>…

`<blob>` and `<lock>` are open file descriptors. Into the lock's file goes how far it is. A layer
that is larger than what is looked at, or damaged, still makes a listing, which says so; no listing
at all comes of this only when the child is killed.
"""

import gc
import os
import resource
import signal
import sqlite3
import struct
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from repositories.layers import limits, store
from repositories.layers.compression import Source
from repositories.layers.limits import ListingEnds, Problem
from repositories.layers.overlay import Overlay
from repositories.layers.reader import Entry, entries
from repositories.layers.tree import Kind, Tree

_MARK = struct.Struct("<cQQ")
WORKING, FAILED = b"W", b"F"
_TELL_EVERY = 500  # entries


class Mark(NamedTuple):
    """What stands in the lock's file: WORKING or FAILED, bytes read, entries found."""

    state: bytes
    read: int
    entries: int

    def write(self, descriptor: int) -> None:
        os.pwrite(descriptor, _MARK.pack(*self), 0)


def read_mark(descriptor: int) -> Mark | None:
    """The mark, if one was written."""
    content = os.pread(descriptor, _MARK.size, 0)
    if len(content) < _MARK.size:
        return None
    return Mark(*_MARK.unpack(content))


class _Work:
    """What has been found so far."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self.read = 0
        self.tree = Tree(max_entries=limits.MAX_ENTRIES, max_names=limits.MAX_NAMES)
        self.skipped = 0
        self.end = ListingEnds(Problem.NONE)

    def has_read(self, count: int) -> None:
        self.read = count
        self.tell()

    def tell(self) -> None:
        Mark(WORKING, self.read, self.tree.count).write(self._lock)

    def until_it_ends(self, work: Callable[[], None]) -> None:
        """Run `work` until it is done or a limit is reached; afterwards time no longer counts."""
        try:
            work()
        except ListingEnds as end:
            self.end = end
        except MemoryError:
            self.end = ListingEnds(Problem.MEMORY)
        except _CPUTimeIsUp:
            self.end = ListingEnds(Problem.CPU)
        finally:
            with suppress(_CPUTimeIsUp):
                signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        self.tell()


class _CPUTimeIsUp(Exception):
    """The soft limit is reached."""


def _time_is_up(*_: object) -> NoReturn:
    # The signal comes again each second; once is enough.
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    raise _CPUTimeIsUp


def _limit() -> None:
    signal.signal(signal.SIGXCPU, _time_is_up)
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, limits.CPU_SECONDS, limits.CPU_SECONDS + limits.GRACE_CPU_SECONDS),
        (resource.RLIMIT_AS, limits.MAX_MEMORY, limits.MAX_MEMORY),
        (resource.RLIMIT_FSIZE, limits.MAX_LISTING, limits.MAX_LISTING),
        (resource.RLIMIT_NOFILE, limits.MAX_LAYERS + 64, limits.MAX_LAYERS + 64),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)  # noqa: PLW2901
        resource.setrlimit(kind, (soft, hard))
    os.nice(10)


def _list(blob: int, lock: int, temporary: Path) -> None:
    work = _Work(lock)
    source = Source(blob, work.has_read)

    def add_all() -> None:
        for number, entry in enumerate(entries(source)):
            if entry is None:
                work.skipped += 1
            else:
                _add(work.tree, entry)
            if number % _TELL_EVERY == 0:
                work.tell()

    work.until_it_ends(add_all)
    summary = {
        "problem": work.end.problem.value,
        "at": work.end.at,
        "entries": work.tree.count,
        "skipped": work.skipped,
    }
    store.write(temporary, work.tree.root, summary)


def _add(tree: Tree, entry: Entry) -> None:
    """Put an entry where it belongs; of two with one name the later counts, as in extraction."""
    tree.charge_text(entry.link)
    node = tree.at(entry.path)
    if entry.kind is Kind.DELETED:
        node.hides = True
        if node.is_implied and not node.children:
            node.become(Kind.DELETED)
            node.is_implied = False
        return
    if entry.is_opaque:
        node.become(Kind.FOLDER)
        node.is_opaque = True
        return
    if not entry.path and entry.kind is not Kind.FOLDER:
        return  # the root is a folder, whatever an archive says
    node.become(entry.kind)
    node.is_implied = False
    node.size, node.link = entry.size, entry.link
    node.mode, node.uid, node.gid, node.mtime = entry.mode, entry.uid, entry.gid, entry.mtime


def _merge(lock: int, temporary: Path, layers: dict[int, Path], *, is_cut: bool) -> None:
    work = _Work(lock)
    if is_cut:
        work.end = ListingEnds(Problem.LAYERS)
    overlay = Overlay()
    work.tree = overlay.tree
    problems: dict[int, str] = {}

    def add_all() -> None:
        for number, path in layers.items():
            with store.reading(path) as listing:
                if listing.summary["problem"]:
                    problems[number] = listing.summary["problem"]
                overlay.add_layer(number, listing.rows())
            work.has_read(work.read + 1)

    work.until_it_ends(add_all)
    summary = {
        "problem": work.end.problem.value,
        "layers": work.read,  # that are in the tree as a whole
        "entries": work.tree.count,
        "problems": problems,
        "wasted": overlay.settle(),
    }
    store.write(temporary, overlay.tree.root, summary)


def main(arguments: list[str]) -> int:
    """Do what the module's docstring says. Raises OSError, sqlite3.Error."""
    _limit()
    gc.disable()  # nodes are all that there is, and they stay until the end
    with ExitStack() as undo:
        if arguments[0] == "list":
            blob, lock = map(int, arguments[1:3])
            temporary, final = map(Path, arguments[3:5])
            undo.callback(temporary.unlink, missing_ok=True)
            _list(blob, lock, temporary)
        else:
            lock = int(arguments[1])
            temporary, final = map(Path, arguments[2:4])
            layers = {int(n): Path(p) for n, _, p in (a.partition("=") for a in arguments[5:])}
            undo.callback(temporary.unlink, missing_ok=True)
            _merge(lock, temporary, layers, is_cut=arguments[4] == "1")
        os.replace(temporary, final)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"{type(error).__name__}: {error}")
