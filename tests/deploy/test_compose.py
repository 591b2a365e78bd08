"""`deploy/compose.yaml`, started by the commands of docs/deploy.md, with images that are here."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.image import BUILD
from tests.deploy.machine import Machine
from tests.deploy.stand_ins import make_postgres, make_proxy
from tests.interop.tools import find_program
from tests.live import ROOT
from tests.proxy.nginx import Certificate, make_certificates

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]

SHIPPED = ("compose.yaml", "nginx.conf")
HERE, PUBLIC = "127.0.0.1:5000", "127.0.0.1"
START_SECONDS = 300


def commands(chapter: str) -> list[str]:
    """The scripts in a chapter of docs/deploy.md, one after the other."""
    text = (ROOT / "docs" / "deploy.md").read_text()
    found = text.partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```bash\n(.*?)^```", found, re.MULTILINE | re.DOTALL)


class Stack:
    """The project in a folder of its own, on a machine of its own."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.folder = folder
        self.password = ""
        (folder / "deploy").mkdir()
        for name in SHIPPED:
            shutil.copy(ROOT / "deploy" / name, folder / "deploy")

    def shell(self, script: str) -> str:
        """What a script prints that runs beside the Compose file."""
        return self.machine.shell(script, cwd=self.folder / "deploy", timeout=START_SECONDS)

    def sign_in(self, host: str) -> None:
        self.shell(f"docker login --username admin --password-stdin {host} <<< '{self.password}'")


@pytest.fixture(scope="module")
def stack(one_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With Compose as a plugin of Docker's client; nothing is started yet."""
    machine = one_machine
    plugins = Path(machine.docker.env["DOCKER_CONFIG"]) / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "docker-compose").symlink_to(find_program("docker-compose"))
    folder = tmp_path_factory.mktemp("compose")
    make_postgres(machine.docker, folder, "postgres:17")
    make_proxy(machine.docker, folder, "nginx:1.28")
    machine.engine.build_hello(f"{HERE}/admin/hello:1")
    found = Stack(machine, folder)
    try:
        yield found
    finally:
        compose = "docker compose --profile nginx"
        found.shell(f"{compose} kill && {compose} down --volumes")


def test_the_commands_of_the_docs_start_it(stack: Stack) -> None:
    build, *rest = commands("Compose")[0].splitlines()
    assert build == f"docker {' '.join(BUILD)}"  # which has been done
    told = stack.machine.shell("\n".join(rest), cwd=stack.folder, timeout=START_SECONDS)
    stack.password = told.rpartition("password:")[2].split()[0]
    stack.sign_in(HERE)
    stack.shell(f"docker push {HERE}/admin/hello:1")


def test_it_is_on_postgresql_and_gives_no_password_away(stack: Stack) -> None:
    shown = json.loads(stack.shell("docker compose exec -T berth registry show_config --json"))
    settings = {one["name"]: one["value"] for one in shown["settings"]}
    assert settings["DATABASE_URL"] == "postgres://berth:********@postgres/berth"
    assert shown["without_effect"] == []
    password = (stack.folder / "deploy/secrets/postgres_password").read_text().strip()
    ids = stack.shell("docker compose ps --quiet").split()
    assert len(ids) == 2
    assert password not in stack.machine.docker("inspect", *ids)


def test_it_serves_as_a_user_without_rights(stack: Stack) -> None:
    rows = stack.shell("docker compose exec -T berth cat /proc/1/status")
    status = dict(line.split(":\t", 1) for line in rows.splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["5000"] * 4
    assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_after_down_nginx_stands_before_it_and_nothing_is_lost(
    stack: Stack, tmp_path: Path
) -> None:
    make_certificates(tmp_path, Certificate())
    script = commands("Compose")[1]
    for name, ours in (
        ("/etc/letsencrypt/live/registry.example.com/fullchain.pem", tmp_path / "server.pem"),
        ("/etc/letsencrypt/live/registry.example.com/privkey.pem", tmp_path / "server.key"),
        ("registry.example.com", PUBLIC),
    ):
        assert name in script
        script = script.replace(name, str(ours))
    stack.shell(f"docker compose down\n{script}")

    stack.machine.docker("image", "remove", f"{HERE}/admin/hello:1")
    stack.sign_in(PUBLIC)
    stack.shell(f"docker pull {PUBLIC}/admin/hello:1")
    assert "Hello" in stack.machine.engine.run(f"{PUBLIC}/admin/hello:1")
    options = f"--ca {tmp_path}/ca.crt --user admin --password-stdin --body 3MB --patience 0"
    told = stack.machine.shell(
        f"{sys.executable} manage.py doctor https://{PUBLIC} --data {tmp_path}/data {options}"
        f" <<< '{stack.password}'",
        cwd=ROOT,
    )
    assert told.endswith("Nothing is wrong with what could be tried.\n")
