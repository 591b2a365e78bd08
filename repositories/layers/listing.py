"""The listing of a layer: begun in the background, looked at while it is made, then read.

A blob never changes, so neither does its listing; see `cache` for how long it is kept. Callers have
made sure that whoever asks may read the blob (`repositories/contents.py`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from repositories.layers import process
from repositories.layers.cache import Place
from repositories.layers.process import Progress, State
from repositories.layers.store import MAX_HITS, PAGE_SIZE, Folder, Found, Listing
from repositories.oci.digests import Digest
from repositories.storage import storage


def place(digest: Digest) -> Place:
    """Where the layer's listing is kept."""
    return Place("layers", digest)


def progress(*, digest: Digest) -> Progress:
    """How far the listing is; nothing is begun. Raises BlobMissing."""
    return process.progress(place(digest), storage().blob_size(digest))


def start(*, digest: Digest, then: Callable[[], object] = lambda: None) -> Progress:
    """Begin the listing if need be, and say how far it is.

    State.WAITING means that others are being made: call again. `then` is called when a listing that
    was begun here is done. Raises BlobMissing, OSError.
    """
    found = progress(digest=digest)
    if found.state is not State.ABSENT:
        return found
    open_blob = partial(storage().open_blob, digest)
    process.start(place(digest), "list", blob=open_blob, then=then)
    found = progress(digest=digest)
    return found if found.state is not State.ABSENT else Progress(State.WAITING, 0, found.total)


def wait(*, digest: Digest, seconds: float) -> Progress:
    """As `start`, after the listing is done or that many seconds have gone by."""
    return process.wait(partial(start, digest=digest), seconds=seconds)


def opened(*, digest: Digest) -> AbstractContextManager[Listing]:
    """The finished listing, to read from. Raises NotListed, also while it is read."""
    return place(digest).opened()


def children(
    *, digest: Digest, folder: str = "", after: int = 0, limit: int = PAGE_SIZE
) -> Folder | None:
    """A page of a folder such as `usr/bin`; None if there is no such folder. Raises NotListed."""
    with opened(digest=digest) as listing:
        return listing.folder(folder, after=after, limit=limit)


def find(*, digest: Digest, text: str, limit: int = MAX_HITS) -> Found:
    """What has `text` in its name. Raises NotListed."""
    with opened(digest=digest) as listing:
        return listing.find(text, limit=limit)
