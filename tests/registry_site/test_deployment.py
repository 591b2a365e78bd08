"""`manage.py check --deploy`: clean with the settings of a public site, and only with those."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

ROOT = Path(__file__).resolve().parents[2]


def check(data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=inherited | {"REGISTRY_DATA": str(data)} | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_settings_of_a_public_site_are_clean(tmp_path: Path) -> None:
    done = check(tmp_path, REGISTRY_HTTP_HOST="https://registry.example.com")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"REGISTRY_HTTP_HOST": "http://registry.example.com"}, "security.W004"),
        ({"REGISTRY_HTTP_HOST": "http://registry.example.com"}, "security.W012"),
        ({"REGISTRY_HTTP_HOST": "https://registry.example.com", "DEBUG": "true"}, "security.W018"),
        (
            {"REGISTRY_HTTP_HOST": "https://registry.example.com", "SECRET_KEY": "x" * 60},
            "security.W009",
        ),
    ],
)
def test_what_is_not_for_a_public_site_is_told(
    tmp_path: Path, environment: dict[str, str], complaint: str
) -> None:
    done = check(tmp_path, **environment)
    assert done.returncode == 1
    assert complaint in done.stderr


@pytest.mark.django_db
def test_over_https_browsers_are_told_to_stay_there(settings: Settings) -> None:
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 3600
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    client = Client()
    assert "Strict-Transport-Security" not in client.get("/sign-in").headers
    forwarded = client.get("/sign-in", headers={"X-Forwarded-Proto": "https"})
    assert forwarded.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "includeSubDomains" not in str(forwarded.headers)
