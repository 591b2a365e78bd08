"""A locked server with an image in it, which several configurations of nginx stand before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from registry_site.doctor import reaching
from registry_site.doctor.examination import Wishes, examine
from registry_site.doctor.report import Result
from tests.faults.client import image
from tests.interop.images import Layout
from tests.live import LiveServer
from tests.proxy.nginx import Nginx

PASSWORD = "of the operator's 7 keys"
AUTH = ("admin", PASSWORD)
ACCELERATED = {"REGISTRY_HTTP_ACCELREDIRECT": "/berth-blobs"}
LAYER = b"a layer of some bytes" * 1000
REPOSITORY = "admin/app"

StartBerth = Callable[..., LiveServer]


def push_blob(url: str, data: bytes) -> None:
    """In one request."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    headers = token(url, f"repository:{REPOSITORY}:pull,push")
    address = f"{url}/v2/{REPOSITORY}/blobs/uploads/?digest={digest}"
    headers["Content-Type"] = "application/octet-stream"
    done = requests.post(address, data, headers=headers, timeout=60)
    assert done.status_code == 201, done.text


def token(url: str, scope: str, verify: str | bool = True) -> dict[str, str]:
    """The header of somebody who may do everything."""
    parameters = {"service": "berth", "scope": scope}
    found = requests.get(f"{url}/token", parameters, auth=AUTH, timeout=30, verify=verify)
    return {"Authorization": f"Bearer {found.json()['token']}"}


@pytest.fixture(scope="session")
def start_berth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartBerth]:
    """Starts a locked server with the given environment."""
    with ExitStack() as stack:

        def start(**env: str) -> LiveServer:
            data = tmp_path_factory.mktemp("berth") / "data"
            settings = {"REGISTRY_ADMIN_PASSWORD": PASSWORD, **env}
            return stack.enter_context(LiveServer(data, open_access=False, env=settings))

        yield start


@pytest.fixture(scope="session")
def berth(start_berth: StartBerth) -> LiveServer:
    """With an image of a config and a layer; blobs are left to nginx."""
    server = start_berth(**ACCELERATED)
    for data in (b"{}", LAYER):
        push_blob(server.url, data)
    headers = token(server.url, f"repository:{REPOSITORY}:pull,push")
    headers["Content-Type"] = "application/vnd.oci.image.manifest.v1+json"
    address = f"{server.url}/v2/{REPOSITORY}/manifests/1"
    assert requests.put(address, image(LAYER), headers=headers, timeout=30).status_code == 201
    return server


def look(nginx: Nginx, *, patience: int = 0, body: int = 3_000_000) -> list[Result]:
    """What the doctor says, as the administrator."""
    strict, lax = reaching.contexts(str(nginx.authority))
    wishes = Wishes(
        strict=strict,
        lax=lax,
        user=AUTH[0],
        secret=AUTH[1],
        body=body,
        patience=patience,
        early=2.0,
    )
    return list(examine(nginx.url, wishes))


@pytest.fixture(scope="session")
def nginx(berth: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """As it is shipped."""
    with Nginx(tmp_path_factory.mktemp("shipped") / "nginx", berth) as running:
        yield running


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An image layout to fill and push from."""
    return Layout(tmp_path / "layout")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "nginx"
