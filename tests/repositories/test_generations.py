"""The numbers that processes share: seen at once, by all, and never in the way."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from repositories import generations
from repositories.generations import Generations

ANOTHER_PROCESS = """
import sys
from pathlib import Path
from repositories.generations import Generations
file = Generations(Path(sys.argv[1]))
print(file.of("payments/app"), file.identity, flush=True)
sys.stdin.readline()
print(file.of("payments/app"), flush=True)
file.bump("payments/other")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "berth" / "generations"


def test_a_number_stays_until_it_is_bumped_and_never_comes_back(path: Path) -> None:
    file = Generations(path)
    seen = {file.of("payments/app")}
    for count in range(2, 1000):
        file.bump("payments/app")
        assert file.of("payments/app") == file.of("payments/app")
        seen.add(file.of("payments/app"))
        assert len(seen) == count


def test_other_repositories_keep_theirs(path: Path) -> None:
    file = Generations(path)
    names = [f"payments/app{number}" for number in range(1000)]
    before = [file.of(name) for name in names]
    file.bump("payments/app")

    assert [file.of(name) for name in names] == before


def test_another_process_sees_a_bump_as_soon_as_it_is_made(path: Path) -> None:
    file = Generations(path)
    file.bump("payments/app")
    other_before = file.of("payments/other")
    command = [sys.executable, "-c", ANOTHER_PROCESS, str(path)]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "registry_site.settings"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline().split() == [str(file.of("payments/app")), file.identity]
        file.bump("payments/app")
        other.stdin.write("\n")
        other.stdin.close()
        assert other.stdout.readline().strip() == str(file.of("payments/app"))

    assert other.returncode == 0
    assert file.of("payments/other") != other_before


def test_many_who_make_it_at_once_make_one(path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        files = list(pool.map(lambda _: Generations(path), range(64)))

    files[0].bump("payments/app")
    assert len({file.identity for file in files}) == 1
    assert len({file.of("payments/app") for file in files}) == 1


def test_one_that_was_cut_short_by_a_crash_is_completed(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\1" * 1000)
    file = Generations(path)

    numbers = {file.of(f"payments/app{number}") for number in range(1000)}
    assert 0 in numbers


def test_two_files_are_two_hosts(tmp_path: Path) -> None:
    assert Generations(tmp_path / "a").identity != Generations(tmp_path / "b").identity


def test_one_that_cannot_be_used_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "berth").write_text("in the way")
    with pytest.raises(OSError, match="berth"):
        Generations(tmp_path / "berth" / "generations")


def test_beside_an_sqlite_database_it_has_the_databases_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reaches the database by a link, or from another data folder, shares it all the same."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    settings = {"NAME": tmp_path / "link" / "berth.sqlite3"}
    connection = SimpleNamespace(vendor="sqlite", settings_dict=settings)
    monkeypatch.setattr(generations, "connection", connection)

    assert generations._path() == tmp_path / "real" / "berth.sqlite3-generations"
