"""Passwords that cost nothing, and no memory of those that earlier tests showed."""

import pytest
from pytest_django import Settings

from accounts import authentication


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    """The real hash takes a quarter of a second, by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _nobody_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_remembered", authentication._Remembered())
