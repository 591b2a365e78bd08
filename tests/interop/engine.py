"""A Docker engine of its own, which shares nothing with one that this machine may run already."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.interop.hello import hello_context
from tests.interop.tools import Client, find_program, missing
from tests.live import processes, wait_for

START_SECONDS = 60.0
MOST_MEMORY = "4g"  # of an engine that stores in memory; as much as it stores is taken
# No bridge, no packet filter rules: the containers need no network, and the machine keeps its own.
QUIET = ("--bridge=none", "--iptables=false", "--ip6tables=false")


class Engine:
    """dockerd on a socket of its own; `engine.docker(…)` runs the command line client against it.

    The containerd that it starts below itself is a registry client too: `engine.ctr(…)`.
    `within` is a command that starts it elsewhere, such as in a network namespace, where it may
    have `options` with which it makes networks and packet filter rules. What it stores can be
    `in_memory`, which is gone in a moment.
    """

    def __init__(
        self,
        *,
        within: Sequence[str] = (),
        options: Sequence[str] = QUIET,
        in_memory: bool = False,
    ) -> None:
        if os.geteuid() != 0:
            missing("dockerd needs root")
        program = find_program("dockerd")
        # /tmp by name: the sockets below must stay under 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="berth-dk-", dir="/tmp"))
        self.socket = f"unix://{self.folder}/d.sock"
        self._log = self.folder / "log"
        self.docker = self.client("home")
        if in_memory:
            (self.folder / "data").mkdir()
            place = ("tmpfs", self.folder / "data", "-o", f"size={MOST_MEMORY}")
            subprocess.run(["mount", "-t", "tmpfs", *place], check=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *within,
                    str(program),
                    f"--data-root={self.folder}/data",
                    f"--exec-root={self.folder}/exec",
                    f"--pidfile={self.folder}/pid",
                    f"--host={self.socket}",
                    "--log-level=warn",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_for(self._answers, seconds=START_SECONDS, what="dockerd")
        except BaseException as error:
            error.add_note(self._log.read_text(errors="replace")[-5000:])
            self.stop()
            raise

    def client(self, home: str) -> Client:
        """Another user of the engine, with credentials of their own."""
        # BuildKit's client is a plugin that Debian lacks; the builder inside the engine will do.
        settings = {"DOCKER_HOST": self.socket, "DOCKER_BUILDKIT": "0"}
        return Client("docker", self.folder / home, env=settings)

    def ctr(self) -> Client:
        """containerd's own command line client, with a namespace of its own."""
        address = f"--address={self.folder}/exec/containerd/containerd.sock"
        return Client("ctr", self.folder / "ctr", always=(address, "--namespace=interop"))

    def build_hello(self, tag: str, **extra: bytes) -> str:
        """Build an image of a static C program, and files beside it; returns its id."""
        folder = hello_context(Path(tempfile.mkdtemp(dir=self.folder)), **extra)
        self.docker("build", "--network", "none", "--tag", tag, folder)
        return self.image_id(tag)

    def image_id(self, image: str) -> str:
        """The engine's id of an image."""
        return self.docker("image", "inspect", "--format", "{{.Id}}", image).strip()

    def layers(self, image: str) -> str:
        """The digests of an image's uncompressed layers, as the engine computed them."""
        return self.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)

    def run(self, image: str) -> str:
        """What a container of the image prints."""
        return self.docker("run", "--rm", "--network", "none", image)

    def push(self, image: str) -> str:
        """Push; returns what was printed, which names the digest."""
        return self.docker("push", image)

    def forget(self, *images: str) -> None:
        """Remove images and whatever the builder keeps of them."""
        self.docker("image", "remove", "--force", *images)
        self.docker("image", "prune", "--all", "--force")

    def stop(self) -> None:
        """Stop the engine and remove everything it stored."""
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._remove()

    def kill(self) -> None:
        """Stop it and all containers at once, as when a machine is switched off, and remove it."""
        while running := self._running():
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        self._process.wait()
        self._remove()

    def _running(self) -> set[int]:
        """The engine, what it has started, and what those have."""
        family: set[int] = set()
        found = [process for process in processes() if not process.zombie]
        before = -1
        while len(family) > before:
            before = len(family)
            family |= {
                process.pid
                for process in found
                if process.parent in family
                or any(f"{self.folder}/exec" in word for word in process.command)
            }
        return family

    def _remove(self) -> None:
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            mounted = line.split()[1]
            if mounted.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", mounted], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"dockerd exited with {self._process.returncode}")
        return (self.folder / "d.sock").exists() and "Server" in self._version()

    def _version(self) -> str:
        command = [str(find_program("docker")), "version"]
        done = subprocess.run(
            command, env=self.docker.env, capture_output=True, text=True, check=False
        )
        return done.stdout
