"""A shadow beside Docker's registry, and what that leaves behind, adopted: with real processes."""

from pathlib import Path

import pytest
import requests

from tests import postgres
from tests.database import DATABASE
from tests.interop.docker_registry import DockerRegistry
from tests.live import LiveServer
from tests.oci import documents
from tests.repositories.adoption.any_registry import pull, push_blob, push_image

APP = "team/app"
# What its job does every half a minute.
PASS = "from repositories.adoption import following; following.follow()"
Entry = tuple[int, int, int, int, int]


def everything(root: Path) -> dict[str, Entry]:
    """Every file and folder, with what any write, link or rename would change."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        same = (status.st_ino, status.st_size, status.st_mtime_ns)
        found[str(path)] = (*same, status.st_nlink, status.st_ctime_ns)
    return found


@pytest.fixture
def database_url() -> str | None:
    """A fresh database; None means SQLite in the data folder."""
    return postgres.current().create_database() if DATABASE == "postgresql" else None


def test_a_shadow_shows_what_is_pushed_beside_it_and_then_the_tree_is_adopted(
    tmp_path: Path, database_url: str | None
) -> None:
    with DockerRegistry(tmp_path / "registry") as live:
        one = push_image(live.url, APP, "1.0", b"one")
        strong = push_blob(live.url, APP, b"strong", "sha512")
        layer = documents.descriptor(b"strong", digest=str(strong))
        two = push_image(live.url, APP, "2.0", b"one", layers=[layer])
        shadow = LiveServer(
            tmp_path / "shadow",
            database_url=database_url,
            env={"REGISTRY_SHADOW": str(live.root)},
        )
        with shadow:
            assert pull(shadow.url, APP, "1.0") == str(one)
            assert pull(shadow.url, APP, "2.0") == str(two)
            new = push_image(live.url, APP, "latest", b"two")
            push_image(live.url, "other", "1.0", b"three")
            requests.delete(f"{live.url}/v2/{APP}/manifests/{one}", timeout=30).raise_for_status()
            before = everything(live.root)

            shadow.manage("shell", "--no-imports", "-c", PASS)

            assert pull(shadow.url, APP, "latest") == pull(live.url, APP, "latest") == str(new)
            assert pull(shadow.url, APP, "1.0") == pull(live.url, APP, "1.0") == ""
            assert pull(shadow.url, "other", "1.0") == pull(live.url, "other", "1.0") != ""
            refused = requests.post(f"{shadow.url}/v2/{APP}/blobs/uploads/", timeout=30)
            assert refused.status_code == 405
            assert "push to that one" in refused.json()["errors"][0]["message"]
        assert everything(live.root) == before
    data = shadow.data.parent / "berth"
    fresh = postgres.current().create_database() if database_url else None
    storage = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(live.root)}
    with LiveServer(data, database_url=fresh, env=storage) as berth:
        assert pull(berth.url, APP, "latest") == str(new)
        assert pull(berth.url, APP, "2.0") == str(two)
        assert "nothing is damaged" in berth.log()
        assert "taking it over" in berth.log()
        again = push_image(berth.url, APP, "1.0", b"one")
        assert pull(berth.url, APP, "1.0") == str(again)
    after = everything(live.root)
    # A second name for what was pushed by sha512 is all that has come.
    files = [path for path in before if Path(path).is_file()]
    assert all(after[path][:3] == before[path][:3] for path in files)
