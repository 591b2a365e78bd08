"""A locked server, and a small image of a fleet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.contenders import BerthToken
from benchmarks.content import Content, Scale, make_content
from benchmarks.servers import Server

# As little as the rows can do with: a page has 100 names.
TINY = Scale(
    repositories=120,
    tags=110,
    seconds=1.0,
    blob=200_000,
    pushes=2,
    pulls=3,
    stream=1 << 20,
    repeats=2,
    rounds=1,
    many=(260, 520),
)


@pytest.fixture(scope="session")
def content() -> Content:
    return make_content(TINY)


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory, content: Content) -> Iterator[Server]:
    """A Berth that wants a token; its account has one for whoever asks."""
    server = BerthToken().start(tmp_path_factory.mktemp("locked"), content)
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where contenders keep their data."""
    place = tmp_path / "scratch"
    place.mkdir()
    return place
