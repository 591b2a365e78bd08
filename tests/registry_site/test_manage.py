"""`manage.py`: where the data folder comes from, before anything else is known."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry_site.command_line import take_data_folder
from tests.live import ROOT


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_DATA", "before")


@pytest.mark.parametrize(
    ("argv", "rest", "folder"),
    [
        (["manage.py", "serve"], ["manage.py", "serve"], "before"),
        (["manage.py", "serve", "--data", "/d"], ["manage.py", "serve"], "/d"),
        (["manage.py", "--data", "/d", "serve"], ["manage.py", "serve"], "/d"),
        (["manage.py", "serve", "--data=/d", "--open"], ["manage.py", "serve", "--open"], "/d"),
        (["manage.py", "x", "--data=/a b=c"], ["manage.py", "x"], "/a b=c"),
        (["manage.py", "x", "--data", "/1", "--data=/2"], ["manage.py", "x"], "/2"),
        (
            ["manage.py", "dumpdata", "--database", "x"],
            ["manage.py", "dumpdata", "--database", "x"],
            "before",
        ),
        (["manage.py", "x", "--data-file", "f"], ["manage.py", "x", "--data-file", "f"], "before"),
    ],
)
def test_the_data_folder_is_taken_from_anywhere_in_the_line(
    argv: list[str], rest: list[str], folder: str
) -> None:
    assert take_data_folder(argv) == rest
    assert os.environ["REGISTRY_DATA"] == folder


@pytest.mark.parametrize(
    "argv", [["serve", "--data"], ["serve", "--data="], ["serve", "--data", "--open"]]
)
def test_a_data_folder_without_a_name_is_refused(argv: list[str]) -> None:
    """Else the registry would start on ./var, and look empty."""
    with pytest.raises(SystemExit, match="--data"):
        take_data_folder(argv)
    assert os.environ["REGISTRY_DATA"] == "before"


def test_a_command_uses_the_folder_that_it_is_given(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--data", str(folder)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout
    assert (folder / "secret_key").exists()


@pytest.mark.parametrize(
    "setting",
    [
        "REGISTRY_CATALOG_MAXENTRIES=many",
        "REGISTRY_ANONYMOUS_ACCESS=write",
        "REGISTRY_STORAGE_DELETE_ENABLED=perhaps",
        "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED=maybe",
        "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE=7d",
        "REGISTRY_LOG_LEVEL=loud",
    ],
)
def test_a_malformed_setting_stops_the_start_and_is_named(setting: str, tmp_path: Path) -> None:
    name, _, value = setting.partition("=")
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--data", str(tmp_path)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert f"ImproperlyConfigured: {name}={value!r}" in done.stderr
