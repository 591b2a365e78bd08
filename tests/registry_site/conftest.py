"""Passwords that cost nothing."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    """The real hash takes a quarter of a second, by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
