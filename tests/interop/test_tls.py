"""Clients that take Berth's own certificate, or do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.images import Layout, layout_graph
from tests.interop.tls import TLSServer, make_certificates
from tests.interop.tools import Client

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder, folder / "ca.crt")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[TLSServer]:
    with TLSServer(tmp_path_factory.mktemp("tls") / "data", folder, None) as running:
        yield running


def test_crane_pushes_and_pulls(
    server: TLSServer, folder: Path, layout: Layout, tmp_path: Path
) -> None:
    crane = Client("crane", tmp_path / "crane", env={"SSL_CERT_FILE": str(folder / "ca.crt")})
    layout.tag("1", layout.image("tls"))
    image = f"{server.host}/tls/app:1"
    crane("push", layout.folder, image)
    crane("pull", "--format=oci", image, tmp_path / "back")
    assert layout_graph(tmp_path / "back").items() >= layout_graph(layout.folder, "1").items()
    crane("validate", "--remote", image)


def test_podman_and_skopeo_push_and_pull(
    server: TLSServer, folder: Path, layout: Layout, tmp_path: Path
) -> None:
    skopeo = Client("skopeo", tmp_path / "skopeo", always=("--insecure-policy",))
    layout.tag("1", layout.image("tls"))
    certificates = tmp_path / "ca"
    certificates.mkdir()
    (certificates / "ca.crt").write_bytes((folder / "ca.crt").read_bytes())
    image = f"docker://{server.host}/tls/other:1"
    skopeo("copy", f"--dest-cert-dir={certificates}", f"oci:{layout.at('1')}", image)
    skopeo("copy", f"--src-cert-dir={certificates}", image, f"dir:{tmp_path / 'back'}")
    assert "certificate" in skopeo.refused("inspect", image)
