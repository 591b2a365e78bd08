"""The images of a fleet: one that all nodes pull, and those that builds make on top of it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property

from benchmarks.content import Blob, RandomBlobs, digest_of, manifest_of

# Bytes of the layers, in the order of a usual image: a distribution, a language, then ever less.
LAYERS = (
    29_000_000,
    15_000_000,
    8_000_000,
    4_000_000,
    2_000_000,
    1_000_000,
    300_000,
    50_000,
    4_000,
    200,
)
MOUNTED = 7  # layers that every build has from the image which the nodes pull
COMMON = 2_000_000  # a layer that all builds of a round make alike, and that no registry has yet
OWN = (5_000_000, 100_000)  # layers that nobody else has


@dataclass(frozen=True)
class Image:
    """A config, layers, and the manifest that names them."""

    config: Blob
    layers: tuple[Blob, ...]

    @cached_property
    def manifest(self) -> bytes:
        return manifest_of(self.config, self.layers)

    @cached_property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Config and layers."""
        return (self.config, *self.layers)


def _random(size: int) -> Blob:
    return Blob.of(os.urandom(size))


def _config() -> Blob:
    shape = {"architecture": "amd64", "os": "linux", "build": os.urandom(1000).hex()}
    return Blob.of(json.dumps(shape).encode())


class Images:
    """Makes images that no registry has seen yet."""

    def __init__(self) -> None:
        self.base = Image(_config(), tuple(_random(size) for size in LAYERS))
        self._own = RandomBlobs(OWN[0])

    def builds(self, count: int) -> list[Image]:
        """The images of a round of builds."""
        shared = (*self.base.layers[:MOUNTED], _random(COMMON))
        return [Image(_config(), (*shared, self._own.new(), _random(OWN[1]))) for _ in range(count)]
