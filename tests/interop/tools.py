"""Finding and running the real clients, and reading a registry back without any of them.

A client is a program with an environment of its own: no credentials, caches or proxies of whoever
runs the tests. What it has pushed is judged by `Registry`, which knows HTTP and SHA-2 only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urljoin

import pytest
import requests

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# As every client says it; without it a registry may convert or refuse.
ACCEPT = ", ".join(MANIFEST_TYPES)
PIECE = 1 << 20
USER, PASSWORD = "keeper", "of 14 keys, and no more"


def missing(reason: str) -> NoReturn:
    """A part of the test bench is not here: skip, or fail where everything is required."""
    if os.environ.get("BERTH_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"BERTH_TEST_REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def find_program(name: str) -> Path:
    """A program on PATH, in $BERTH_TEST_BIN or in ~/go/bin; without it the test is skipped."""
    folders = [os.environ.get("PATH", os.defpath), os.environ.get("BERTH_TEST_BIN", "")]
    folders += [str(Path.home() / "go" / "bin")]
    for folder in filter(None, folders):
        found = shutil.which(name, path=folder)
        if found:
            return Path(found)
    missing(f"there is no {name} on PATH, in $BERTH_TEST_BIN or in ~/go/bin")


class Client:
    """A command line client: `crane("ls", …)` runs it, expects success, returns its output."""

    def __init__(
        self,
        name: str,
        home: Path,
        *,
        always: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._command = [str(find_program(name)), *always]
        home.mkdir(parents=True, exist_ok=True)
        logins = home / "auth.json"
        logins.write_text("{}")  # buildah insists that the file be there
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "TMPDIR": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "DOCKER_CONFIG": str(home / "docker"),
            "REGISTRY_AUTH_FILE": str(logins),
        } | dict(env or {})
        self.home = home

    def __call__(
        self,
        *arguments: str | Path,
        stdin: bytes = b"",
        cwd: Path | None = None,
        timeout: float = 120,
        errors: bool = False,
    ) -> str:
        """Returns standard output; with `errors=True` what went to standard error, too."""
        done = self._run(arguments, stdin, cwd, timeout)
        if done.returncode:
            pytest.fail(self._told(done), pytrace=True)
        return (done.stdout + done.stderr if errors else done.stdout).decode()

    def refused(self, *arguments: str | Path, stdin: bytes = b"") -> str:
        """Run it, expect failure and return what it complained about."""
        done = self._run(arguments, stdin, None, 120)
        if not done.returncode:
            pytest.fail(f"should have failed: {self._told(done)}", pytrace=True)
        return (done.stdout + done.stderr).decode()

    def attempt(self, *arguments: str | Path, timeout: float = 180) -> int:
        """Run it and return its exit status, for who judges by something else."""
        return self._run(arguments, b"", None, timeout).returncode

    def _run(
        self, arguments: Iterable[str | Path], stdin: bytes, cwd: Path | None, timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self._command, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=self.env,
            cwd=cwd or self.home,
            timeout=timeout,
            check=False,
        )

    @staticmethod
    def _told(done: subprocess.CompletedProcess[bytes]) -> str:
        text = (done.stdout + done.stderr).decode(errors="replace")
        return f"{' '.join(done.args)}\nexit status {done.returncode}\n{text[-8000:]}"


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """The digest as the specification writes it."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def references(manifest: Mapping[str, Any]) -> Iterable[tuple[Mapping[str, Any], bool]]:
    """The descriptors that a manifest names, each with whether it is a manifest itself."""
    for child in manifest.get("manifests", ()):
        yield child, True
    for blob in (manifest.get("config"), *manifest.get("layers", ())):
        if blob is not None:
            yield blob, False


class Registry:
    """A registry, read over plain HTTP. Every answer with bytes is hashed before it counts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.host = url.partition("://")[2]
        self.session = requests.Session()
        self.session.trust_env = False

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request under /v2/; the answer is the caller's to judge."""
        return self.session.request(method, f"{self.url}/v2/{path}", timeout=120, **options)

    def absolute(self, location: str) -> str:
        """A Location header's URL; registries may send a path only."""
        return urljoin(self.url, location)

    def json(self, path: str, **headers: str) -> Any:
        """What a GET returns, which must be 200 and JSON."""
        answer = self.request("GET", path, headers=headers)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def catalog(self) -> list[str]:
        """The names of all repositories, in one page."""
        return list(self.json("_catalog?n=1000")["repositories"])

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository, in one page."""
        return list(self.json(f"{repository}/tags/list?n=1000")["tags"] or ())

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """The descriptors of what names this digest as its subject."""
        return list(self.json(f"{repository}/referrers/{digest}")["manifests"])

    def manifest(self, repository: str, reference: str) -> tuple[bytes, str]:
        """The exact bytes of a manifest and the type it is served as."""
        path = f"{repository}/manifests/{reference}"
        answer = self.request("GET", path, headers={"Accept": ACCEPT})
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:500]}"
        named = answer.headers["Docker-Content-Digest"]
        assert digest_of(answer.content, named.partition(":")[0]) == named
        return answer.content, answer.headers["Content-Type"]

    def digest(self, repository: str, reference: str) -> str:
        """The digest of a manifest."""
        return digest_of(self.manifest(repository, reference)[0])

    def has(self, repository: str, reference: str) -> bool:
        """Whether a manifest is there; anything but 200 and 404 is an error."""
        path = f"{repository}/manifests/{reference}"
        status = self.request("HEAD", path, headers={"Accept": ACCEPT}).status_code
        assert status in (200, 404), f"HEAD {path}: {status}"
        return status == 200

    def graph(self, repository: str, reference: str) -> dict[str, str]:
        """All that a tag or digest leads to, digest → type; every byte of it fetched and hashed."""
        content, served_as = self.manifest(repository, reference)
        found = {digest_of(content): served_as}
        for descriptor, is_manifest in references(json.loads(content)):
            digest = descriptor["digest"]
            if is_manifest:
                found |= self.graph(repository, digest)
                assert found[digest] == descriptor["mediaType"]
            else:
                self._check_blob(repository, descriptor)
                found[digest] = descriptor["mediaType"]
        return found

    def _check_blob(self, repository: str, descriptor: Mapping[str, Any]) -> None:
        algorithm, _, wanted = descriptor["digest"].partition(":")
        path = f"{repository}/blobs/{descriptor['digest']}"
        hasher, size = hashlib.new(algorithm), 0
        with self.request("GET", path, stream=True) as answer:
            assert answer.status_code == 200, f"GET {path}: {answer.status_code}"
            for piece in answer.iter_content(PIECE):
                hasher.update(piece)
                size += len(piece)
        assert (hasher.hexdigest(), size) == (wanted, descriptor["size"])
