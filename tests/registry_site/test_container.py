"""What the image does before the command `registry`: its own defaults, and the user it becomes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_site import container
from registry_site.env import CONFIGURATION_PATH
from tests.interop.tools import missing

UID, GID = 5000, 5001
DATA, ROOT_FOLDER = "REGISTRY_DATA", "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"
ADDRESS = "REGISTRY_HTTP_ADDR"
CERTIFICATE, KEY = "REGISTRY_HTTP_TLS_CERTIFICATE", "REGISTRY_HTTP_TLS_KEY"


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (DATA, ROOT_FOLDER, ADDRESS, CERTIFICATE, KEY, CONFIGURATION_PATH):
        monkeypatch.setenv(name, "")  # so that what is written is undone
        monkeypatch.delenv(name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that is root's, as is all that is in it."""
    if os.geteuid() != 0:
        missing("only root gives files away")
    for name in ("docker/registry/v2/blobs/sha256/ab/data", "berth/uploads/1", "certs/key"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "berth.sqlite3").touch()
    return tmp_path


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


@pytest.mark.usefixtures("_environment")
class TestLending:
    @pytest.fixture
    def pair(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
        """A certificate that everybody may read, and a key for root alone."""
        if os.geteuid() != 0:
            missing("only root can be another user for a while")
        with tempfile.TemporaryDirectory(dir="/tmp") as name:  # where everybody may look
            folder = Path(name)
            folder.chmod(0o755)
            (folder / "memory").mkdir()
            monkeypatch.setattr(container, "_MEMORY", folder / "memory")
            for setting, path in ((CERTIFICATE, folder / "cert"), (KEY, folder / "key")):
                path.write_text(path.name)
                monkeypatch.setenv(setting, str(path))
            (folder / "key").chmod(0o600)
            yield folder / "cert", folder / "key"

    def test_what_only_root_may_read_is_copied_and_nothing_else(
        self, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        certificate, key = pair
        container.lend(UID, GID)
        assert os.environ[CERTIFICATE] == str(certificate)
        copy = Path(os.environ[KEY])
        assert (copy.read_text(), owner(copy)) == ("key", (UID, GID))
        assert (copy.parent.stat().st_mode & 0o777, owner(copy.parent)) == (0o700, (UID, GID))
        assert (owner(key), os.geteuid(), os.getegid()) == ((0, 0), 0, 0)
        assert f"{key} is not for the user registry" in capsys.readouterr().err

    def test_what_is_not_there_is_for_the_server_to_tell(
        self, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        for path in pair:
            path.unlink()
        container.lend(UID, GID)
        assert (os.environ[CERTIFICATE], os.environ[KEY]) == tuple(map(str, pair))
        assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("_environment")
class TestDefaults:
    def test_without_a_setting_it_is_as_docker_has_it(self) -> None:
        assert container.complete_settings() == [Path("/var/lib/registry")]
        assert os.environ[DATA] == "/var/lib/registry"
        assert os.environ[ADDRESS] == ":5000"

    def test_the_database_goes_where_blobs_are_mounted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "config.yml").write_text(
            "storage: {filesystem: {rootdirectory: /blobs}}\nhttp: {addr: ':6000'}\n"
        )
        monkeypatch.setenv(CONFIGURATION_PATH, str(tmp_path / "config.yml"))
        assert container.complete_settings() == [Path("/blobs")]
        assert os.environ[DATA] == "/blobs"
        assert ADDRESS not in os.environ

    def test_two_folders_that_are_named_are_two(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(DATA, "/data")
        monkeypatch.setenv(ROOT_FOLDER, "/blobs")
        assert container.complete_settings() == [Path("/data"), Path("/blobs")]


class TestHandingOver:
    def test_what_a_registry_keeps_is_given_and_nothing_else(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        container.hand_over(root, UID, GID)
        kept = [root, root / "berth.sqlite3"]
        kept += [root / "docker", *(root / "docker").rglob("*")]
        kept += [root / "berth", *(root / "berth").rglob("*")]
        assert {owner(path) for path in kept} == {(UID, GID)}
        assert {owner(path) for path in (root / "certs", root / "certs/key")} == {(0, 0)}
        assert f"{len(kept)} files and folders" in capsys.readouterr().err

    def test_the_next_start_has_nothing_to_do(
        self, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        container.hand_over(root, UID, GID)
        capsys.readouterr()
        monkeypatch.setattr(os, "fwalk", None)  # nor does it look through all of it
        container.hand_over(root, UID, GID)
        assert capsys.readouterr().err == ""

    def test_an_interrupted_start_is_made_up_for(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[object] = []
        chown = os.chown

        def third_time_unlucky(*args: object, **options: object) -> None:
            if len(given) == 3:
                raise KeyboardInterrupt
            given.append(args)
            chown(*args, **options)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(os, "chown", third_time_unlucky)
            with pytest.raises(KeyboardInterrupt):
                container.hand_over(root, UID, GID)
        container.hand_over(root, UID, GID)
        for folder in (root / "docker", root / "berth"):
            assert {owner(path) for path in (folder, *folder.rglob("*"))} == {(UID, GID)}

    def test_no_link_leads_out(self, root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        """The user `registry` writes there, and must not have other files given to itself."""
        outside = tmp_path_factory.mktemp("outside")
        (outside / "file").touch()
        (root / "docker" / "link").symlink_to(outside)
        (root / "docker" / "file").symlink_to(outside / "file")
        (root / "secret_key").symlink_to(outside / "file")
        shutil.rmtree(root / "berth")
        (root / "berth").symlink_to(outside)
        container.hand_over(root, UID, GID)
        assert {owner(outside), owner(outside / "file")} == {(0, 0)}
        assert owner(root / "docker" / "link") == (UID, GID)

    def test_what_cannot_be_given_is_told_with_what_to_do(
        self,
        root: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def refused(*args: object, **options: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "chown", refused)
        container.hand_over(root, UID, GID)
        assert f"chown -R {UID}:{GID}" in capsys.readouterr().err

    def test_a_folder_that_is_not_there_yet_is_made(self, root: Path) -> None:
        container.hand_over(root / "new", UID, GID)
        assert owner(root / "new") == (UID, GID)
