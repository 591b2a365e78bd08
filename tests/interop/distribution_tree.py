"""A tree such as teams have on disk: 200 repositories that Docker's registry has filled.

What it holds is known here, and was never read from the tree: which tag names which manifest, what
it has named before, and what each manifest is made of.
"""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from repositories.oci.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
)
from tests.interop.docker_registry import Wires
from tests.interop.tools import digest_of

GROUPS = 50
THREADS = 8
BASE = random.Random("base layer").randbytes(40_000)
EMPTY = b"{}"
_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def names() -> list[str]:
    """`g00`, `g00/a`, `g00/a/b`, `g00/a/b/c`, `g01`, …: each is a folder of the next one."""
    return [
        f"g{number:02}{below}" for number in range(GROUPS) for below in ("", "/a", "/a/b", "/a/b/c")
    ]


@dataclass(slots=True)
class Repository:
    """What was pushed to it. A tag has named all of its `moves`, the last one still; no manifest
    is made of what is `mounted`."""

    name: str
    manifests: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    moves: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    blobs: dict[str, bytes] = field(default_factory=dict)
    mounted: dict[str, bytes] = field(default_factory=dict)


class Filler:
    """Fills a registry, a repository at a time and several at once."""

    def __init__(self, wires: Wires) -> None:
        self.repositories: dict[str, Repository] = {}
        # Manifests that were deleted.
        self.garbage: set[str] = set()
        self._wires = wires
        self._lock = threading.Lock()

    def fill(self) -> dict[str, Repository]:
        """All of it. The first repository has the layer that the others mount."""
        first, *others = names()
        self._fill(0, first)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._fill, range(1, len(others) + 1), others))
        self._leave_child_out(self.repositories[names()[35]])
        self._mount_sha512(self.repositories[names()[31]], self.repositories[names()[22]])
        return self.repositories

    def _fill(self, number: int, name: str) -> None:
        repository = Repository(name)
        with self._lock:
            self.repositories[name] = repository
        self._shared(repository, BASE)
        self._shared(repository, EMPTY)
        is_docker = number % 4 == 1
        image = self._image(repository, f"{name} v1", is_docker=is_docker)
        self._manifest(repository, image, tags=["v1", "latest"])
        if number % 2 == 0:
            self._manifest(repository, self._image(repository, f"{name} v2"), tags=["v2", "latest"])
        if number % 5 == 0:
            self._index(repository, is_docker=number % 10 == 5)
        if number % 7 == 0:
            old = self._image(repository, f"{name} old")
            self._manifest(repository, old, tags=["old", "older"])
            self._delete(repository, digest_of(old))
        if number % 9 == 0:
            self._manifest(repository, self._image(repository, f"{name} untagged"))
        if number % 11 == 0:
            image = self._image(repository, f"{name} sha512", algorithm="sha512")
            self._manifest(repository, image, tags=["sha512"])
        if number % 13 == 0:
            self._signature(repository)

    def _shared(self, repository: Repository, content: bytes) -> None:
        """A blob that all have: pushed once, and mounted."""
        first, digest = names()[0], digest_of(content)
        if repository.name == first:
            self._wires.push_blob(first, content, digest)
        else:
            self._wires.mount(repository.name, digest, first)
        repository.blobs[digest] = content

    def _image(
        self,
        repository: Repository,
        seed: str,
        *,
        is_docker: bool = False,
        algorithm: str = "sha256",
    ) -> bytes:
        """An image of the base and a layer of its own, which is pushed."""
        layer = random.Random(seed).randbytes(random.Random(seed).randrange(100, 3_000))
        digest = digest_of(layer, algorithm)
        self._wires.push_blob(repository.name, layer, digest)
        repository.blobs[digest] = layer
        media_type, config, kind = (
            (DOCKER_MANIFEST, _DOCKER_CONFIG, _DOCKER_LAYER)
            if is_docker
            else (OCI_MANIFEST, _OCI_CONFIG, _OCI_LAYER)
        )
        document = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(EMPTY, config),
            "layers": [
                descriptor(BASE, kind),
                descriptor(layer, kind) | {"digest": digest},
            ],
        }
        return json.dumps(document, indent=1).encode()

    def _manifest(
        self, repository: Repository, payload: bytes, *, tags: list[str] | None = None
    ) -> None:
        digest, media_type = digest_of(payload), json.loads(payload)["mediaType"]
        for reference in tags or [digest]:
            self._wires.push_manifest(repository.name, reference, payload, media_type)
        repository.manifests[digest] = payload
        repository.types[digest] = media_type
        for tag in tags or []:
            repository.tags[tag] = digest
            repository.moves[tag].append(digest)

    def _index(self, repository: Repository, *, is_docker: bool) -> None:
        """Of images for two architectures, which have no tags of their own."""
        children = []
        for architecture in ("amd64", "arm64"):
            seed = f"{repository.name} {architecture}"
            image = self._image(repository, seed, is_docker=is_docker)
            self._manifest(repository, image)
            entry = descriptor(image, json.loads(image)["mediaType"])
            children.append(entry | {"platform": {"os": "linux", "architecture": architecture}})
        media_type = DOCKER_LIST if is_docker else OCI_INDEX
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": children}
        self._manifest(repository, json.dumps(document).encode(), tags=["multi", "multi-1"])

    def _signature(self, repository: Repository) -> None:
        """An artifact that refers to `v1`, and the tag in which clients list it."""
        subject = repository.manifests[repository.tags["v1"]]
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.signature",
            "config": descriptor(EMPTY, EMPTY_CONFIG),
            "layers": [descriptor(EMPTY, EMPTY_CONFIG)],
            "subject": descriptor(subject, repository.types[digest_of(subject)]),
        }
        artifact = json.dumps(document).encode()
        self._manifest(repository, artifact)
        entry = descriptor(artifact, OCI_MANIFEST, artifactType=document["artifactType"])
        listing = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        tag = digest_of(subject).replace(":", "-")
        self._manifest(repository, json.dumps(listing).encode(), tags=[tag])

    def _leave_child_out(self, repository: Repository) -> None:
        """An index can be sparse: delete the first image that it lists."""
        index = json.loads(repository.manifests[repository.tags["multi"]])
        self._delete(repository, index["manifests"][0]["digest"])

    def _mount_sha512(self, repository: Repository, source: Repository) -> None:
        """That registry keeps what was pushed by sha512 as sha256, which its mounts forget: it has
        made a link to nothing."""
        [digest] = [each for each in source.blobs if each.startswith("sha512:")]
        self._wires.mount(repository.name, digest, source.name)
        repository.mounted[digest] = source.blobs[digest]

    def _delete(self, repository: Repository, digest: str) -> None:
        self._wires.delete(repository.name, digest)
        self.garbage.add(digest)
        del repository.manifests[digest]
        for tag in [tag for tag, named in repository.tags.items() if named == digest]:
            del repository.tags[tag], repository.moves[tag]


def descriptor(content: bytes, media_type: str, **fields: Any) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": digest_of(content),
        "size": len(content),
    } | fields
