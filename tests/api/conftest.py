"""Both doors of `/v2/`, and passwords that cost nothing."""

import pytest
from pytest_django import Settings

from tests.api.doors import DOORS, Caller


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    """The real hash takes a quarter of a second, by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """What survives a power cut is the business of tests/storage."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture(autouse=True)
def _one_connection(one_connection: None) -> None:
    pass


@pytest.fixture(params=DOORS)
def call(request: pytest.FixtureRequest, db: None) -> Caller:
    """Sends requests; every test that uses it runs through both doors."""
    return Caller(DOORS[request.param])
