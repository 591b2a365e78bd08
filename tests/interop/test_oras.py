"""oras: artifacts, what is attached to an image, and blobs and manifests one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interop.images import EMPTY, IMAGE, Layout, layout_graph, noise
from tests.interop.tools import Client, Registry, digest_of

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

PLAIN = "--plain-http"
SBOM, SIGNATURE = "application/vnd.example.sbom", "application/vnd.example.signature"


def attach(oras: Client, image: str, kind: str, content: bytes) -> str:
    """Attach a file to an image; returns the digest of the artifact's manifest."""
    (oras.home / "attached").write_bytes(content)
    printed = oras(
        "attach", PLAIN, "--artifact-type", kind, "--format=json", image, "attached:text/plain"
    )
    return str(json.loads(printed)["digest"])


def test_files_are_pushed_and_pulled_as_an_artifact(
    oras: Client, registry: Registry, repository: str, tmp_path: Path
) -> None:
    artifact = f"{registry.host}/{repository}:1"
    files = {"model.bin": noise(repository, 3_000_000), "empty": b"", "notes.txt": b"read me"}
    for name, content in files.items():
        (oras.home / name).write_bytes(content)
    oras("push", PLAIN, "--artifact-type=application/vnd.example.model", artifact, *files)
    assert EMPTY in registry.graph(repository, "1").values()
    oras("pull", PLAIN, "--output", tmp_path / "back", artifact)
    assert {p.name: p.read_bytes() for p in (tmp_path / "back").iterdir()} == files


def test_what_is_attached_is_discovered(
    oras: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    digest = layout.tag("1", layout.image(repository))
    image = f"{registry.host}/{repository}:1"
    oras("cp", "--from-oci-layout", "--to-plain-http", layout.at("1"), image)
    assert registry.referrers(repository, digest) == []
    sbom = attach(oras, image, SBOM, b"what is in it")
    signature = attach(oras, image, SIGNATURE, b"who made it")
    deeper = attach(oras, f"{registry.host}/{repository}@{sbom}", SIGNATURE, b"who listed it")

    found = {entry["digest"]: entry for entry in registry.referrers(repository, digest)}
    assert found.keys() == {sbom, signature}
    assert (found[sbom]["artifactType"], found[sbom]["mediaType"]) == (SBOM, IMAGE)
    tree = json.loads(oras("discover", PLAIN, "--format=json", image))
    assert {entry["digest"] for entry in tree["referrers"]} == {sbom, signature}
    kind = ("--artifact-type", SIGNATURE)
    signed = json.loads(oras("discover", PLAIN, "--format=json", *kind, image))
    assert [entry["digest"] for entry in signed["referrers"]] == [signature]
    assert [entry["digest"] for entry in registry.referrers(repository, sbom)] == [deeper]
    # The registry has the API, so that no fallback tag may be left behind.
    assert registry.tags(repository) == ["1"]

    oras("manifest", "delete", PLAIN, "--force", f"{registry.host}/{repository}@{signature}")
    assert [entry["digest"] for entry in registry.referrers(repository, digest)] == [sbom]


def test_a_recursive_copy_takes_the_attached_along(
    oras: Client, layout: Layout, registry: Registry, repository: str, tmp_path: Path
) -> None:
    digest = layout.tag("all", layout.index(repository))
    first, second = f"{registry.host}/{repository}/a:all", f"{registry.host}/{repository}/b:all"
    oras("cp", "--from-oci-layout", "--to-plain-http", layout.at("all"), first)
    sbom = attach(oras, first, SBOM, b"what is in it")
    oras("cp", "--recursive", "--from-plain-http", "--to-plain-http", first, second)
    assert registry.graph(f"{repository}/b", "all") == layout_graph(layout.folder, "all")
    found = registry.referrers(f"{repository}/b", digest)
    assert [entry["digest"] for entry in found] == [sbom]
    assert registry.graph(f"{repository}/b", sbom) == registry.graph(f"{repository}/a", sbom)
    back = ("--from-plain-http", "--to-oci-layout", second, f"{tmp_path}/back:all")
    oras("cp", "--recursive", *back)
    assert layout_graph(tmp_path / "back", "all") == layout_graph(layout.folder, "all")


def test_blobs_and_manifests_are_handled_one_by_one(
    oras: Client, registry: Registry, repository: str
) -> None:
    target, content = f"{registry.host}/{repository}", noise(repository, 200_000)
    (oras.home / "blob").write_bytes(content)
    oras("blob", "push", PLAIN, target, "blob")
    pushed = f"{target}@{digest_of(content)}"
    oras("blob", "fetch", PLAIN, "--no-tty", "--output", "fetched", pushed)
    assert (oras.home / "fetched").read_bytes() == content

    described = {"mediaType": "text/plain", "digest": digest_of(content), "size": len(content)}
    body = {"mediaType": IMAGE, "artifactType": SBOM, "config": described, "layers": [described]}
    manifest = json.dumps({"schemaVersion": 2, **body}, indent=1).encode()
    (oras.home / "manifest").write_bytes(manifest)
    oras("manifest", "push", PLAIN, f"{target}:1,2,latest", "manifest")
    assert oras("repo", "tags", PLAIN, target).split() == ["1", "2", "latest"]
    assert oras("manifest", "fetch", PLAIN, f"{target}:2").encode() == manifest
    assert oras("resolve", PLAIN, f"{target}:latest").strip() == digest_of(manifest)
    assert repository in oras("repo", "ls", PLAIN, registry.host).split()

    oras("manifest", "delete", PLAIN, "--force", f"{target}@{digest_of(manifest)}")
    assert registry.tags(repository) == []
    oras("blob", "delete", PLAIN, "--force", pushed)
    assert "not found" in oras.refused("blob", "fetch", PLAIN, "--descriptor", pushed)
