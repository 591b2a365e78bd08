"""A server of its own for each test: what a fault leaves behind must not reach the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.badinput.bench import empty_database
from tests.live import LiveServer

Start = Callable[..., LiveServer]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Start]:
    """Starts an open server with the given environment, over a fresh folder and database."""
    with ExitStack() as stack:

        def start(**env: str) -> LiveServer:
            url = stack.enter_context(empty_database())
            server = LiveServer(tmp_path / "data", database_url=url, env=env)
            return stack.enter_context(server)

        yield start


@pytest.fixture
def server(start_server: Start) -> LiveServer:
    """An open server as it is by default."""
    return start_server()
