"""A folder of listings for each test, and no thread that outlives it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from repositories.layers import listing, merged
from repositories.layers.merged import Image
from repositories.layers.process import Progress
from repositories.oci.digests import Digest
from repositories.storage import storage

Store = Callable[[bytes], Digest]
ENOUGH = 300.0


@pytest.fixture(autouse=True)
def _listings(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.DATA_FOLDER = tmp_path / "data"
    yield
    settle()


def settle() -> None:
    """Wait for whoever watches over a child."""
    while watchers := [thread for thread in threading.enumerate() if thread.name == "listing"]:
        for thread in watchers:
            thread.join()


def put(content: bytes) -> Digest:
    """Put bytes into storage; no rows are needed to look into them."""
    digest = Digest.of(content)
    storage().create_upload(digest.hex)
    with storage().write_upload(digest.hex) as writer:
        writer.write(content)
        writer.publish(digest)
    return digest


@pytest.fixture
def store() -> Store:
    return put


def listed(digest: Digest) -> Progress:
    """What has become of the listing, in the end."""
    found = listing.wait(digest=digest, seconds=ENOUGH)
    settle()
    return found


def merged_tree(image: Image) -> Progress:
    found = merged.wait(image=image, seconds=ENOUGH)
    settle()
    return found
