"""Layers as buildah really makes them, looked into."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from repositories.layers import listing, merged
from repositories.layers.merged import Image
from repositories.layers.tree import Kind
from repositories.oci import manifests
from repositories.oci.digests import Digest
from tests.interop.tools import Client
from tests.repositories.layers.conftest import merged_tree, put, settle

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def _listings(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.DATA_FOLDER = tmp_path / "data"
    yield
    settle()


@pytest.fixture
def buildah(tmp_path: Path) -> Client:
    folders = (f"--root={tmp_path / 'root'}", f"--runroot={tmp_path / 'run'}")
    return Client("buildah", tmp_path / "home", always=(*folders, "--storage-driver=vfs"))


def _built(buildah: Client, context: Path) -> None:
    """Two layers: one that adds, one that deletes, replaces and links."""
    (context / "tree/etc").mkdir(parents=True)
    (context / "tree/etc/old").write_text("x" * 100)
    (context / "tree/etc/kept").write_text("kept")
    (context / "tree/Ünïcode").write_bytes(os.urandom(300_000))
    os.symlink("etc/kept", context / "tree/link")
    os.link(context / "tree/etc/kept", context / "tree/hard")
    base = buildah("from", "scratch").strip()
    buildah("copy", base, context / "tree", "/")
    buildah("commit", "--rm", base, "localhost/base")
    above = buildah("from", "--pull-never", "localhost/base").strip()
    mounted = Path(buildah("mount", above).strip())
    (mounted / "etc/old").unlink()
    (mounted / "link").unlink()
    (mounted / "link").mkdir()
    (mounted / "link/inside").write_text("new")
    buildah("umount", above)
    buildah("commit", "--rm", above, "localhost/image")


@pytest.mark.parametrize("compression", ["gzip", "zstd", "zstd:chunked"])
def test_buildahs_layers_in_every_compression(
    compression: str, buildah: Client, tmp_path: Path
) -> None:
    _built(buildah, tmp_path / "context")
    target = tmp_path / "image"
    buildah(
        *("push", f"--compression-format={compression}", "--format=oci"),
        *("localhost/image", f"oci:{target}"),
    )
    blobs = target / "blobs" / "sha256"
    index = json.loads((target / "index.json").read_bytes())
    digest = Digest.parse(index["manifests"][0]["digest"])
    layers = manifests.parse((blobs / digest.hex).read_bytes()).layers
    for layer in layers:
        put((blobs / layer.digest.hex).read_bytes())

    image = Image(digest, layers)
    assert merged_tree(image).is_done
    with merged.opened(image=image) as tree:
        assert (tree.summary["problem"], tree.summary["problems"]) == ("", {})
        assert tree.summary["wasted"] == {"0": 100}
        assert tree.entry("etc/old") is None
        kinds = {
            path: row.kind if row else None
            for path in ("etc/kept", "Ünïcode", "link", "link/inside")
            for row in (tree.entry(path),)
        }
    assert kinds == {
        "etc/kept": Kind.FILE,
        "Ünïcode": Kind.FILE,
        "link": Kind.FOLDER,
        "link/inside": Kind.FILE,
    }
    deleted = listing.find(digest=layers[1].digest, text="old").rows
    assert [(path, row.kind) for path, row in deleted] == [("etc/old", Kind.DELETED)]
