"""Docker Hub for a network without the Internet: a registry that engines have as their mirror."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.tools import Client, find_program

CONFIGURATION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{address}"}}
"""


class Hub:
    """`with Hub(address, within) as hub: hub.take(docker, "nginx")`, and `docker pull nginx` works.

    `within` is a command that enters the network where the address is. Engines need its `options`.
    """

    def __init__(self, address: str, within: Sequence[str]) -> None:
        self.address = address
        self._program = str(find_program("docker-registry"))
        self._within = within

    @staticmethod
    def options(address: str) -> tuple[str, ...]:
        """The options of an engine for whom this address is Docker Hub."""
        return (f"--registry-mirror=http://{address}", f"--insecure-registry={address}")

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="berth-hub-")
        folder = Path(self._folder.name)
        file = folder / "config.yml"
        file.write_text(CONFIGURATION.format(folder=folder / "data", address=self.address))
        command = [*self._within, self._program, "serve", str(file)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def take(self, docker: Client, *images: str) -> None:
        """Bring images that an engine has to the hub, and leave none of them with the engine."""
        for image in images:
            there = f"{self.address}/library/{image}"
            docker("tag", image, there)
            docker("push", there)
            docker("image", "remove", there, image)
