"""The Distribution project's registry as a process, which lets in whoever Berth vouches for."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

import requests

from tests.live import free_port, wait_for

SERVICE = "the other registry"


def find(major: int) -> str | None:
    """The program of that major version, if it is installed."""
    for name in ("docker-registry", "registry"):
        program = shutil.which(name)
        if program is None:
            continue
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        words = said.replace("+", " ").split()
        if any(word.lstrip("v").startswith(f"{major}.") for word in words):
            return program
    return None


class Distribution:
    """`with Distribution(program, folder, realm=…, trust=…) as registry: …`."""

    def __init__(self, program: str, folder: Path, *, realm: str, trust: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._program = program
        self._folder = folder
        token = {"realm": realm, "service": SERVICE, "issuer": "berth", **trust}
        configuration = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
            "http": {"addr": f"127.0.0.1:{self.port}", "secret": "any"},
            "auth": {"token": token},
        }
        # JSON is YAML.
        (folder / "config.yml").write_text(json.dumps(configuration))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Distribution:
        command = [self._program, "serve", str(self._folder / "config.yml")]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._answers, seconds=30, what="the Distribution project's registry")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)
        if error is not None:
            error.add_note((self._folder / "log").read_text(errors="replace")[-4000:])

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self._folder / "log").read_text(errors="replace"))
        try:
            return requests.get(f"{self.url}/v2/", timeout=5).status_code == 401
        except requests.ConnectionError:
            return False
