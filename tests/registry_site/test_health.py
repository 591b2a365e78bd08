"""`/healthz` and `/readyz`: for engines that restart what is ill, and send it nothing."""

import pytest
from django.db import OperationalError, connection
from django.test import Client

from repositories.storage.base import Storage
from repositories.storage.filesystem import FilesystemStorage


@pytest.fixture
def broken_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("password=hunter2 refused")

    monkeypatch.setattr(connection, "cursor", refuse)


@pytest.fixture
def broken_storage(blob_storage: Storage) -> None:
    """A file in place of the folder: not even root can write there."""
    assert isinstance(blob_storage, FilesystemStorage)
    blob_storage.root.write_text("in the way")


@pytest.mark.django_db
def test_a_sound_registry_is_ready(client: Client) -> None:
    for path in ("/healthz", "/readyz"):
        response = client.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.usefixtures("broken_storage")
def test_without_storage_it_is_not_ready(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"
    assert set(response.json()["problems"]) == {"storage"}


@pytest.mark.usefixtures("broken_database")
def test_without_a_database_it_is_not_ready_and_gives_nothing_away(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.get("/readyz")

    assert response.status_code == 503
    assert set(response.json()["problems"]) == {"database"}
    assert b"hunter2" not in response.content
    assert "hunter2" in caplog.text  # the operator has to see it


@pytest.mark.usefixtures("broken_database", "broken_storage")
def test_all_that_is_broken_is_named(client: Client) -> None:
    assert set(client.get("/readyz").json()["problems"]) == {"database", "storage"}


@pytest.mark.usefixtures("broken_database", "broken_storage")
def test_a_process_that_answers_is_alive_whatever_else_is_broken(client: Client) -> None:
    """Restarting it would not mend the database."""
    assert client.get("/healthz").status_code == 200
