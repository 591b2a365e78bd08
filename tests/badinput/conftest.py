"""Two servers for the corpus: an open one, and a locked one for what concerns credentials."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.badinput.bench import PASSWORD, USER, Bench, empty_database
from tests.badinput.wire import Headers
from tests.live import LiveServer


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `case` runs once for each of its module's CASES."""
    if "case" in metafunc.fixturenames:
        cases = metafunc.module.CASES
        metafunc.parametrize("case", cases, ids=[case.id for case in cases])


def basic(user: str, password: str) -> Headers:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return (("Authorization", f"Basic {token}"),)


def file_outside(folder: Path) -> Path:
    """A file beside the data folder that no request may touch."""
    file = folder / "outside" / "outside.txt"
    file.parent.mkdir(parents=True)
    file.write_text("nobody asked for this file\n")
    return file


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """An open server with the canary image."""
    folder = tmp_path_factory.mktemp("badinput")
    with empty_database() as url, LiveServer(folder / "data", database_url=url) as server:
        yield Bench(server, file_outside(folder))


@pytest.fixture(scope="session")
def locked_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A locked server with the canary image and one administrator."""
    folder = tmp_path_factory.mktemp("badinput-locked")
    with (
        empty_database() as url,
        LiveServer(folder / "data", database_url=url, open_access=False) as server,
    ):
        variables = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        names = ("--username", USER, "--email", "corpus@example.com")
        server.manage("createsuperuser", "--noinput", *names, env=variables)
        yield Bench(server, file_outside(folder), credentials=basic(USER, PASSWORD))
