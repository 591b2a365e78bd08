"""A machine with a Docker engine, as far as the network goes: ports and packets are its own."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.deploy.image import NAME
from tests.interop.engine import Engine
from tests.interop.tools import Client, find_program
from tests.live import tables, wait_for

START_SECONDS = 90.0
HUB = "127.0.0.1:5999"


def bring_tables(data: Path) -> None:
    """Put a database without rows into a data folder: making the tables takes most of a start."""
    data.mkdir(exist_ok=True)
    shutil.copyfile(tables(), data / "berth.sqlite3")


class Machine:
    """`with Machine() as machine: machine.shell("docker run --publish 5000:5000 …")`.

    The engine runs in a network namespace of its own, with a bridge and packet filter rules that
    this machine knows nothing of. Nothing leads out of it; Docker Hub is what `hub` makes of it.
    """

    def __init__(
        self,
        *,
        named: Sequence[str] = (),
        options: Sequence[str] = (f"--registry-mirror=http://{HUB}",),
    ) -> None:
        """`named` is a command that gives it a host name; `options` are the engine's."""
        self._ip = str(find_program("ip"))
        self._name = f"berth-{uuid.uuid4().hex[:8]}"
        self._within = (str(find_program("nsenter")), f"--net=/run/netns/{self._name}")
        self._undo = ExitStack()
        self._named, self._options = named, options

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._command("netns", "add", self._name)
            undo.callback(self._command, "netns", "delete", self._name)
            self._command("-n", self._name, "link", "set", "lo", "up")
            self.connect()
            within = (*self._within, *self._named)
            self.engine = Engine(within=within, options=self._options, in_memory=True)
            undo.callback(self.switch_off)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def connect(self) -> None:
        """What a machine that is not alone needs, before its engine starts."""

    def switch_off(self) -> None:
        """End the engine and what runs there."""
        self.clear()
        self.engine.stop()

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

    def wait_until_ready(self, port: int = 5000) -> None:
        """Return when the registry at a port answers. Raises TimeoutError with all logs."""
        ready = f"curl --silent --fail --max-time 5 127.0.0.1:{port}/readyz || true"
        try:
            wait_for(lambda: "ok" in self.shell(ready), seconds=START_SECONDS, what=ready)
        except TimeoutError as error:
            error.add_note(self.shell("for id in $(docker ps -aq); do docker logs $id; done"))
            raise

    def wait_until_healthy(self, container: str) -> None:
        """Return when its health check has passed. Raises TimeoutError."""
        health = ("inspect", "--format", "{{.State.Health.Status}}", container)
        wait_for(lambda: self.docker(*health) == "healthy\n", seconds=START_SECONDS, what=container)

    @contextmanager
    def hub(self, image: str, data: Path) -> Iterator[None]:
        """Let `docker pull` of this image, which the engine has, lead to a registry of our own."""
        bring_tables(data)
        options = [
            *("--detach", "--name", "hub", "--network", "host"),
            *("--volume", f"{data}:/var/lib/registry"),
            *("--env", f"REGISTRY_HTTP_ADDR={HUB}", "--env", "REGISTRY_ANONYMOUS_ACCESS=push"),
        ]
        self.docker("run", *options, NAME)
        self.wait_until_ready(int(HUB.rpartition(":")[2]))
        there = f"{HUB}/library/{image}"
        self.docker("tag", image, there)
        self.docker("push", there)
        self.docker("image", "remove", image, there)
        yield
        self.docker("rm", "--force", "--volumes", "hub")

    def fill_volume(self, volume: str) -> None:
        """`bring_tables` for a volume of Docker's, of the user of the image."""
        mounts = (f"{volume}:/var/lib/registry", f"{tables()}:/tables:ro")
        options = [word for mount in mounts for word in ("--volume", mount)]
        copy = ("/tables", "/var/lib/registry/berth.sqlite3")
        self.docker(
            *("run", "--rm", "--user", "5000:5000", "--entrypoint", "cp", *options, NAME, *copy)
        )

    def clear(self) -> None:
        """Remove containers, with volumes that have no name, and sign out everywhere."""
        (Path(self.docker.env["DOCKER_CONFIG"]) / "config.json").unlink(missing_ok=True)
        if found := self.docker("ps", "--all", "--quiet").split():
            self.docker.attempt("rm", "--force", "--volumes", *found)

    def _command(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], check=True, stdin=subprocess.DEVNULL)
