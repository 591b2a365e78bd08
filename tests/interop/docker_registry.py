"""Docker's registry over a folder, and what it takes to push thousands of small things to it."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote, urlsplit

from tests.interop.tools import find_program
from tests.live import free_port, wait_for

OCTETS = "application/octet-stream"


class DockerRegistry:
    """`with DockerRegistry(root) as registry: …`: Debian's package, with deletes enabled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.host}"
        self._program = str(find_program("docker-registry"))
        self._config = root.parent / f"{root.name}.config.yml"
        self._log = root.parent / f"{root.name}.log"
        settings = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(root)},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.host, "secret": "any"},
        }
        self._config.write_text(json.dumps(settings))  # JSON is YAML

    def __enter__(self) -> Self:
        command = [self._program, "serve", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(self._answers, seconds=30, what="docker-registry")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        if error is not None:
            error.add_note(self._log.read_text(errors="replace")[-4000:])

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(self._log.read_text(errors="replace"))
        try:
            with Wires(self.host) as wires:
                return wires.request("GET", "").status == 200
        except OSError:
            return False

    def garbage(self) -> list[str]:
        """What its garbage collector would remove. The registry is stopped."""
        command = [self._program, "garbage-collect", "--dry-run", str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        marked = "blob eligible for deletion: "
        lines = done.stdout.splitlines()
        return [line.removeprefix(marked) for line in lines if line.startswith(marked)]


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Wires:
    """A connection that stays open for each thread: thousands of small requests in a few seconds.

    `with Wires(host) as wires: …` closes them in the end.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._own = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._all:
            connection.close()

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection(self._host, timeout=60)
            self._all.append(self._own.connection)
        self._own.connection.request(method, f"/v2/{path}", body or None, headers or {})
        answer = self._own.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def push_blob(self, repository: str, content: bytes, digest: str) -> None:
        opened = self.request("POST", f"{repository}/blobs/uploads/")
        assert opened.status == 202, opened
        address = urlsplit(opened.headers["Location"])
        path = f"{address.path.removeprefix('/v2/')}?{address.query}&digest={quote(digest)}"
        done = self.request("PUT", path, content, {"Content-Type": OCTETS})
        assert done.status == 201, done

    def mount(self, repository: str, digest: str, source: str) -> None:
        query = f"mount={quote(digest)}&from={quote(source, safe='')}"
        done = self.request("POST", f"{repository}/blobs/uploads/?{query}")
        assert done.status == 201, done

    def push_manifest(
        self, repository: str, reference: str, payload: bytes, media_type: str
    ) -> None:
        path = f"{repository}/manifests/{reference}"
        done = self.request("PUT", path, payload, {"Content-Type": media_type})
        assert done.status == 201, (repository, reference, done)

    def delete(self, repository: str, digest: str) -> None:
        """Delete a manifest, with the tags that name it."""
        done = self.request("DELETE", f"{repository}/manifests/{digest}")
        assert done.status == 202, done
