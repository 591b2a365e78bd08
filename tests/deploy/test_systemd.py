"""The unit of `deploy/berth.service`, looked at by systemd's own tools, and what it counts on."""

from __future__ import annotations

import configparser
import runpy
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from registry_site.serving import CONFIGURATION
from tests.interop.tools import find_program
from tests.live import ROOT, LiveServer

UNIT = ROOT / "deploy" / "berth.service"
# Of 10, which is a service that may do everything; here it is 1.7.
MOST_EXPOSURE = 2.0
SECONDS = 60.0


class Service(dict[str, str]):
    """What stands in the section [Service], the last one of names that are there twice."""

    def __init__(self) -> None:
        parser = configparser.RawConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its docs have it
        parser.read(UNIT)
        super().__init__(parser["Service"])


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [find_program("systemd-analyze"), "--no-pager", *arguments]
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """With Berth in a folder that is there, since systemd looks for the program."""
    place = tmp_path / "berth"
    (place / ".venv" / "bin").mkdir(parents=True)
    (place / "docs").mkdir()
    (place / ".venv" / "bin" / "python").symlink_to(sys.executable)
    shutil.copy(ROOT / "docs" / "deploy.md", place / "docs")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/berth", str(place)))
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout) == (0, "")

    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in analyze("verify", "--man=no", unit).stdout


def test_the_service_may_do_little(tmp_path: Path) -> None:
    limit = f"--threshold={MOST_EXPOSURE * 10:g}"
    done = analyze("security", "--offline=true", limit, UNIT)
    assert done.returncode == 0, done.stdout

    open_one = tmp_path / UNIT.name
    open_one.write_text("[Service]\nExecStart=/bin/true\n")
    assert analyze("security", "--offline=true", limit, open_one).returncode != 0


def test_a_stop_lets_transfers_end() -> None:
    service = Service()
    drain = runpy.run_path(str(CONFIGURATION))["graceful_timeout"]
    assert int(service["TimeoutStopSec"]) > drain
    # Otherwise systemd would tell each worker as well.
    assert service["KillMode"] == "mixed"


def test_the_folder_that_systemd_makes_is_the_one_that_berth_uses() -> None:
    service = Service()
    assert service["Environment"] == f"REGISTRY_DATA=/var/lib/{service['StateDirectory']}"


def test_what_is_started_says_when_it_listens(tmp_path: Path) -> None:
    """As Type=notify expects it: from a process below the first one, to a datagram socket."""
    service = Service()
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "all")
    assert service["ExecStart"].endswith(" manage.py serve")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(SECONDS)
        server = LiveServer(tmp_path / "data", env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        with server:
            assert b"READY=1" in told.recv(4096).splitlines()
            socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS).close()
