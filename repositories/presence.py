"""Whether a blob's file is there, as its size tells: looked at once a second at most.

Clients ask by HEAD before they push an image, each for every layer, and a look at the disk takes
longer than the rest of the answer. What is lost past Berth is noticed a second later; whatever
Berth itself takes away is not found any more before this is asked (see `memory`).
"""

from time import monotonic

from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.base import BlobMissing

LOOK_SECONDS = 1.0
_MOST = 4096

_good_until: dict[Digest, float] = {}  # by `time.monotonic`; only of what was there


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
        if len(_good_until) >= _MOST:
            _good_until.clear()
        _good_until[digest] = now + LOOK_SECONDS
    return is_there


def forget_everything() -> None:
    """Look anew at every file."""
    _good_until.clear()
