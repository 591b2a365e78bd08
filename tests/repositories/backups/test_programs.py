"""pg_dump and pg_restore: found, refused when they are too old, told what to install."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from repositories.backups import programs
from repositories.backups.archive import BackupError


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`path` is PATH; `lib` is where Debian keeps a folder for each version."""
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(programs, "FOLDER", tmp_path / "lib")
    return tmp_path


def install(folder: Path, version: str, *, name: str = "pg_dump") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
    path.chmod(0o755)
    return str(path)


def test_the_lowest_version_that_is_new_enough_is_taken(places: Path) -> None:
    """A newer pg_dump may write what the older pg_restore of the next machine cannot read."""
    install(places / "path", "14.9")
    install(places / "lib/18/bin", "18.0")
    fitting = install(places / "lib/16/bin", "16.3 (Debian 16.3-1.pgdg120+1)")
    assert programs.find("pg_dump", least=15) == (fitting, 16)


def test_what_is_on_path_comes_first(places: Path) -> None:
    install(places / "lib/16/bin", "16.3")
    chosen = install(places / "path", "16.9")
    assert programs.find("pg_dump", least=16) == (chosen, 16)


def test_one_that_is_older_than_the_server_is_refused(places: Path) -> None:
    install(places / "path", "14.9")
    install(places / "lib/15/bin", "15beta1")
    with pytest.raises(BackupError, match=r"is of version 15, and 17 is needed: .*-client-17"):
        programs.find("pg_dump", least=17)


def test_without_any_it_is_said_what_to_install(places: Path) -> None:
    with pytest.raises(BackupError, match=r"There is no pg_restore on PATH .*-client-16"):
        programs.find("pg_restore", least=16)


def test_what_does_not_run_or_tells_no_version_is_passed_over(places: Path) -> None:
    broken = Path(install(places / "path", "16"))
    broken.write_text("#!/bin/sh\nexit 3\n")
    install(places / "lib/17/bin", "of the moon")
    with pytest.raises(BackupError, match="There is no pg_dump"):
        programs.find("pg_dump", least=16)


def test_what_a_program_complains_of_is_told(places: Path) -> None:
    path = Path(install(places / "path", "16"))
    path.write_text("#!/bin/sh\necho 'role \"x\" may not' >&2\nexit 1\n")
    with pytest.raises(BackupError, match='pg_dump failed: role "x" may not'):
        programs.Program(str(path), 16).run_alone("--list")


def test_the_password_is_no_argument_that_everybody_can_see(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what only the driver understands."""
    path = Path(install(places / "path", "16"))
    path.write_text('#!/bin/sh\necho "$*|$PGPASSWORD"\n')
    parameters = {
        "dbname": "berth",
        "host": "db.example.com",
        "user": "kate",
        "password": "it's secret",
        "sslmode": "verify-full",
        "connect_timeout": 5,
        "prepare_threshold": 2,
    }
    stub = SimpleNamespace(get_connection_params=lambda: parameters)
    monkeypatch.setattr(programs, "connection", stub)
    arguments, password = programs.Program(str(path), 16).run("--list").strip().split("|")
    assert password == "it's secret"
    assert arguments.startswith("--dbname=dbname=berth host=db.example.com user=kate ")
    assert arguments.endswith("sslmode=verify-full connect_timeout=5 --list")
