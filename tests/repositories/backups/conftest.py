"""A data folder, a backup of it, and a collector that may come between."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from repositories import leases
from repositories.backups.archive import Archive
from repositories.backups.files import Progress
from repositories.backups.saving import Report, back_up

KEY = "the secret key of a registry that is backed up, 0123456789"


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As the settings have it: with a secret key that was made there."""
    monkeypatch.setattr(leases, "SETTLE_SECONDS", 0.0)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "secret_key").write_text(KEY)
    (folder / "secret_key").chmod(0o600)
    settings.DATA_FOLDER, settings.SECRET_KEY = folder, KEY
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the backup goes."""
    return tmp_path / "backup"


@pytest.fixture
def archive(place: Path) -> Archive:
    return Archive(place)


@pytest.fixture
def save(place: Path) -> Callable[..., Report]:
    """Take a snapshot."""

    def run(keep: int | None = None) -> Report:
        return back_up(destination=place, keep=keep, progress=Progress())

    return run


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As between two file systems."""

    def refuse(*_: object) -> None:
        raise OSError(18, os.strerror(18))

    monkeypatch.setattr(os, "link", refuse)


def manage(*words: str) -> str:
    """What a command prints. Raises CommandError."""
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def refused(*words: str) -> str:
    """What a command says when it fails."""
    with pytest.raises(CommandError) as raised:
        manage(*words)
    return str(raised.value)


def break_off(*, after: Path) -> None:
    """Leave what a run leaves that was killed: a snapshot that is not whole, half a blob."""
    partial = after / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "snapshot" / "data").mkdir(parents=True)
    (partial / "snapshot" / "blobs.txt").write_text("sha256:00")
    (partial / "blob").write_bytes(b"half a bl")
