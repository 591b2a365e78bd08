"""Berth's image, built as its docs say, and kept until something that goes into it changes.

Docker Hub may be out of reach: the base is a Debian of our own (`base.sh`), with this machine's
certificates and settings for pip.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import io
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.interop.engine import Engine
from tests.interop.tools import Client, find_program, missing
from tests.live import ROOT

NAME, BASE = "berth", "berth-base"
BUILD = ("build", "--tag", NAME, "--file", "deploy/Dockerfile", ".")
BUILD_SECONDS = 1200.0
LOAD_SECONDS = 300.0
KEPT = 3  # archives of images, of which each takes some 400 MB; and those of the last hour
_NOT_SHIPPED = (".pyc", ".po")
_CERTIFICATES = "/etc/ssl/machine.pem"
# What pip has to know to reach an index from here; all else is for the machine itself.
_PIP = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout", "timeout")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


class Image(NamedTuple):
    """An archive with the image `berth`, and the image `berth-base` that it is made from."""

    archive: Path

    def load_into(self, docker: Client) -> None:
        """Make both images known to an engine."""
        docker("load", "--input", self.archive, timeout=LOAD_SECONDS)


def bring() -> Image:
    """The image for what is in this folder now; built, if that has not been done yet."""
    if os.geteuid() != 0:
        missing("dockerd needs root")
    cache = _cache()
    base, files = cache / "debian-bookworm-python.tar", _files_of_the_base()
    if not base.exists():
        with _lock(cache / "lock-base"):
            _make(base)
    archive = cache / "images" / f"{_key(base, files)}.tar"
    if not archive.exists():
        with _lock(cache / "lock"):
            if not archive.exists():
                _build(archive, base, files)
                _forget_old_ones(archive.parent)
    os.utime(archive)
    return Image(archive)


def _cache() -> Path:
    """Outside of the clone, so that the next run finds what this one built."""
    folder = Path.home() / ".cache" / "berth-bench"
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir()) / "berth-bench"
        (folder / "images").mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One run of the tests builds; another one beside it waits, and finds it built."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(base: Path) -> None:
    find_program("mmdebstrap")
    command = ["bash", str(ROOT / "tests/deploy/base.sh"), str(base)]
    subprocess.run(command, check=True, timeout=BUILD_SECONDS)


def _files_of_the_base() -> dict[str, bytes]:
    """What the base has of this machine, by path."""
    settings, certificates = _pip_settings(), ssl.get_default_verify_paths().cafile
    if not certificates:
        return {"/etc/pip.conf": settings.encode()}
    settings += f"cert = {_CERTIFICATES}\n"
    return {"/etc/pip.conf": settings.encode(), _CERTIFICATES: Path(certificates).read_bytes()}


def _pip_settings() -> str:
    """This machine's settings for pip, from files and variables alike, as a file."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    # `:env:.index-url='…'` counts more than `global.index-url='…'`.
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        if (key := name.rpartition(".")[2]) in _PIP:
            found[key] = ast.literal_eval(value)
    lines = [f"{name} = {value}" for name, value in sorted(found.items())]
    return "\n".join(["[global]", *lines, ""])


def _key(base: Path, files: dict[str, bytes]) -> str:
    """A digest of all that goes into the image."""
    status = base.stat()
    told = [f"{status.st_size} {status.st_mtime_ns}", str(sorted(files.items()))]
    for path in _shipped():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        told.append(f"{path.relative_to(ROOT)} {path.stat().st_mode:o} {content}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:24]


def _shipped() -> list[Path]:
    """The files that the builder is sent, and those that tell it what to do."""
    ignored = ROOT / ".dockerignore"
    names = [line[1:] for line in ignored.read_text().splitlines() if line.startswith("!")]
    found = [ignored, ROOT / "deploy/Dockerfile"]
    for path in (ROOT / name for name in names):
        found += [path] if path.is_file() else path.rglob("*")
    return sorted(path for path in found if path.is_file() and path.suffix not in _NOT_SHIPPED)


def _build(archive: Path, base: Path, files: dict[str, bytes]) -> None:
    engine = Engine(in_memory=True)
    draft = archive.with_suffix(f".{os.getpid()}")
    try:
        completed = engine.folder / "base.tar"
        shutil.copyfile(base, completed)
        _add(completed, files)
        engine.docker("import", completed, BASE, timeout=LOAD_SECONDS)
        options = ["--network", "host", "--build-arg", f"BASE={BASE}"]
        for name in _PROXIES:
            options += ["--build-arg", name] if os.environ.get(name) else []
        engine.docker(BUILD[0], *options, *BUILD[1:], cwd=ROOT, timeout=BUILD_SECONDS)
        engine.docker("save", "--output", draft, NAME, BASE, timeout=LOAD_SECONDS)
        draft.rename(archive)
    finally:
        draft.unlink(missing_ok=True)
        engine.stop()


def _add(archive: Path, files: dict[str, bytes]) -> None:
    """Add files that it has not to a tar archive."""
    with tarfile.open(archive, "a") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(f".{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _forget_old_ones(folder: Path) -> None:
    """Whoever holds the lock is alone here: what is no archive is what a killed run has left."""
    used = {path: path.stat().st_mtime for path in folder.iterdir()}
    archives = sorted((path for path in used if path.suffix == ".tar"), key=used.__getitem__)
    for path, last in used.items():
        is_old = path in archives[:-KEPT] and last < time.time() - 3600
        if is_old or path not in archives:
            path.unlink()
