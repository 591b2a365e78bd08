"""What `serve` does with a tree before it listens."""

import logging
import os
import shutil
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError
from pytest_django import Settings
from rich.console import Console

from registry_site import command_line, data_folder, taking_over
from registry_site.management.commands import serve
from registry_site.serving import Address
from repositories import checks
from repositories.models import Adoption, Repository
from repositories.storage.base import Storage
from repositories.storage.filesystem import FilesystemStorage
from tests.repositories.adoption.trees import TreeMaker

APP = "payments/app"


@pytest.fixture
def tree(blob_storage: Storage) -> TreeMaker:
    """A tree in the storage."""
    assert isinstance(blob_storage, FilesystemStorage)
    made = TreeMaker(blob_storage.root)
    made.image(APP, b"one", tags=("1.0",))
    return made


@pytest.mark.django_db
class TestAdopting:
    def test_the_first_start_does_it_and_says_so(
        self, tree: TreeMaker, caplog: pytest.LogCaptureFixture
    ) -> None:
        tree.write(tree.tag_folder(APP, "2.0") / "current" / "link", b"")
        with caplog.at_level(logging.INFO):
            taking_over.begin(is_open=False)
        assert "adopting repositories: 1 to go" in caplog.text
        assert "1 tags taken over" in caplog.text
        assert "manage.py adopt lists what is wrong" in caplog.text
        assert Repository.objects.get().visibility == "private"
        caplog.clear()
        taking_over.begin(is_open=False)
        assert caplog.text == ""

    def test_in_open_mode_everybody_could_reach_it_and_can(self, tree: TreeMaker) -> None:
        taking_over.begin(is_open=True)
        assert Repository.objects.get().visibility == "public"

    def test_a_setting_keeps_it_from_that(self, tree: TreeMaker, settings: Settings) -> None:
        settings.ADOPT = False
        taking_over.begin(is_open=False)
        assert not Adoption.objects.exists()

    def test_one_that_was_stopped_is_gone_on_with(
        self, tree: TreeMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stop(_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(taking_over._Logged, "advance", stop)
            with pytest.raises(CommandError, match="the next start goes on"):
                taking_over.begin(is_open=False)
        assert Adoption.objects.get().finished_at is None
        taking_over.begin(is_open=False)
        assert Adoption.objects.get().finished_at is not None

    def test_what_is_in_the_way_stops_the_start(self, tree: TreeMaker, tmp_path: Path) -> None:
        shutil.move(tree.base / "blobs", tmp_path / "blobs")
        (tree.base / "blobs").symlink_to(tmp_path / "blobs")
        with pytest.raises(CommandError, match="REGISTRY_ADOPT=false"):
            taking_over.begin(is_open=False)


class TestShadow:
    def test_its_folder_is_named_on_the_command_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("REGISTRY_SHADOW", raising=False)
        monkeypatch.setenv("REGISTRY_DATA", "")
        argv = ["manage.py", "serve", "--shadow", "/srv/registry", "--open"]
        assert command_line.take_data_folder(argv) == ["manage.py", "serve", "--open"]
        assert os.environ["REGISTRY_SHADOW"] == "/srv/registry"

    def test_it_writes_nothing_below_the_tree(self, tmp_path: Path) -> None:
        assert data_folder.shadowed("", tmp_path) == ""
        assert data_folder.shadowed(str(tmp_path), tmp_path.parent / "data") == str(tmp_path)
        for folder in (tmp_path, tmp_path / "data"):
            with pytest.raises(ImproperlyConfigured, match="--data"):
                data_folder.shadowed(str(tmp_path), folder)
        with pytest.raises(ImproperlyConfigured, match="no such folder"):
            data_folder.shadowed(str(tmp_path / "none"), tmp_path)

    def test_its_greeting_asks_for_no_push(
        self, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.SHADOW = "/srv/registry"
        serve._greet(Console(), Address.parse("127.0.0.1:5001"), is_open=True)
        printed = capsys.readouterr().out
        assert "/srv/registry" in printed
        assert "takes no pushes" in printed
        assert "docker push" not in printed

    @pytest.mark.django_db
    def test_its_data_folder_is_no_registrys(self, settings: Settings, tmp_path: Path) -> None:
        assert checks.check_shadow() == []
        Adoption.objects.create(root="/srv/registry", is_shadow=True)
        (error,) = checks.check_shadow()
        assert (error.id, "--shadow /srv/registry" in str(error.hint)) == ("berth.E008", True)
        settings.SHADOW = "/srv/registry"
        assert checks.check_shadow() == []
