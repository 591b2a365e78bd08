"""A server of its own for each test: what a fault leaves behind must not reach the next one.

And a book of what came of each experiment, shown at the end of a run; as JSON, too, in the file
that BERTH_FAULTS_JSON names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.badinput.bench import empty_database
from tests.database import DATABASE
from tests.faults import outcome as outcomes
from tests.faults.ledger import Ledger
from tests.faults.outcome import Outcome
from tests.live import LiveServer

Start = Callable[..., LiveServer]
_book: list[Outcome] = []


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


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def outcome(request: pytest.FixtureRequest) -> Iterator[Outcome]:
    """What is to be said of the experiment that the test is marked as."""
    marker = request.node.get_closest_marker("experiment")
    assert marker, "mark it as experiment(number, what)"
    experiment, what = marker.args
    one = Outcome(experiment, what, DATABASE)
    failed = request.session.testsfailed
    yield one
    one.end(failed=request.session.testsfailed > failed)
    _book.append(one)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _book:
        return
    terminalreporter.section(f"faults, {DATABASE}")
    terminalreporter.write_line(outcomes.table(_book))
    if path := os.environ.get("BERTH_FAULTS_JSON"):
        outcomes.write(Path(path), _book)
