"""Hashing beside writing: `hashlib` and `write` both release the interpreter lock, so they overlap.

A 200 MB upload that was hashed and written in turn took three times as long as one with a thread
for the hash; a small one gains nothing from a thread, so that one is only started when it pays.
"""

import hashlib
import threading
from collections import OrderedDict
from queue import SimpleQueue

Chunk = bytes | memoryview

# From here on a thread of its own is worth its start.
_THREAD_FROM = 1024 * 1024


class _Streams:
    """The long streams of this process. One by itself has a thread; where there are more the
    processors are busy anyway, and each does all of its work in turn."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        with self._lock:
            self._count += 1

    def leave(self) -> None:
        with self._lock:
            self._count -= 1

    def is_single(self) -> bool:
        return self._count <= 1


_streams = _Streams()


class StreamHash:
    """The digest of a stream of chunks, computed in a thread of its own once the stream is long, as
    long as there is no other."""

    def __init__(self, algorithm: str, resumed: "hashlib._Hash | None" = None) -> None:
        self.algorithm = algorithm
        self._hash = resumed.copy() if resumed is not None else hashlib.new(algorithm)
        self._seen = 0
        self._is_long = False
        self._queue: SimpleQueue[Chunk | None] = SimpleQueue()
        self._idle = threading.Lock()
        self._thread: threading.Thread | None = None

    def update(self, chunk: Chunk) -> None:
        """Go on with `chunk`. Its memory may change once this was called for the next one, or
        `settle` was; that of the last one, once this returns."""
        self._seen += len(chunk)
        if not self._is_long and self._seen >= _THREAD_FROM:
            self._is_long = True
            _streams.enter()
        if not self._is_long or not _streams.is_single():
            self._end_thread()
            self._hash.update(chunk)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._idle.acquire()
        self._queue.put(chunk)

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._hash.update(chunk)
            self._idle.release()

    def _end_thread(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def settle(self) -> "hashlib._Hash":
        """The hash of everything so far; the thread, if any, has ended."""
        self._end_thread()
        if self._is_long:
            self._is_long = False
            _streams.leave()
        self._seen = 0
        return self._hash


class HashMemory:
    """Hashes of unfinished uploads in this process: `hashlib` objects cannot be stored.

    A PUT that reaches the process which served the PATCH before it need not read the upload again;
    in any other the bytes are read once more. An entry counts only for the very size it was kept
    for. Holds at most `limit` entries, the latest used.
    """

    def __init__(self, limit: int = 512) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, tuple[int, str, hashlib._Hash]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, upload: str, size: int, algorithm: str, value: "hashlib._Hash") -> None:
        with self._lock:
            self._entries[upload] = (size, algorithm, value)
            self._entries.move_to_end(upload)
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)

    def take(self, upload: str, size: int, algorithm: str) -> "hashlib._Hash | None":
        """The hash of the first `size` bytes, when this process has it; it is forgotten here."""
        with self._lock:
            entry = self._entries.pop(upload, None)
        if entry is None or entry[:2] != (size, algorithm):
            return None
        return entry[2]

    def forget(self, upload: str) -> None:
        with self._lock:
            self._entries.pop(upload, None)
