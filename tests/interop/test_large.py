"""A blob larger than 32 bits can count: pushed and pulled as a stream, once."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.tools import PIECE, Registry, missing
from tests.live import LiveServer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

SIZE = 5_000_000_001
# Bytes that are not zero, where an offset of 32 bits, signed or not, would go wrong.
MARKS = {0: b"start", 2**31 - 2: b"2 GiB", 2**32 - 2: b"4 GiB", SIZE - 4: b"end."}


@pytest.fixture
def sparse(tmp_path: Path) -> Iterator[Path]:
    """The file to push: 5 GB of length, a few pages of disk."""
    if shutil.disk_usage(tmp_path).free < 2 * SIZE:
        missing("there are less than 10 GB of disk free for the large blob")
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(SIZE)
        for offset, mark in MARKS.items():
            file.seek(offset)
            file.write(mark)
    yield path
    shutil.rmtree(tmp_path, ignore_errors=True)  # the server's copy is not sparse


def pieces(path: Path) -> Iterator[bytes]:
    """A file's content, a piece at a time."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def test_five_gigabytes_are_pushed_and_pulled(sparse: Path, fresh_server: LiveServer) -> None:
    registry = Registry(fresh_server.url)
    hasher = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for piece in pieces(sparse):
            hasher.update(piece)
            yield piece

    # A generator has no length, so this goes in chunked transfer coding, as docker pushes.
    place = registry.request("POST", "large/blob/blobs/uploads/").headers["Location"]
    sent = registry.session.patch(registry.absolute(place), data=hashed(), timeout=240)
    assert (sent.status_code, sent.headers["Range"]) == (202, f"0-{SIZE - 1}")
    digest = f"sha256:{hasher.hexdigest()}"
    place = registry.absolute(sent.headers["Location"])
    done = registry.session.put(place, params={"digest": digest}, timeout=240)
    assert done.status_code == 201, done.text

    pulled, size = hashlib.sha256(), 0
    with registry.request("GET", f"large/blob/blobs/{digest}", stream=True) as answer:
        assert answer.headers["Content-Length"] == str(SIZE)
        for piece in answer.iter_content(PIECE):
            pulled.update(piece)
            size += len(piece)
    assert (f"sha256:{pulled.hexdigest()}", size) == (digest, SIZE)

    for offset, mark in MARKS.items():
        span = f"bytes={offset}-{offset + len(mark) - 1}"
        part = registry.request("GET", f"large/blob/blobs/{digest}", headers={"Range": span})
        assert (part.status_code, part.content) == (206, mark)
        assert part.headers["Content-Range"] == span.replace("=", " ") + f"/{SIZE}"
