"""A repository to start from, and passwords that cost nothing."""

import pytest
from pytest_django import Settings

from accounts.models import Team
from repositories.models import Repository
from repositories.storage.base import Storage
from repositories.storage.filesystem import FilesystemStorage


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    """The real hash takes a quarter of a second, by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """What survives a power cut is the business of tests/storage."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def repository(team: Team) -> Repository:
    """A private repository of the team."""
    return Repository.objects.create(name="payments/app", team=team)


@pytest.fixture
def disk(blob_storage: Storage) -> FilesystemStorage:
    """The storage, for tests that look at its files."""
    assert isinstance(blob_storage, FilesystemStorage)
    return blob_storage
