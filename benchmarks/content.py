"""What every contender is loaded with: one image, many repositories, many tags, random blobs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"

# A usual image manifest and a small config. Figures of other sizes do not compare.
MANIFEST_SIZE = 1224
CONFIG_SIZE = 110
LAYERS = 5
LAYER_SIZE = 1024

IMAGE = "bench/image"  # the image that the read rows ask for, and the big blob
TAGS = "bench/tags"  # the repository with many tags
TAG = "latest"

PIECE = 32 * 1024  # what `docker push` hands to the network at once
BLOCK = 64 * 1024 * 1024

Part = bytes | memoryview


def digest_of(data: bytes) -> str:
    """The sha256 digest as the specification writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Blob:
    """Bytes to push, held in parts so that many large blobs can share most of theirs."""

    digest: str
    parts: tuple[Part, ...]

    @cached_property
    def size(self) -> int:
        return sum(len(part) for part in self.parts)

    def pieces(self, size: int = PIECE) -> Iterator[memoryview]:
        """The bytes in pieces of at most `size`, without copying them."""
        for part in self.parts:
            view = memoryview(part)
            for start in range(0, len(view), size):
                yield view[start : start + size]

    def joined(self) -> bytes:
        """The whole blob in one piece; for small ones."""
        return b"".join(self.parts)

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """A blob with these bytes."""
        return cls(digest_of(data), (data,))


class RandomBlobs:
    """Large blobs of one size, each unlike any other, made without delay.

    They share a block of random bytes and differ in their last piece: no server can know a blob
    before its last byte has arrived, and making one costs a hash of that piece only.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        block = memoryview(_random_block())
        body = size - PIECE
        self._parts: tuple[Part, ...] = (block,) * (body // BLOCK) + (block[: body % BLOCK],)
        self._hash = hashlib.sha256()
        for part in self._parts:
            self._hash.update(part)

    def new(self) -> Blob:
        """A blob that nobody has seen before."""
        tail = os.urandom(PIECE)
        state = self._hash.copy()
        state.update(tail)
        return Blob(f"sha256:{state.hexdigest()}", (*self._parts, tail))


_block: list[bytes] = []


def _random_block() -> bytes:
    if not _block:
        _block.append(os.urandom(BLOCK))
    return _block[0]


def descriptor(media_type: str, blob: Blob) -> dict[str, str | int]:
    """How a manifest names a blob."""
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def manifest_of(config: Blob, layers: tuple[Blob, ...], *, size: int | None = None) -> bytes:
    """An image manifest; with `size`, padded by an annotation to exactly so many bytes."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(CONFIG_TYPE, config),
        "layers": [descriptor(LAYER_TYPE, layer) for layer in layers],
    }
    return _padded(document, "annotations", size)


def _padded(document: dict[str, object], key: str, size: int | None) -> bytes:
    if size is None:
        return _compact(document)
    short = _compact({**document, key: {"note": ""}})
    whole = _compact({**document, key: {"note": "." * (size - len(short))}})
    if len(whole) != size:
        raise ValueError(f"cannot be padded to {size} bytes: has {len(whole)}")
    return whole


def _compact(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Scale:
    """How much is loaded and how long each row runs."""

    repositories: int = 1000
    tags: int = 5000
    seconds: float = 4.0  # of each requests-per-second sample
    blob: int = 200_000_000
    pushes: int = 8  # at once
    pulls: int = 16  # at once
    stream: int = 1 << 30  # the push whose memory is watched
    repeats: int = 40  # requests in one sample of a latency row
    rounds: int = 5
    many: tuple[int, ...] = (1_000, 10_000, 100_000)  # names in the lists that grow, rising


SHORT = Scale(seconds=1.0, stream=256 << 20, repeats=20, rounds=3, many=(1_000, 10_000))


@dataclass(frozen=True)
class Growth:
    """What a registry gets so that it has so many repositories, and one of so many tags.

    Each tag, and `latest` of each repository, names the small manifest.
    """

    repositories: tuple[str, ...]
    tagged: str  # the repository of many tags
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Content:
    """The same bytes for every contender of a run."""

    scale: Scale
    config: Blob
    layers: tuple[Blob, ...]
    manifest: bytes
    small_manifest: bytes  # one layer: what "create a repository" and "put a tag" put
    big: Blob
    blobs: RandomBlobs
    streams: RandomBlobs
    repositories: tuple[str, ...] = field(repr=False)
    tags: tuple[str, ...] = field(repr=False)

    @cached_property
    def manifest_digest(self) -> str:
        return digest_of(self.manifest)

    @cached_property
    def catalog(self) -> tuple[str, ...]:
        """What the catalog lists after loading, in byte order."""
        return tuple(sorted((IMAGE, TAGS, *self.repositories)))

    def catalog_at(self, size: int) -> tuple[str, ...]:
        """The catalog after growing to `size` repositories, which may be fewer than there are.

        What the write rows make is not in it: its names stand before those that growing adds.
        """
        tagged = [_tagged(each) for each in self.scale.many if each <= size]
        filling = range(size - len(self.catalog) - len(tagged))
        return tuple(sorted((*self.catalog, *tagged, *(f"many/r{n:06}" for n in filling))))

    def growth(self, before: int, size: int) -> Growth:
        """What is to be added to a registry that has grown to `before`, so that it has `size`."""
        new = set(self.catalog_at(size)) - set(self.catalog_at(before))
        tags = tuple(f"t{number:06}" for number in range(size))
        return Growth(tuple(sorted(new - {_tagged(size)})), _tagged(size), tags)


def _tagged(size: int) -> str:
    return f"many/tags-{size}"


def make_content(scale: Scale) -> Content:
    """Make the content of a run: deterministic but for the random blobs."""
    shape: dict[str, object] = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    config = Blob.of(_padded(shape, "config", CONFIG_SIZE))
    layers = tuple(
        Blob.of(f"layer {number} ".encode().ljust(LAYER_SIZE, b".")) for number in range(LAYERS)
    )
    blobs = RandomBlobs(scale.blob)
    return Content(
        scale=scale,
        config=config,
        layers=layers,
        manifest=manifest_of(config, layers, size=MANIFEST_SIZE),
        small_manifest=manifest_of(config, layers[:1]),
        big=blobs.new(),
        blobs=blobs,
        streams=RandomBlobs(scale.stream),
        repositories=tuple(f"catalog/r{number:06}" for number in range(scale.repositories)),
        tags=tuple(f"t{number:06}" for number in range(scale.tags)),
    )
