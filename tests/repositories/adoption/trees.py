"""Trees as Docker's registry writes them, made by code."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from repositories.oci import media_types
from repositories.oci.digests import Digest
from tests.oci import documents
from tests.oci.documents import CONFIG, Document

# When the tree's first link was written; each is a minute younger than the one before.
BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = 60


class TreeMaker:
    """A tree at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root / "docker" / "registry" / "v2"
        self.repositories = self.base / "repositories"
        self.repositories.mkdir(parents=True)
        self._clock = BEGINNING.timestamp()

    # --- what a registry does ---

    def blob(self, content: bytes) -> Digest:
        """Store bytes, which nothing links."""
        digest = Digest.of(content)
        path = self.data(digest)
        if not path.exists():
            self.write(path, content)
        return digest

    def push_blob(self, repository: str, content: bytes, algorithm: str = "sha256") -> Digest:
        """Store bytes by their sha256, and link them; by another digest as well."""
        canonical = self.blob(content)
        self.link(self.layer(repository, canonical), canonical)
        digest = Digest.of(content, algorithm)
        if digest != canonical:
            self.link(self.layer(repository, digest), canonical)
        return digest

    def push(self, repository: str, document: Document | bytes, *tags: str) -> Digest:
        """Store a manifest, and let the tags name it."""
        payload = document if isinstance(document, bytes) else documents.encode(document)
        digest = self.blob(payload)
        self.link(self.revision(repository, digest), digest)
        for tag in tags:
            self.tag(repository, tag, digest)
        return digest

    def image(self, repository: str, *layers: bytes, tags: tuple[str, ...] = ()) -> Digest:
        """Push an image with its blobs."""
        for content in (CONFIG, *layers):
            self.push_blob(repository, content)
        return self.push(repository, documents.image(*layers), *tags)

    def tag(self, repository: str, tag: str, digest: Digest) -> None:
        folder = self.tag_folder(repository, tag)
        self.link(folder / "index" / digest.algorithm / digest.hex / "link", digest)
        self.link(folder / "current" / "link", digest)

    def untag(self, repository: str, tag: str) -> None:
        shutil.rmtree(self.tag_folder(repository, tag))

    def delete_manifest(self, repository: str, digest: Digest) -> None:
        """As DELETE does: the link goes, and its folder stays."""
        self.revision(repository, digest).unlink()

    # --- where things are ---

    def data(self, digest: Digest) -> Path:
        return self.base / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex / "data"

    def layer(self, repository: str, digest: Digest) -> Path:
        folder = self.repositories / repository / "_layers"
        return folder / digest.algorithm / digest.hex / "link"

    def revision(self, repository: str, digest: Digest) -> Path:
        folder = self.repositories / repository / "_manifests" / "revisions"
        return folder / digest.algorithm / digest.hex / "link"

    def tag_folder(self, repository: str, tag: str) -> Path:
        return self.repositories / repository / "_manifests" / "tags" / tag

    def below(self, path: Path) -> str:
        """The path as a report has it."""
        return str(path.relative_to(self.root))

    def link(self, path: Path, target: Digest) -> None:
        self.write(path, str(target).encode())

    def write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._clock += MINUTE
        os.utime(path, (self._clock, self._clock))

    def listing(self) -> dict[str, tuple[int, int, bytes]]:
        """Everything that is there: its mode, its time and what is in it."""
        return dict(sorted(self._entries()))

    def files(self) -> dict[str, int]:
        """The files that are there, and their sizes."""
        found = (path for path in (self.root / "docker").rglob("*") if path.is_file())
        return {self.below(path): path.stat().st_size for path in found}

    def _entries(self) -> Iterator[tuple[str, tuple[int, int, bytes]]]:
        for path in (self.root / "docker").rglob("*"):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            yield str(path.relative_to(self.root)), (status.st_mode, status.st_mtime_ns, content)


def when(path: Path) -> datetime:
    """The time of a file."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def described(payload: bytes, media_type: str = media_types.OCI_MANIFEST) -> Document:
    """The descriptor by which an index lists a manifest."""
    return documents.descriptor(payload, media_type)
