"""A large layer through the shipped configuration, pushed and pulled: neither nginx nor Berth
keeps it in memory, and nginx writes none of it to its own disk.

200 MB; with `BERTH_FAULTS=long pytest tests/proxy` 2 GB.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from registry_site.doctor import reaching
from registry_site.doctor.transfers import path_of
from registry_site.doctor.wire import Site
from tests.faults.scale import MARKS, either
from tests.live import LiveServer
from tests.proxy.conftest import AUTH, token
from tests.proxy.nginx import Nginx

pytestmark = [pytest.mark.interop, *MARKS]

MB = 1_000_000
SIZE = either(200, 2000) * MB
REPOSITORY = "admin/large"
BLOCK = bytes(range(250)) * 4000
ALLOWED = 64 * MB


def content() -> Iterator[bytes]:
    """No two pieces are alike."""
    for number in range(SIZE // MB):
        yield number.to_bytes(8, "big") + BLOCK[8:]


def forget_peak(pid: int) -> None:
    """From here on `peak` is what it is now, or becomes (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    found = re.search(r"VmHWM:\s+([0-9]+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def written(nginx: Nginx) -> list[Path]:
    """What nginx has put aside, or is putting."""
    places = (nginx.folder / name for name in ("body", "proxy"))
    return [path for place in places for path in place.rglob("*") if path.is_file()]


def test_a_large_layer_is_in_nobodys_memory(nginx: Nginx, berth: LiveServer) -> None:
    strict, _ = reaching.contexts(str(nginx.authority))
    site = Site(nginx.url, context=strict)
    scope = f"repository:{REPOSITORY}:pull,push"
    headers = token(nginx.url, scope, str(nginx.authority))
    watched = (*nginx.pids, *berth.workers())
    for pid in watched:
        forget_peak(pid)
    before = {pid: peak(pid) for pid in watched}
    opened = site.ask(
        "POST", f"/v2/{REPOSITORY}/blobs/uploads/", {**headers, "Content-Length": "0"}
    )
    upload = path_of(opened.header("Location"))
    hashed = hashlib.sha256()

    def hashing() -> Iterator[bytes]:
        for piece in content():
            hashed.update(piece)
            yield piece

    sent = site.send("PATCH", upload, headers, hashing())
    assert (sent.status, sent.header("Range")) == (202, f"0-{SIZE - 1}")
    assert written(nginx) == []
    digest = f"sha256:{hashed.hexdigest()}"
    closing = {**token(nginx.url, scope, str(nginx.authority)), "Content-Length": "0"}
    assert site.ask("PUT", f"{upload}?digest={digest}", closing).status == 201
    assert pulled(nginx, digest) == digest
    grown = {pid: peak(pid) - old for pid, old in before.items()}
    print(f"{SIZE / MB:,.0f} MB pushed and pulled: peaks grew by {grown}")
    assert max(grown.values()) < ALLOWED, grown
    address = f"{berth.url}/api/v1/repositories/{REPOSITORY}"
    assert requests.delete(address, auth=AUTH, timeout=60).status_code == 200


def pulled(nginx: Nginx, digest: str) -> str:
    """The digest of what comes."""
    headers = token(nginx.url, f"repository:{REPOSITORY}:pull", str(nginx.authority))
    address = f"{nginx.url}/v2/{REPOSITORY}/blobs/{digest}"
    hashed = hashlib.sha256()
    with requests.get(
        address, headers=headers, stream=True, timeout=60, verify=str(nginx.authority)
    ) as answer:
        assert answer.headers["Content-Length"] == str(SIZE)
        for piece in answer.iter_content(1 << 20):
            hashed.update(piece)
    return f"sha256:{hashed.hexdigest()}"
