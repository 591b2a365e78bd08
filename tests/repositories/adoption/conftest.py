"""A tree of Docker's registry in the storage, and one elsewhere."""

from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.management.local import OPERATOR
from repositories import blobs, manifests
from repositories.adoption.adopting import adopt
from repositories.adoption.reports import Report
from repositories.models import ManifestBlob
from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.filesystem import FilesystemStorage
from tests.repositories.adoption.trees import TreeMaker


@pytest.fixture
def tree(disk: FilesystemStorage) -> TreeMaker:
    """In the storage itself."""
    return TreeMaker(disk.root)


@pytest.fixture
def other(tmp_path: Path) -> TreeMaker:
    """Beside it."""
    return TreeMaker(tmp_path / "other")


@pytest.fixture
def take(db: None) -> Callable[..., Report]:
    """Adopt the tree in the storage, or another."""

    def run(**options: object) -> Report:
        return adopt(principal=OPERATOR, **options)  # type: ignore[arg-type]

    return run


def found(report: Report) -> set[tuple[str, str]]:
    """What is wrong, and with what."""
    pairs = [(finding.kind, finding.target) for finding in report.findings]
    assert len(set(pairs)) == len(pairs)  # each thing is told once
    return set(pairs)


def pulled(repository: str, reference: str) -> str:
    """The digest that is pulled by a tag or a digest, with every blob that it needs."""
    stored = manifests.read(repository=repository, reference=reference)
    digest = Digest.parse(stored.digest)
    assert Digest.of(stored.payload, digest.algorithm) == digest
    for part in ManifestBlob.objects.filter(manifest=stored.id).select_related("link__blob"):
        blob = Digest.parse(part.link.blob.digest)
        blobs.find(repository=repository, digest=blob)
        with storage().open_blob(blob) as file:
            assert Digest.of(file.read(), blob.algorithm) == blob
    return stored.digest
