"""A backup, and a restore, killed at each system call by which they change something.

What is half done counts for nothing, and the same command run again ends it. In the suite a few of
the calls, with `BERTH_FAULTS=long` all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.badinput.bench import empty_database
from tests.faults.backups import attempt, empty_place, images, pull_everything
from tests.faults.collecting import inspect
from tests.faults.scale import LONG, MARKS
from tests.faults.test_backup import push
from tests.faults.tracing import require_strace
from tests.live import LiveServer

pytestmark = MARKS

# Those of Python on its way there aside; sendto is a statement to PostgreSQL.
CALLS = "rename,link,linkat,unlink,mkdir,rmdir,fsync,fdatasync,pwrite64,sendto,fchmod"
SAMPLES = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    require_strace()
    folder = tmp_path_factory.mktemp("killed")
    with empty_database() as url, LiveServer(folder / "data", database_url=url) as live:
        for number in range(4):
            push(live.host, f"v{number}", number)
        yield live


def traced(log: Path, *options: str) -> tuple[str, ...]:
    return (require_strace(), "-f", "-o", str(log), "-e", f"trace={CALLS}", *options)


def kills(log: Path) -> list[tuple[str, ...]]:
    """Of the calls that an undisturbed run made: options that kill at some, or all, of them."""
    names = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
    # strace counts each system call by itself: so each `when` is of one of them.
    points = [(name, names[: place + 1].count(name)) for place, name in enumerate(names)]
    assert len(points) > SAMPLES
    chosen = points if LONG else points[:: len(points) // SAMPLES]
    return [("-e", f"inject={name}:signal=SIGKILL:when={when}") for name, when in chosen]


def snapshots(place: Path) -> list[str]:
    return sorted(path.name for path in place.glob("snapshots/*"))


def test_a_backup_that_is_killed_counts_for_nothing_and_the_next_one_goes_on(
    server: LiveServer, tmp_path: Path
) -> None:
    log, killed = tmp_path / "calls", 0
    assert attempt(server, "backup", str(tmp_path / "whole"), under=traced(log))[0] == 0
    points = kills(log)
    for number, options in enumerate(points):
        place = tmp_path / f"backup{number}"
        code, _ = attempt(server, "backup", str(place), under=traced(log, *options))
        killed += code != 0
        whole = snapshots(place)
        if whole:  # killed when it was done, or not at all
            server.manage("backup", str(place), "--verify")
        server.manage("backup", str(place), "--keep=1")
        assert len(snapshots(place)) == 1, options
        assert snapshots(place) != whole
        told = server.manage("backup", str(place), "--verify")
        assert "is whole: 5 blobs of 5" in told, options
        assert list((place / "partial").iterdir()) == []
    print(f"\nkilled at {killed} of {len(points)}")
    assert killed >= len(points) * 3 // 4, "it ended before it was killed"


def test_a_restore_that_is_killed_is_ended_by_the_next_one(
    server: LiveServer, tmp_path: Path
) -> None:
    log, killed, place = tmp_path / "calls", 0, str(tmp_path / "backup")
    server.manage("backup", place)
    before = images(server)
    with empty_place(tmp_path / "whole") as whole:
        assert attempt(whole, "restore", place, under=traced(log))[0] == 0
    points = kills(log)
    for number, options in enumerate(points):
        with empty_place(tmp_path / f"restored{number}") as restored:
            code, _ = attempt(restored, "restore", place, under=traced(log, *options))
            if code:
                killed += 1
                if (restored.data / "restoring").exists():
                    assert "berth.E006" in attempt(restored, "check")[1]
                code, told = attempt(restored, "restore", place)
                # Killed with its last breath, it is done.
                assert code == 0 or "holds blobs or uploads already" in told, (options, told)
            assert not (restored.data / "restoring").exists()
            found = inspect(restored)
            assert (found["lost"], found["strays"]) == ([], []), options
            assert images(restored) == before
            uploads = restored.data / "berth" / "uploads"
            assert not uploads.exists() or list(uploads.iterdir()) == []
    print(f"\nkilled at {killed} of {len(points)}")
    assert killed >= len(points) * 3 // 4, "it ended before it was killed"
    with empty_place(tmp_path / "last") as restored:
        code, _ = attempt(restored, "restore", place, under=traced(log, *points[len(points) // 2]))
        assert code != 0
        restored.manage("restore", place)
        with restored:
            assert pull_everything(restored) == before
