"""The files of an image: its layers on top of each other, as a container would see them.

Made of the layers' listings in a child process, and kept by the digest of the manifest. One call of
`start` sees to everything: when a layer's listing is done, the next one is begun.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from repositories.layers import cache, kinds, listing, process
from repositories.layers.cache import Place
from repositories.layers.limits import MAX_LAYERS, MAX_MERGED_LISTINGS
from repositories.layers.process import Progress, State
from repositories.layers.store import MAX_HITS, PAGE_SIZE, Folder, Found, Listing
from repositories.oci.digests import Digest
from repositories.oci.manifests import Descriptor


class Image(NamedTuple):
    """An image manifest's digest and layers, the lowest first."""

    digest: Digest
    layers: tuple[Descriptor, ...]

    def readable(self) -> Iterator[tuple[int, Digest]]:
        """The numbers and digests of the layers that a tree is made of."""
        for number, layer in enumerate(self.layers[:MAX_LAYERS]):
            if kinds.of(layer.media_type) is kinds.LayerKind.READABLE:
                yield number, layer.digest


def place(image: Image) -> Place:
    """Where the tree is kept."""
    return Place("images", image.digest)


def progress(*, image: Image) -> Progress:
    """How many of the layers are listed; nothing is begun. Raises BlobMissing."""
    found = process.progress(place(image), len(image.layers))
    if found.state in (State.DONE, State.FAILED):
        return found
    layers = dict.fromkeys(digest for _, digest in image.readable())
    states = [listing.progress(digest=digest) for digest in layers]
    ready = sum(layer.is_done for layer in states)
    entries = sum(layer.entries for layer in states)
    if any(layer.state is State.FAILED for layer in states):
        return Progress(State.FAILED, ready, len(image.layers))
    is_working = found.state is State.WORKING or any(s.state is State.WORKING for s in states)
    state = State.WORKING if is_working else State.ABSENT
    return Progress(state, ready, len(image.layers), entries)


def start(*, image: Image) -> Progress:
    """Begin what is missing, and say how far it is. Raises BlobMissing, OSError."""
    found = progress(image=image)
    if found.state in (State.DONE, State.FAILED):
        return found
    finished, is_missing, is_cut = _layers(image)
    if not is_missing:
        arguments = [f"{n}={listing.place(digest).finished}" for n, digest in finished.items()]
        process.start(place(image), "merge", [str(int(is_cut)), *arguments])
    found = progress(image=image)
    return found if found.state is not State.ABSENT else replace(found, state=State.WAITING)


def _layers(image: Image) -> tuple[dict[int, Digest], bool, bool]:
    """The layers whose listings are done; whether any are missing, and begun; whether only the
    lowest ones are taken."""
    onwards: Callable[[], object] = partial(start, image=image)
    finished: dict[int, Digest] = {}
    size = begun = 0
    for number, digest in image.readable():
        if size > MAX_MERGED_LISTINGS:
            return finished, begun > 0, True
        if listing.start(digest=digest, then=onwards).is_done:
            finished[number] = digest
            size += _use(digest)
        else:
            begun += 1
            if begun == cache.SLOTS:
                break
    return finished, begun > 0, len(image.layers) > MAX_LAYERS


def _use(digest: Digest) -> int:
    """The size of a layer's listing in bytes; the cache keeps it for now."""
    path = listing.place(digest).finished
    with suppress(FileNotFoundError):
        os.utime(path)
        return path.stat().st_size
    return 0


def wait(*, image: Image, seconds: float) -> Progress:
    """As `start`, after the tree is done or that many seconds have gone by."""
    return process.wait(partial(start, image=image), seconds=seconds)


def opened(*, image: Image) -> AbstractContextManager[Listing]:
    """The finished tree, to read from. Raises NotListed, also while it is read."""
    return place(image).opened()


def children(
    *, image: Image, folder: str = "", after: int = 0, limit: int = PAGE_SIZE
) -> Folder | None:
    """A page of a folder such as `usr/bin`; None if there is no such folder. Raises NotListed."""
    with opened(image=image) as tree:
        return tree.folder(folder, after=after, limit=limit)


def find(*, image: Image, text: str, limit: int = MAX_HITS) -> Found:
    """What has `text` in its name. Raises NotListed."""
    with opened(image=image) as tree:
        return tree.find(text, limit=limit)
