"""The data folder and the key in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from registry_site import data_folder
from tests.live import ROOT


def test_the_folder_is_made_with_all_above_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"

    assert data_folder.prepare(folder) == folder
    assert folder.is_dir()
    assert data_folder.prepare(folder) == folder


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_said_with_what_to_do(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ImproperlyConfigured, match="--data or REGISTRY_DATA") as caught:
        data_folder.prepare(tmp_path / path)

    assert str(tmp_path / path) in str(caught.value)


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    key = data_folder.secret_key(tmp_path)

    assert len(key) >= 50
    assert data_folder.secret_key(tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        data_folder.secret_key(tmp_path)
    finally:
        os.umask(before)

    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    keys = {data_folder.secret_key(data_folder.prepare(tmp_path / name)) for name in "ab"}

    assert len(keys) == 2


def test_a_key_that_another_process_made_meanwhile_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link
    theirs = "k" * 50

    def late(draft: Path, path: Path) -> None:
        path.write_text(theirs)  # it comes between our look and our link
        link(draft, path)

    monkeypatch.setattr(os, "link", late)

    assert data_folder.secret_key(tmp_path) == theirs
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


RACE = """
import sys
from pathlib import Path
from registry_site.data_folder import secret_key
print("ready", flush=True)
sys.stdin.readline()
print(secret_key(Path(sys.argv[1])))
"""


def test_processes_that_start_at_once_agree_on_a_key(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        keys = {racer.communicate("go\n", timeout=30)[0].strip() for racer in racers}
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()

    assert keys == {(tmp_path / "secret_key").read_text()}
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


@pytest.mark.parametrize(
    "content", [b"", b"short", b" " * 100, b"\xff" * 50, "\u00e9".encode() * 50]
)
def test_a_key_that_is_none_is_said_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret_key"
    path.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match="delete it"):
        data_folder.secret_key(tmp_path)

    assert path.read_bytes() == content


@pytest.mark.parametrize("place", ["secret_key", "."])
def test_a_key_that_cannot_be_kept_is_said_with_what_to_do(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "data"
    if place == ".":
        folder.write_text("no folder at all")
    else:
        (folder / place).mkdir(parents=True)
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        data_folder.secret_key(folder)
