"""A backup of a registry in use, restored into an empty place, has every image that it names."""

from __future__ import annotations

import base64
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.badinput.corpus import sha256
from tests.badinput.wire import exchange
from tests.database import DATABASE
from tests.faults import client
from tests.faults.backups import attempt, empty_place, images, pull_everything
from tests.faults.collecting import SETTINGS, collecting, inspect
from tests.faults.scale import MARKS, either
from tests.live import LiveServer
from tests.postgres import ROLE, Cluster

pytestmark = MARKS

REPOSITORY = "faults/saved"
PUSHERS = 3
SNAPSHOTS = either(3, 12)
UNDO = """
from accounts.management.local import OPERATOR
from repositories import undo
from repositories.models import Deletion
record = Deletion.objects.get()
undo.undo_repository(principal=OPERATOR, team=record.team.name, deletion=record.pk)
"""


def push(host: str, tag: str, seed: object, **more: object) -> bytes | None:
    """Push an image of two blobs; its manifest, or None where a blob was collected in between."""
    layer = client.random_bytes(seed, 4_000)
    for blob in (client.CONFIG, layer):
        assert client.push_blob(host, REPOSITORY, blob).status == 201
    manifest = client.image(layer, **more)
    answer = client.push_manifest(host, REPOSITORY, tag, manifest)
    assert answer.status in {201, 404}, answer
    return manifest if answer.status == 201 else None


def signed_in(server: LiveServer, token: str) -> int:
    """How the token service answers who has this token."""
    words = base64.b64encode(f"kate:{token}".encode()).decode()
    target = f"/token?service=berth&scope=repository:{REPOSITORY}:pull"
    return exchange(server.host, "GET", target, (("Authorization", f"Basic {words}"),)).status


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One with three images, for tests that leave it as it is."""
    with empty_place(tmp_path_factory.mktemp("saved") / "data") as live, live:
        for number in range(3):
            push(live.host, f"v{number}", number)
        yield live


def test_a_restored_registry_is_the_one_that_was_saved(server: LiveServer, tmp_path: Path) -> None:
    (server.data / "htpasswd").write_text("")
    (server.data / "htpasswd").chmod(0o640)
    place = str(tmp_path / "backup")
    server.manage("create_user", "kate", "--admin")
    token = server.manage("create_token", "--user", "kate").split()[-1]
    assert signed_in(server, token) == 200
    server.manage("backup", place)
    before = images(server)
    assert len(before) == 3
    keys = exchange(server.host, "GET", "/token/jwks.json").body
    assert b"kid" in keys

    with empty_place(tmp_path / "restored") as restored:
        told = restored.manage("restore", place, "--verify")
        assert re.search(r"copied: 4 blobs, [0-9]+ bytes\nlinked: 0 ", told), told
        assert not (restored.data / "restoring").exists()
        modes = {
            name: stat.S_IMODE((restored.data / name).stat().st_mode)
            for name in ("secret_key", "htpasswd")
        }
        assert modes == {"secret_key": 0o600, "htpasswd": 0o640}
        key = (server.data / "secret_key").read_bytes()
        assert (restored.data / "secret_key").read_bytes() == key
        restored.open_access = False
        with restored:
            assert exchange(restored.host, "GET", "/token/jwks.json").body == keys
            assert (signed_in(restored, token), signed_in(restored, token[::-1])) == (200, 401)
        restored.open_access = True
        with restored:
            assert pull_everything(restored) == before
            assert push(restored.host, "new", "new") is not None
            found = inspect(restored)
            assert (found["lost"], found["strays"], found["trash"]) == ([], [], [])

        # And over something nothing is restored.
        code, told = attempt(restored, "restore", place)
        assert code == 1
        assert "nothing is restored over them: name an empty folder" in told


def test_with_link_blobs_are_the_files_of_the_backup(server: LiveServer, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    server.manage("backup", str(place))
    with empty_place(tmp_path / "restored") as restored:
        assert "linked: 4 blobs" in restored.manage("restore", str(place), "--link")
        files = list((restored.data / "docker").rglob("data"))
        assert len(files) == 4
        for file in files:
            assert file.samefile(
                place / "blobs/sha256" / file.parent.parent.name / file.parent.name
            )
        with restored:
            assert pull_everything(restored) == images(server)


def test_a_used_database_is_not_restored_over(server: LiveServer, tmp_path: Path) -> None:
    place = str(tmp_path / "backup")
    server.manage("backup", place)
    with empty_place(tmp_path / "restored") as restored:
        restored.manage("migrate", "-v", "0")
        code, told = attempt(restored, "restore", place)
        assert code == 1
        assert "The database has tables already" in told
        assert not (restored.data / "restoring").exists()


def test_a_backup_of_another_kind_of_database_is_refused(
    server: LiveServer, tmp_path: Path
) -> None:
    place = str(tmp_path / "backup")
    server.manage("backup", place)
    if DATABASE == "postgresql":
        other = LiveServer(tmp_path / "restored")
        words = "is of a PostgreSQL database, and the settings name SQLite"
    else:
        # The kind is known before anybody connects.
        other = LiveServer(tmp_path / "restored", database_url="postgres://x@127.0.0.1:1/x")
        words = "is of a SQLite database, and the settings name PostgreSQL"
    code, told = attempt(other, "restore", place)
    assert (code, words in told) == (1, True), told


def test_another_secret_key_is_refused_and_a_missing_one_asked_for(
    server: LiveServer, tmp_path: Path
) -> None:
    key, place = "0123456789abcdefghijklmnopqrstuvwxyz", str(tmp_path / "backup")
    server.manage("backup", f"{place}-file")
    server.manage("backup", f"{place}-env", env={"SECRET_KEY": key})
    with empty_place(tmp_path / "restored") as restored:
        code, told = attempt(restored, "restore", f"{place}-file", env={"SECRET_KEY": key})
        assert (code, "SECRET_KEY is not the one" in told) == (1, True), told
        code, told = attempt(restored, "restore", f"{place}-env", env={"SECRET_KEY": key[::-1]})
        assert (code, "SECRET_KEY is not the one" in told) == (1, True), told
        restored.manage("restore", f"{place}-env", env={"SECRET_KEY": key})


def test_damage_stops_a_restore_that_verifies_and_another_one_restores_the_rest(
    server: LiveServer, tmp_path: Path
) -> None:
    place = tmp_path / "backup"
    server.manage("backup", str(place))
    lost = sha256(client.random_bytes(1, 4_000))
    hexa = lost.removeprefix("sha256:")
    path = place / "blobs/sha256" / hexa[:2] / hexa
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + b"?")
    with empty_place(tmp_path / "restored") as restored:
        code, told = attempt(restored, "restore", str(place), "--verify")
        assert (code, "Nothing was restored" in told, hexa in told) == (1, True, True), told
        assert not (restored.data / "docker").exists()
        code, told = attempt(restored, "restore", str(place))
        assert (code, "1 blobs are lost; all else is restored" in told) == (1, True), told
        manifest = sha256(client.image(content))
        assert f"do not hash to its digest; part of {REPOSITORY}@{manifest} (v1)" in told
        assert inspect(restored)["lost"] == [lost]
        assert images(restored) == images(server)
        # It is pushed again, and all is well.
        with restored:
            assert push(restored.host, "v1", 1) is not None
            pull_everything(restored)


@pytest.mark.skipif(DATABASE != "postgresql", reason="SQLite has no extensions")
def test_an_extension_that_belongs_to_an_administrator_does_not_stop_a_restore(
    server: LiveServer, tmp_path: Path
) -> None:
    server.manage("backup", str(tmp_path / "backup"))
    cluster = Cluster(durable=False)
    try:
        url = cluster.create_database()
        with psycopg.connect(url, autocommit=True) as administrator:
            administrator.execute("CREATE EXTENSION pg_trgm")
            administrator.execute("CREATE ROLE plain LOGIN")
            administrator.execute("GRANT ALL ON SCHEMA public TO plain")
        plain = url.replace(f"//{ROLE}@", "//plain@")
        restored = LiveServer(tmp_path / "restored", database_url=plain)
        restored.manage("restore", str(tmp_path / "backup"))
        assert images(restored) == images(server)
    finally:
        cluster.stop()


def test_what_was_deleted_before_the_snapshot_can_be_undone_after_a_restore(
    tmp_path: Path,
) -> None:
    place = str(tmp_path / "backup")
    with empty_place(tmp_path / "data") as server, server:
        push(server.host, "v1", 1)
        push(server.host, "v2", 2)
        before = images(server)
        assert "it can be undone until" in server.manage("delete", REPOSITORY)
        server.manage("collect_garbage")
        server.manage("backup", place)
    with empty_place(tmp_path / "restored") as restored:
        restored.manage("restore", place, "--verify")
        with restored:
            assert images(restored) == set()
            restored.manage("shell", "-v", "0", "-c", UNDO)
            assert pull_everything(restored) == before
            for tag in ("v1", "v2"):
                path = f"/v2/{REPOSITORY}/manifests/{tag}"
                assert exchange(restored.host, "GET", path).status == 200


# --- under load ----------------------------------------------------------------------------------


@contextmanager
def pushing(server: LiveServer) -> Iterator[None]:
    """Threads that push images and delete most of them, until the end of the block."""
    stop, failures = threading.Event(), []

    def run(thread: int) -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                # A few layers come again and again, so that they go and come back, too.
                seed = ("again", number % 5) if number % 3 == 0 else (thread, number)
                own = {"annotations": {"thread": str(thread)}}
                manifest = push(server.host, f"t{thread}-{number % 4}", seed, **own)
                if manifest is not None and number % 4:
                    path = f"/v2/{REPOSITORY}/manifests/{sha256(manifest)}"
                    assert exchange(server.host, "DELETE", path).status in {202, 404}
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(PUSHERS)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert not failures, failures


def test_a_backup_under_load_has_every_blob_of_every_image(tmp_path: Path) -> None:
    """While it runs everything is collected without any grace, and the trash purged."""
    place = tmp_path / "backup"
    with empty_place(tmp_path / "data", env=SETTINGS) as server, server:
        for number in range(10):
            push(server.host, f"stays{number}", number)
        with collecting(server) as figures, pushing(server):
            for _ in range(SNAPSHOTS):
                server.manage("backup", str(place))
        assert figures["blobs"] > 0, figures
        assert figures["purged"] > 0, figures
    names = sorted(path.name for path in (place / "snapshots").iterdir())
    assert len(names) == SNAPSHOTS
    for name in names:
        with empty_place(tmp_path / name) as restored:
            told = restored.manage("restore", str(place), f"--snapshot={name}", "--verify")
            assert "is restored" in told
            assert inspect(restored)["lost"] == []
            with restored:
                assert len(pull_everything(restored)) >= 10
