"""System checks: each misconfiguration is found, named, and comes with a remedy."""

import errno
import os
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, Error, run_checks
from pytest_django import Settings

from repositories import checks
from repositories.storage.filesystem import FilesystemStorage


def only(messages: object) -> CheckMessage:
    assert isinstance(messages, list)
    assert len(messages) == 1
    message = messages[0]
    assert isinstance(message, Error)
    return message


@pytest.mark.django_db
def test_they_are_all_registered_and_a_sound_installation_passes(settings: Settings) -> None:
    settings.PUBLIC_URL = "nonsense"
    settings.SECRET_KEY = "short"
    settings.BLOB_STORAGE = {"BACKEND": "no.such.Driver"}
    found = {message.id for message in run_checks() if str(message.id).startswith("berth.")}
    assert found == {"berth.E001", "berth.E004", "berth.E005"}


def test_a_restore_that_has_not_ended_is_to_be_ended_first(
    settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_FOLDER = tmp_path
    assert checks.check_restored() == []
    checks.restore_mark().write_text("{}")
    error = only(checks.check_restored())

    assert error.id == "berth.E006"
    assert "Run it again" in str(error.hint)


def test_sound_storage_passes() -> None:
    assert checks.check_storage() == []


def test_a_driver_that_does_not_exist_is_named(settings: Settings) -> None:
    settings.BLOB_STORAGE = {"BACKEND": "repositories.storage.floppy.FloppyStorage"}
    error = only(checks.check_storage())

    assert error.id == "berth.E001"
    assert "floppy" in error.msg


def test_uploads_on_another_file_system_are_found(
    disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apart(self: FilesystemStorage) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), "/mnt/uploads")

    monkeypatch.setattr(FilesystemStorage, "check", apart)
    error = only(checks.check_storage())

    assert error.id == "berth.E002"
    assert "/mnt/uploads" in error.msg
    assert error.hint


def test_a_blob_folder_that_cannot_be_made_is_found(disk: FilesystemStorage) -> None:
    disk.root.write_text("in the way")
    error = only(checks.check_storage())

    assert error.id == "berth.E003"
    assert str(disk.root) in error.msg
    assert "--data" in str(error.hint)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://registry.example.com",
        "https://registry.example.com:8443",
        "https://192.0.2.1:5000",
        "https://[2001:db8::1]:5000",
        "http://localhost",
    ],
)
def test_an_address_that_clients_can_use_passes(url: str, settings: Settings) -> None:
    settings.PUBLIC_URL = url

    assert checks.check_public_url() == []


@pytest.mark.parametrize(
    "url",
    [
        "registry.example.com",
        "registry.example.com:5000",
        "//registry.example.com",
        "ftp://registry.example.com",
        "https://",
        "https://:5000",
        "https://registry.example.com:0",
        "https://registry.example.com:99999",
        "https://registry.example.com:port",
        "https://[2001:db8::1",
        "https://registry.example.com/v2",
        "https://registry.example.com?x=y",
        "https://registry.example.com#x",
        "https://user@registry.example.com",
        "https://user:password@registry.example.com",
    ],
)
def test_an_address_that_clients_cannot_use_is_found(url: str, settings: Settings) -> None:
    settings.PUBLIC_URL = url
    error = only(checks.check_public_url())

    assert error.id == "berth.E004"
    assert "REGISTRY_HTTP_HOST" in error.msg
    assert error.hint


def test_a_random_key_passes(settings: Settings) -> None:
    settings.SECRET_KEY = "0123456789abcdef" * 2

    assert checks.check_secret_key() == []


@pytest.mark.parametrize("key", ["hunter2", "0123456789abcdef0123456789abcde", "a" * 100])
def test_a_key_that_can_be_guessed_is_found(key: str, settings: Settings) -> None:
    settings.SECRET_KEY = key
    error = only(checks.check_secret_key())

    assert error.id == "berth.E005"
    assert key not in error.msg
    assert error.hint
