"""One server and one Docker engine for all interop tests, and what runs on which database."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.interop.engine import Engine
from tests.interop.images import Layout
from tests.interop.tools import PASSWORD, USER, Client, Registry
from tests.live import LiveServer

HERE = Path(__file__).parent
LOG_TAIL = 8_000

# The servers that run, each with how much it had logged when the current test began.
_running: dict[LiveServer, int] = {}


def on_postgres() -> bool:
    """Whether this run of the suite is the one on PostgreSQL."""
    return os.environ.get("BERTH_TEST_DATABASE") == "postgresql"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "interop: drives a real client against a real server")
    config.addinivalue_line(
        "markers", "both_databases: an interop test worth running on PostgreSQL"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Clients cannot see the database: on PostgreSQL only the tests that say so run again."""
    if not on_postgres():
        return
    again: list[pytest.Item] = []
    not_again: list[pytest.Item] = []
    for item in items:
        runs = HERE not in item.path.parents or item.get_closest_marker("both_databases")
        (again if runs else not_again).append(item)
    config.hook.pytest_deselected(items=not_again)
    items[:] = again


def pytest_runtest_setup() -> None:
    for server in _running:
        _running[server] = len(server.log())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the servers wrote to the report of a test that failed."""
    report = yield
    if report.failed:
        for server, start in _running.items():
            report.sections.append((f"log of {server.url}", server.log()[start:][-LOG_TAIL:]))
    return report


@contextmanager
def _reported(server: LiveServer) -> Iterator[LiveServer]:
    _running[server] = 0
    try:
        with server:
            yield server
    finally:
        del _running[server]


@pytest.fixture(scope="session")
def database_url() -> str | None:
    """A fresh database for the session's server on PostgreSQL; None means SQLite."""
    return postgres.current().create_database(tables=True) if on_postgres() else None


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, database_url: str | None
) -> Iterator[LiveServer | None]:
    """The server that most tests share; None where BERTH_TEST_URL names one that runs already."""
    if os.environ.get("BERTH_TEST_URL"):
        yield None
        return
    data = tmp_path_factory.mktemp("server") / "data"
    with _reported(LiveServer(data, database_url=database_url)) as running:
        if database_url:
            with psycopg.connect(database_url) as connection:
                connection.execute("SELECT FROM django_migrations")  # it is really there
        yield running
        assert "Traceback (most recent call last)" not in running.log(), running.log_tail()


@pytest.fixture(scope="session")
def registry(server: LiveServer | None) -> Registry:
    """The shared server, read over HTTP."""
    return Registry(server.url if server else os.environ["BERTH_TEST_URL"].rstrip("/"))


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server of the test's own, to be killed, restarted, or found empty."""
    with _reported(LiveServer(tmp_path / "data")) as running:
        yield running


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository name that no other test uses."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"interop/{words[:40].strip('-')}-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An image layout to fill and push from."""
    return Layout(tmp_path / "layout")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine with the classic image store."""
    running = Engine()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def locked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that lets in nobody but the user `keeper`."""
    data = tmp_path_factory.mktemp("locked") / "data"
    with _reported(LiveServer(data, open_access=False)) as running:
        settings = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        who = ("--username", USER, "--email", "keeper@example.org")
        running.manage("createsuperuser", "--noinput", *who, env=settings)
        yield running


@pytest.fixture
def skopeo(tmp_path: Path) -> Client:
    """skopeo, which trusts every image: there are no signatures here."""
    return Client("skopeo", tmp_path / "skopeo", always=("--insecure-policy",))


@pytest.fixture
def crane(tmp_path: Path) -> Client:
    """crane, of go-containerregistry."""
    return Client("crane", tmp_path / "crane")


@pytest.fixture
def oras(tmp_path: Path) -> Client:
    """oras, for artifacts."""
    return Client("oras", tmp_path / "oras")


@pytest.fixture
def regctl(tmp_path: Path, registry: Registry) -> Client:
    """regctl, of regclient, told that the shared server speaks plain HTTP."""
    home = tmp_path / "regctl"
    client = Client("regctl", home, env={"REGCTL_CONFIG": str(home / "config.json")})
    client("registry", "set", registry.host, "--tls", "disabled", "--skip-check")
    return client
