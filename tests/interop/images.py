"""Images for the clients to push, made from nothing: no network, no engine, always the same bytes.

A `Layout` is an OCI image layout on disk. Its blobs are incompressible (drawn from a seed), so that
a client or a registry that recompresses or re-serializes anything shows in the digests.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.interop.tools import digest_of, references

Json = dict[str, Any]

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

ARCHITECTURES = ("amd64", "arm64", "s390x")


def noise(seed: str, size: int) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def tar_of(files: dict[str, bytes]) -> bytes:
    """A tar archive of executable files, without a clock or an owner in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Layout:
    """An OCI image layout that grows; `layout.at(tag)` is what a client copies from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tagged: list[Json] = []
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, content: bytes, media_type: str) -> Json:
        """Store bytes; returns their descriptor."""
        digest = digest_of(content)
        blob_path(self.folder, digest).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def manifest(self, content: Json, media_type: str) -> Json:
        """Store a manifest or an index; returns its descriptor."""
        # Odd white space on purpose: a registry that re-serializes changes the digest.
        body = json.dumps({"schemaVersion": 2, "mediaType": media_type, **content}, indent=3)
        return self.blob(body.encode(), media_type)

    def image(self, seed: str, *, architecture: str = "amd64", layers: int = 2) -> Json:
        """An image of a few layers; returns its manifest's descriptor, with the platform."""
        archives = [
            tar_of({f"data/{seed}-{n}": noise(f"{seed}{n}", 70_000)}) for n in range(layers)
        ]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": {"seed": seed}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(archive) for archive in archives]},
            "history": [{"created_by": f"layer {n} of {seed}"} for n in range(layers)],
        }
        packed = [self.blob(gzip.compress(archive, mtime=0), LAYER) for archive in archives]
        named = self.blob(json.dumps(config).encode(), CONFIG)
        found = self.manifest({"config": named, "layers": packed}, IMAGE)
        return found | {"platform": {"architecture": architecture, "os": "linux"}}

    def index(self, seed: str, architectures: Iterable[str] = ARCHITECTURES) -> Json:
        """A multi-architecture image; returns its index's descriptor."""
        images = [self.image(f"{seed}-{name}", architecture=name) for name in architectures]
        return self.manifest({"manifests": images, "annotations": {"seed": seed}}, INDEX)

    def tag(self, name: str, descriptor: Json) -> str:
        """Give a manifest a name in the layout; returns its digest."""
        named = descriptor | {"annotations": {"org.opencontainers.image.ref.name": name}}
        self._tagged.append(named)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self._tagged}
        (self.folder / "index.json").write_text(json.dumps(index))
        digest: str = descriptor["digest"]
        return digest

    def at(self, tag: str) -> str:
        """The tag's place as skopeo and regctl write it, without their scheme."""
        return f"{self.folder}:{tag}"


def blob_path(folder: Path, digest: str) -> Path:
    """Where a layout keeps the bytes of a digest."""
    algorithm, _, encoded = digest.partition(":")
    return folder / "blobs" / algorithm / encoded


def tagged(folder: Path, tag: str | None = None) -> Json:
    """The descriptor that a layout's index.json holds for a tag, or its only one."""
    entries: list[Json] = json.loads((folder / "index.json").read_text())["manifests"]
    if tag is not None:
        name = "org.opencontainers.image.ref.name"
        entries = [entry for entry in entries if entry.get("annotations", {}).get(name) == tag]
    assert len(entries) == 1, entries
    return entries[0]


def layout_graph(folder: Path, tag: str | None = None) -> dict[str, str]:
    """All that a tag in a layout leads to, digest → type; every byte of it read and hashed."""
    return _walk(folder, tagged(folder, tag), is_manifest=True)


def _walk(folder: Path, descriptor: Json, *, is_manifest: bool) -> dict[str, str]:
    digest = descriptor["digest"]
    content = blob_path(folder, digest).read_bytes()
    assert digest_of(content, digest.partition(":")[0]) == digest
    found = {digest: descriptor["mediaType"]}
    if is_manifest:
        for child, child_is_manifest in references(json.loads(content)):
            found |= _walk(folder, dict(child), is_manifest=child_is_manifest)
    return found
