"""A whole race on little content: every row works, for a locked Berth and for a peer."""

import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.command import ALL, usual
from benchmarks.contenders import BerthPostgresToken, BerthToken, Contender, Distribution3
from benchmarks.content import Content
from benchmarks.results import Result
from benchmarks.rows import all_rows
from benchmarks.runner import Runner
from benchmarks.servers import ROOT
from tests.benchmarks.conftest import TINY
from tests.interop.tools import missing
from tests.live import processes, wait_for


def nothing(*_: object) -> None:
    """No progress bar."""


def race(contenders: list[Contender], content: Content, folder: Path, *groups: str) -> Result:
    found = Result("", "", 1, {})
    runner = Runner(content, found, say=nothing, step=nothing)
    rows = [row for row in all_rows(TINY) if row.group in groups or row.key in groups]
    runner.run(contenders, rows, folder)
    return found


def test_every_kind_of_row_has_a_figure(content: Content, folder: Path) -> None:
    """All but most of the read rows, which take a second each."""
    groups = ("memory", "read-head-tag", "blob", "list", "write", "many")
    found = race([BerthToken(), Distribution3()], content, folder, *groups)
    assert not found.failed, wrong_in(found)
    present = [each.key for each in found.participants if not each.skipped]
    assert "berth-sqlite-token" in present
    for line in found.lines:
        for key in present:
            assert line.cells[key].median is not None, (line.key, key)
    sizes = {line.key for line in found.lines if line.key.startswith("many-260")}
    assert len(sizes) == 6


def test_lists_grow_on_postgresql_too(content: Content, folder: Path) -> None:
    berth = BerthPostgresToken()
    if reason := berth.missing():
        missing(reason)
    found = race([berth], content, folder, "many")
    assert not found.failed, wrong_in(found)
    assert len(found.lines) == 12


def test_a_wrong_answer_fails_the_row(content: Content, folder: Path) -> None:
    class Forgetful(BerthToken):
        """It lets nobody in, since nobody shows a token."""

        is_open = False

        def prepare(self, server: object, content: Content) -> None:
            """No account."""

    found = race([Forgetful()], content, folder, "list")
    assert found.failed
    assert "401" in str(found.participants[0].skipped)


def test_those_that_count_come_first_and_an_open_one_is_among_them() -> None:
    keys = [each.key for each in usual()]
    assert keys[:3] == ["berth-postgres-token", "berth-sqlite-token", "berth-sqlite"]
    assert len({each.key for each in ALL}) == len(ALL)


def wrong_in(found: Result) -> str:
    """What failed, for the message of a test."""
    wrong = [f"{each.key}: {each.skipped}" for each in found.participants if each.failed]
    for line in found.lines:
        wrong += [f"{line.key}, {key}: {c.failed}" for key, c in line.cells.items() if c.failed]
    return "\n".join(wrong)


def test_growing_gives_exactly_as_many_names(content: Content) -> None:
    for size in (130, 260, 520, 1000):
        names = content.catalog_at(size)
        assert len(names) == size
        assert list(names) == sorted(set(names))
        assert set(content.catalog) <= set(names)
    first, second = content.growth(0, 260), content.growth(260, 520)
    added = [*first.repositories, first.tagged, *second.repositories, second.tagged]
    assert sorted((*content.catalog, *added)) == list(content.catalog_at(520))


def test_a_run_that_is_ended_stops_its_servers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--rows", "read", "--scratch", str(tmp_path)]
    run = subprocess.Popen([*command, "--contenders", "berth-sqlite"], cwd=ROOT)
    wait_for(lambda: bool(servers_in(tmp_path)), seconds=60, what="a server")
    run.terminate()
    assert run.wait(60) == 128 + signal.SIGTERM
    assert not servers_in(tmp_path)
    assert not list(tmp_path.iterdir())


def servers_in(folder: Path) -> list[int]:
    """The processes that have this folder on their command line, but for the run itself."""
    return [
        process.pid
        for process in processes()
        if any(word.startswith(f"{folder}/") for word in process.command)
    ]
