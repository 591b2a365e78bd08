"""Migrations: each goes back and forth with data in every table, and a database that a newer
version has changed is refused."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from repositories import checks
from tests import postgres
from tests.database import DATABASE
from tests.live import INHERITED, ROOT, LiveServer, ServerError, free_port


@pytest.fixture
def database_url() -> str | None:
    """A fresh database; None means SQLite in the data folder."""
    return postgres.current().create_database() if DATABASE == "postgresql" else None


def environment(data: Path, database_url: str | None) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    url = {"DATABASE_URL": database_url} if database_url else {}
    return inherited | {"REGISTRY_DATA": str(data)} | url


def test_every_migration_goes_back_and_forth_with_data_in_every_table(
    tmp_path: Path, database_url: str | None
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.registry_site.migrating"],
        cwd=ROOT,
        env=environment(tmp_path, database_url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found["problems"] == [], done.stderr[-4000:]
    assert done.returncode == 0
    assert found["tables"] > 30


NEWER = "9999_of_tomorrow"


@pytest.mark.django_db
class TestCheck:
    def test_a_database_of_this_version_passes(self) -> None:
        assert checks.check_schema() == []

    def test_one_that_a_newer_version_has_changed_does_not(self) -> None:
        MigrationRecorder(connection).record_applied("repositories", NEWER)
        (error,) = checks.check_schema()
        assert (error.id, f"repositories.{NEWER}" in error.msg) == ("berth.E007", True)
        assert "docs/upgrade.md" in str(error.hint)

    def test_what_other_applications_have_done_is_theirs(self) -> None:
        MigrationRecorder(connection).record_applied("sessions", NEWER)
        assert checks.check_schema() == []

    def test_squashed_migrations_are_known_by_what_replaced_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = ("repositories", "0002_use_and_storage")
        own = checks._own_migrations()
        assert known in own
        monkeypatch.setattr(checks, "_own_migrations", lambda: own - {known})
        assert checks.unknown_migrations() == ["repositories.0002_use_and_storage"]
        first = import_module("repositories.migrations.0001_initial").Migration
        monkeypatch.setattr(first, "replaces", [known])
        assert checks.unknown_migrations() == []


def start_of_tomorrow(tmp_path: Path, database_url: str | None) -> LiveServer:
    """A server's data, of which the database says that a newer version was there."""
    server = LiveServer(tmp_path / "data", database_url=database_url)
    server.manage("migrate")
    code = (
        "from django.db import connection; "
        "from django.db.migrations.recorder import MigrationRecorder; "
        f"MigrationRecorder(connection).record_applied('accounts', '{NEWER}')"
    )
    server.manage("shell", "--no-imports", "-c", code)
    return server


def test_neither_a_server_nor_a_command_starts_over_a_newer_database(
    tmp_path: Path, database_url: str | None
) -> None:
    server = start_of_tomorrow(tmp_path, database_url)
    with pytest.raises(ServerError, match="The database is of a newer Berth"):
        server.start()
    with pytest.raises(ServerError, match=f"accounts.{NEWER}"):
        server.manage("collect_garbage")

    alone = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "registry_site/gunicorn.conf.py"],
        cwd=ROOT,
        env=environment(server.data, database_url)
        | {"REGISTRY_HTTP_ADDR": f"127.0.0.1:{free_port()}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert alone.returncode == 1
    assert f"knows nothing of accounts.{NEWER}" in alone.stderr
    assert "Traceback" not in alone.stderr


@pytest.mark.skipif(DATABASE != "postgresql", reason="several hosts share a PostgreSQL")
def test_servers_that_start_together_over_an_empty_database_all_start(
    tmp_path: Path, database_url: str | None
) -> None:
    servers = [LiveServer(tmp_path / name, database_url=database_url) for name in ("a", "b")]
    with ThreadPoolExecutor() as pool:
        starts = [pool.submit(server.start) for server in servers]
    try:
        for start in starts:
            start.result()
        assert any("another process changes the database" in one.log() for one in servers)
    finally:
        for server in servers:
            server.kill()


@pytest.mark.skipif(DATABASE != "postgresql", reason="SQLite is for one host")
def test_hosts_that_start_at_once_change_the_database_one_after_the_other(
    tmp_path: Path, database_url: str | None
) -> None:
    def migrate(number: int) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate"],
            cwd=ROOT,
            env=environment(tmp_path / str(number), database_url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    with ThreadPoolExecutor() as pool:
        told = list(pool.map(migrate, range(2)))
    assert sum("Applying repositories.0001" in text for text in told) == 1
    assert sum("No migrations to apply" in text for text in told) == 1
