"""`manage.py backup --verify` finds what was flipped, cut off or taken away, and names it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from repositories.access import Principal
from repositories.backups.archive import Archive
from repositories.backups.database import FILES
from repositories.backups.saving import Report
from repositories.oci.digests import Digest
from tests.repositories.backups.conftest import manage, refused
from tests.repositories.content import push_blob, push_image

pytestmark = pytest.mark.django_db(transaction=True)

LAYER = b"a layer"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def remove(path: Path) -> None:
    path.unlink()


DAMAGES = [(flip, "its bytes have changed"), (cut, "bytes instead of"), (remove, "is missing")]


@pytest.fixture
def saved(writer: Principal, save: Callable[[], Report], no_links: None) -> None:
    push_image(writer, LAYER, tags=["v1"])
    push_blob(writer, b"another", algorithm="sha512")
    save()


@pytest.mark.usefixtures("saved")
def test_a_backup_that_is_whole_is_called_so(place: Path) -> None:
    assert "is whole: 3 blobs of 3" in manage("backup", "--verify", str(place))


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(("damage", "told"), DAMAGES)
@pytest.mark.parametrize("digest", [Digest.of(LAYER), Digest.of(b"another", "sha512")])
def test_a_damaged_blob_is_found_and_can_be_saved_again(
    archive: Archive, place: Path, damage: Callable[[Path], None], told: str, digest: Digest
) -> None:
    path = archive.blob_path(digest)
    damage(path)
    said = refused("backup", "--verify", str(place))
    assert f"{path}: " in said
    assert told in said
    assert "in 1 places" in said
    assert "remove it, and the next backup saves it again" in said
    path.unlink(missing_ok=True)
    manage("backup", str(place))
    assert "is whole" in manage("backup", "--verify", str(place))


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(("damage", "told"), DAMAGES)
@pytest.mark.parametrize("name", ["database", "blobs.txt", "data/secret_key"])
def test_damage_of_the_snapshot_itself_is_found(
    archive: Archive, place: Path, damage: Callable[[Path], None], told: str, name: str
) -> None:
    folder = archive.find(None).folder
    [path] = [folder / file for file in FILES.values() if (folder / file).exists()]
    path = path if name == "database" else folder / name
    damage(path)
    said = refused("backup", "--verify", str(place))
    assert f"{path}: " in said
    assert told in said


@pytest.mark.usefixtures("saved")
def test_a_manifest_that_is_damaged_is_told_in_one_line(archive: Archive, place: Path) -> None:
    cut(archive.find(None).folder / "manifest.json")
    path = archive.find(None).folder / "manifest.json"
    for content in (path.read_bytes()[:-3], b"[]", b"{}", b"\xff", b'{"format": 1, "files": [1]}'):
        path.write_bytes(content)
        assert "is damaged" in refused("backup", "--verify", str(place))


def test_a_damaged_file_that_is_the_registrys_own_is_said_to_be_that(
    writer: Principal, save: Callable[[], Report], archive: Archive, place: Path
) -> None:
    push_image(writer, LAYER)
    save()
    flip(archive.blob_path(Digest.of(LAYER)))
    assert "that one is damaged, too" in refused("backup", "--verify", str(place))


def test_an_older_snapshot_can_be_named(
    writer: Principal, save: Callable[[], Report], archive: Archive, place: Path
) -> None:
    first = save().snapshot
    push_image(writer, LAYER)
    save()
    archive.blob_path(Digest.of(LAYER)).unlink()
    assert "is whole" in manage("backup", "--verify", str(place), f"--snapshot={first}")
    assert "is missing" in refused("backup", "--verify", str(place))
    said = refused("backup", "--verify", str(place), "--snapshot=nonsense")
    assert "There is no snapshot 'nonsense'" in said
    assert first in said
