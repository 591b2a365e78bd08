"""Settings that durability and recovery depend on."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from registry_site import settings as module
from tests.live import LiveServer


def database(monkeypatch: pytest.MonkeyPatch, url: str) -> dict[str, Any]:
    monkeypatch.setenv("DATABASE_URL", url)
    return module._database()


def test_sqlite_loses_nothing_in_a_power_cut_and_waits_for_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = database(monkeypatch, "sqlite:////tmp/x.sqlite3")["OPTIONS"]

    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] >= 10
    assert "journal_mode=WAL" in options["init_command"]
    assert "synchronous=FULL" in options["init_command"]


def test_without_a_url_the_database_is_a_file_in_the_data_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = database(monkeypatch, "")

    assert found["ENGINE"] == "django.db.backends.sqlite3"
    assert found["NAME"] == str(settings.DATA_FOLDER / "berth.sqlite3")


def test_postgresql_connections_are_kept_and_asked_for_a_sign_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that no request fails over a restart of the database."""
    found = database(monkeypatch, "postgres://u:p@db.example.com:5433/berth?sslmode=require")

    assert found["ENGINE"] == "repositories.postgresql"
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.example.com", 5433, "berth")
    assert found["CONN_MAX_AGE"] is None
    assert found["CONN_HEALTH_CHECKS"] is True
    options = {"sslmode": "require", "connect_timeout": 5, "tcp_user_timeout": 10_000}
    assert options.items() <= found["OPTIONS"].items()


def test_options_in_the_url_of_postgresql_have_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    found = database(monkeypatch, "postgres://db.example.com/berth?tcp_user_timeout=30000")

    assert str(found["OPTIONS"]["tcp_user_timeout"]) == "30000"


def test_no_setting_of_django_stands_in_the_way_of_uploads() -> None:
    assert settings.APPEND_SLASH is False
    assert connection.settings_dict["ATOMIC_REQUESTS"] is False
    assert not any("gzip" in name.lower() for name in settings.MIDDLEWARE)
    assert not any("ConditionalGet" in name for name in settings.MIDDLEWARE)


def test_nothing_is_open_unless_the_configuration_says_so() -> None:
    assert settings.OPEN_ACCESS is False
    assert settings.ANONYMOUS_ACCESS == "none"
    assert settings.DEBUG is False


DURABLE: dict[str, dict[str, object]] = {
    "sqlite": {"PRAGMA synchronous": 2, "PRAGMA foreign_keys": 1},
    "postgresql": {"SHOW default_transaction_isolation": "read committed"},
}


@pytest.mark.django_db
def test_the_database_was_told_so_indeed() -> None:
    for query, value in DURABLE[connection.vendor].items():
        with connection.cursor() as cursor:
            cursor.execute(query)
            assert (query, cursor.fetchone()) == (query, (value,))


@pytest.mark.parametrize(("value", "means"), [("", "True"), ("true", "True"), ("off", "False")])
def test_answers_are_remembered_unless_that_is_switched_off(
    tmp_path: Path, value: str, means: str
) -> None:
    code = "from django.conf import settings; print(settings.REMEMBER_ANSWERS)"
    server = LiveServer(tmp_path / "data", env={"REGISTRY_REMEMBER_ANSWERS": value})
    assert server.manage("shell", "-v", "0", "-c", code).strip() == means
