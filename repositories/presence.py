"""Whether a blob's file is there, as its size tells: looked at once a second at most.

Clients ask by HEAD before they push an image, each for every layer, and a look at the disk takes
longer than the rest of the answer; so does reading the few bytes of an image's configuration, which
is kept for as long. What is lost past Berth is noticed a second later; whatever Berth itself takes
away is not found any more before this is asked (see `memory`).
"""

import threading
from time import monotonic

from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.base import BlobMissing
from repositories.waiting import read

LOOK_SECONDS = 1.0
_MOST = 4096
# Bytes of a blob that are kept, and of all of them.
SMALL = 16 * 1024
_MOST_BYTES = 4 * 1024 * 1024

_good_until: dict[Digest, float] = {}  # by `time.monotonic`; only of what was there
_contents: dict[Digest, bytes] = {}  # of some of these
_bytes = 0
_lock = threading.Lock()  # for whoever adds something


def is_whole(*, digest: Digest, size: int) -> bool:
    """Whether storage has all `size` bytes of the blob, or had them a moment ago."""
    now = monotonic()
    if now < _good_until.get(digest, 0.0):
        return True
    try:
        is_there = storage().blob_size(digest) == size
    except BlobMissing:
        is_there = False
    if is_there:
        _note(digest, now)
    return is_there


def content(*, digest: Digest, size: int) -> bytes:
    """All `size` bytes of a blob of up to SMALL, as they are or were a moment ago.

    Raises BlobMissing where some are, MustWait.
    """
    now = monotonic()
    known = _contents.get(digest)
    if known is not None and now < _good_until.get(digest, 0.0):
        return known
    with storage().open_blob(digest) as file:
        found = read(file, 0, size)
    if len(found) != size:
        raise BlobMissing(str(digest))
    # Wrong bytes are the client's to notice, and gone as soon as somebody heals them.
    if found == known or Digest.of(found, digest.algorithm) == digest:
        _note(digest, now, found)
    return found


def _note(digest: Digest, now: float, content: bytes = b"") -> None:
    global _bytes  # noqa: PLW0603
    with _lock:
        more = 0 if digest in _contents else len(content)
        if len(_good_until) >= _MOST or _bytes + more > _MOST_BYTES:
            forget_everything()
        _good_until[digest] = now + LOOK_SECONDS
        if more:
            _contents[digest] = content
            _bytes += more


def forget_everything() -> None:
    """Look anew at every file."""
    global _bytes  # noqa: PLW0603
    _good_until.clear()
    _contents.clear()
    _bytes = 0
