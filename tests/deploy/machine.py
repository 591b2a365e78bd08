"""A machine with a Docker engine, as far as the network goes: ports are its own, and so are packets."""

from __future__ import annotations

import subprocess
import uuid
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.engine import Engine
from tests.interop.tools import Client, find_program


class Machine:
    """`with Machine() as machine: machine.shell("docker run --publish 5000:5000 …")`.

    The engine runs in a network namespace of its own, with a bridge and packet filter rules that this
    machine knows nothing of. Nothing leads out of it.
    """

    def __init__(self) -> None:
        self._ip = str(find_program("ip"))
        self._name = f"berth-{uuid.uuid4().hex[:8]}"
        self._within = (str(find_program("nsenter")), f"--net=/run/netns/{self._name}")
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._command("netns", "add", self._name)
            undo.callback(self._command, "netns", "delete", self._name)
            self._command("-n", self._name, "link", "set", "lo", "up")
            self.engine = Engine(within=self._within, options=())
            undo.callback(self.engine.stop)
            undo.callback(self.remove_containers)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    @property
    def docker(self) -> Client:
        """Docker's command line client."""
        return self.engine.docker

    def shell(self, script: str, *, cwd: Path | None = None, timeout: float = 120) -> str:
        """What a script of bash prints. Raises AssertionError when one of its commands fails."""
        done = subprocess.run(
            [*self._within, "bash", "-euo", "pipefail", "-c", script],
            env=self.docker.env,
            cwd=cwd or self.docker.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"exit status {done.returncode}\n{script}\n{done.stdout}")
        return done.stdout

    def remove_containers(self) -> None:
        """Remove all that run or have run, with volumes that have no name."""
        if found := self.docker("ps", "--all", "--quiet").split():
            self.docker.attempt("rm", "--force", "--volumes", *found)

    def _command(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], check=True, stdin=subprocess.DEVNULL)
