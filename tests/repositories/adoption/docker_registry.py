"""Docker's registry itself, as Debian packages it, and what a client does to it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

import requests

from repositories.oci import media_types
from repositories.oci.digests import Digest
from tests.interop.tools import ACCEPT, missing
from tests.live import free_port, wait_for
from tests.oci import documents
from tests.oci.documents import CONFIG


class DockerRegistry:
    """`with DockerRegistry(folder) as registry: …`, its tree at `folder / "registry"`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "registry"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._config, self._log = folder / "config.yml", folder / "registry.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DockerRegistry:
        program = shutil.which("docker-registry")
        if program is None:
            missing("Docker's registry is not installed: apt install docker-registry")
        settings = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {
                "filesystem": {"rootdirectory": str(self.root)},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.url.removeprefix("http://"), "secret": "any"},
        }
        self._config.write_text(json.dumps(settings))  # JSON is YAML
        with self._log.open("ab") as log:
            command = [program, "serve", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(self._answers, seconds=60, what="Docker's registry")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        if error is not None:
            error.add_note(self._log.read_text(errors="replace")[-4000:])

    def _end(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/v2/", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False


def push_blob(url: str, repository: str, content: bytes, algorithm: str = "sha256") -> Digest:
    """Push a blob to any registry."""
    digest = Digest.of(content, algorithm)
    begun = requests.post(f"{url}/v2/{repository}/blobs/uploads/", timeout=30)
    begun.raise_for_status()
    done = requests.put(
        requests.compat.urljoin(url, begun.headers["Location"]),
        params={"digest": str(digest)},
        data=content,
        headers={"Content-Type": "application/octet-stream"},
        timeout=30,
    )
    done.raise_for_status()
    return digest


def push_image(url: str, repository: str, tag: str, content: bytes, **fields: object) -> Digest:
    """Push an image of one layer to any registry."""
    for blob in (CONFIG, content):
        push_blob(url, repository, blob)
    payload = documents.encode(documents.image(content, **fields))
    done = requests.put(
        f"{url}/v2/{repository}/manifests/{tag}",
        data=payload,
        headers={"Content-Type": media_types.OCI_MANIFEST},
        timeout=30,
    )
    done.raise_for_status()
    return Digest.of(payload)


def pull(url: str, repository: str, reference: str) -> str:
    """The digest of what is pulled, with every blob; empty where there is none."""
    answer = requests.get(
        f"{url}/v2/{repository}/manifests/{reference}", headers={"Accept": ACCEPT}, timeout=30
    )
    if answer.status_code == 404:
        return ""
    answer.raise_for_status()
    document = answer.json()
    for blob in (document["config"], *document["layers"]):
        content = requests.get(f"{url}/v2/{repository}/blobs/{blob['digest']}", timeout=30)
        content.raise_for_status()
        digest = Digest.parse(blob["digest"])
        assert Digest.of(content.content, digest.algorithm) == digest
    return str(Digest.of(answer.content))
