"""Every command that docs/walk.md and docs/docker.md show, in their order, as it stands there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.deploy.image import BUILD
from tests.deploy.machine import START_SECONDS, Machine, bring_tables
from tests.deploy.walking import commands
from tests.interop.hello import GREETING
from tests.live import ROOT, wait_for

pytestmark = pytest.mark.timeout(1200)

WALK, CHINESE, REST = (ROOT / "docs" / name for name in ("walk.md", "walk.zh-CN.md", "docker.md"))
CATALOG = '{"repositories":["hello-world"]}'


def walk(machine: Machine, place: Path, blocks: Sequence[str]) -> list[str]:
    """What each block prints. As people do, it waits for the registry between them."""
    printed = []
    for block in blocks:
        printed.append(machine.shell(block, cwd=place))
        machine.wait_until_ready()
    return printed


def answer_to_strangers(machine: Machine) -> str:
    return machine.shell("curl -s -o /dev/null -w '%{http_code}' 127.0.0.1:5000/v2/")


def test_both_languages_have_the_same_commands() -> None:
    assert commands(WALK) == commands(CHINESE)


@pytest.mark.parametrize("page", [WALK, CHINESE, REST], ids=lambda page: str(page.name))
def test_the_image_is_built_as_the_page_says(page: Path) -> None:
    assert commands(page)[0] == shlex.join(["docker", *BUILD])


def test_the_walk(machine: Machine, tmp_path: Path) -> None:
    machine.engine.build_hello("hello-world")
    with machine.hub("hello-world", tmp_path / "hub"):
        _, start, push, remove, pull, *folder, lock, sign_in = commands(WALK)
        started, pushed = walk(machine, tmp_path, [start, push])
        assert "0.0.0.0:5000->5000/tcp" in started
        assert GREETING in pushed
        walk(machine, tmp_path, [remove])
        assert "hello-world" not in machine.docker("image", "ls")
        assert CATALOG in walk(machine, tmp_path, [pull])[0]

        *_, in_folder, _, still_there = walk(machine, tmp_path, folder)
        assert "berth.sqlite3" in in_folder
        assert "blobs" in in_folder
        assert GREETING in still_there

        walk(machine, tmp_path, [lock])
        assert answer_to_strangers(machine) == "401"
        assert "Login Succeeded" in walk(machine, tmp_path, [sign_in])[0]


def test_what_else_is_said_of_the_image(machine: Machine, tmp_path: Path) -> None:
    _, start, inside, backup, locked_down = commands(REST)
    bring_tables(tmp_path / "registry-data")
    walk(machine, tmp_path, [start])
    assert answer_to_strangers(machine) == "401"
    wait_for(  # it answers before it has told all of that
        lambda: "-e REGISTRY_ANONYMOUS_ACCESS=push" in machine.docker("logs", "registry"),
        seconds=10,
        what="the text that says how everybody may push",
    )
    walk(machine, tmp_path, [inside, backup])
    assert list((tmp_path / "backup" / "snapshots").iterdir())

    machine.fill_volume("registry")
    walk(machine, tmp_path, [locked_down])
    wait_for(
        lambda: machine.docker.attempt("exec", "locked-down", "registry", "healthcheck") == 0,
        seconds=START_SECONDS,
        what="the health check",
    )
    assert machine.docker("exec", "locked-down", "id", "--user") == "5000\n"
    machine.docker("exec", "locked-down", "registry", "create_user", "bob")
