"""A tree that is exported from what the tests have pushed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from repositories import leases
from repositories.backups.files import Progress
from repositories.leaving.exporting import Report, export
from tests.repositories.content import APP


class Exported:
    """The folder, looked at without any code of the export's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root / "docker" / "registry" / "v2"

    def again(self, *globs: str) -> Report:
        return export(destination=self.root, globs=globs, progress=Progress())

    def blob(self, digest: object) -> Path:
        algorithm, _, value = str(digest).partition(":")
        return self.base / "blobs" / algorithm / value[:2] / value / "data"

    def repository(self, name: str = APP) -> Path:
        return self.base / "repositories" / name

    def links(self, below: str, *, repository: str = APP) -> dict[str, str]:
        """What links below a folder of the repository hold, by the folder that each is in."""
        folder = self.repository(repository) / below
        return {
            str(path.parent.relative_to(folder)): path.read_text() for path in folder.rglob("link")
        }

    def files(self) -> dict[str, tuple[bytes, int]]:
        """The bytes of every file of the tree; of links, whose times are dates, those as well."""
        return {
            str(path.relative_to(self.base)): (
                path.read_bytes(),
                path.stat().st_mtime_ns if path.name == "link" else 0,
            )
            for path in self.base.rglob("*")
            if path.is_file()
        }


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(leases, "SETTLE_SECONDS", 0.0)
    settings.DATA_FOLDER = tmp_path / "data"
    settings.DATA_FOLDER.mkdir()
    return tmp_path / "data"


@pytest.fixture
def exported(tmp_path: Path) -> Exported:
    """Where the tree goes; nothing is there yet."""
    return Exported(tmp_path / "exported")


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
