"""What Berth says of its version, and where."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import Settings

import registry_site
from accounts.models import User
from tests.live import ROOT


def test_one_place_says_it_and_the_others_read_it_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    attribute = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert attribute == "registry_site.__version__"
    assert registry_site.__version__ == settings.VERSION


def test_the_image_says_the_same() -> None:
    assert f"\nARG VERSION={settings.VERSION}\n" in (ROOT / "deploy/Dockerfile").read_text()


@pytest.mark.parametrize("words", [["version"], ["--version"], ["--data", "DATA", "version"]])
def test_the_command_says_berths_and_makes_no_data_folder(words: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    words = [str(data) if word == "DATA" else word for word in words]
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"Berth {settings.VERSION}\n", "")
    assert not data.exists()


@pytest.mark.django_db
def test_whoever_is_let_in_is_told_it_by_v2_and_nobody_else(client: Client) -> None:
    """Strangers would look up what a version is known to get wrong."""
    assert "X-Berth-Version" not in client.get("/v2/").headers
    User.objects.create_user("alice", password="alice-password")
    headers = {"Authorization": "Basic YWxpY2U6YWxpY2UtcGFzc3dvcmQ="}
    assert client.get("/v2/", headers=headers).headers["X-Berth-Version"] == settings.VERSION


@pytest.mark.django_db
@pytest.mark.parametrize("access", ["none", "pull"])
def test_pages_tell_it_to_whoever_may_browse(
    client: Client, settings: Settings, access: str
) -> None:
    settings.ANONYMOUS_ACCESS = access
    page = client.get("/sign-in").content.decode()
    assert (f"Berth {settings.VERSION}" in page) is (access == "pull")
    assert "a container registry" in page
    client.force_login(User.objects.create_user("alice"))
    assert f"Berth {settings.VERSION}, a container registry" in client.get("/").content.decode()
