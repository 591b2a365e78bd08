"""regctl: copies with referrers, blobs in one piece and in chunks, artifacts, tags."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interop.images import IMAGE, INDEX, Layout, layout_graph, noise
from tests.interop.tools import Client, Registry, digest_of

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SBOM = "application/vnd.example.sbom"


def test_an_index_is_copied_in_and_out(
    regctl: Client, layout: Layout, registry: Registry, repository: str, tmp_path: Path
) -> None:
    digest = layout.tag("all", layout.index(repository))
    first, second = f"{registry.host}/{repository}/a:all", f"{registry.host}/{repository}/b:all"
    regctl("image", "copy", f"ocidir://{layout.at('all')}", first)
    regctl("image", "copy", first, second)
    regctl("image", "copy", second, f"ocidir://{tmp_path}/back:all")
    pushed = layout_graph(layout.folder, "all")
    assert registry.graph(f"{repository}/a", "all") == pushed
    assert registry.graph(f"{repository}/b", "all") == pushed
    assert layout_graph(tmp_path / "back", "all") == pushed
    assert regctl("image", "digest", second).strip() == digest
    arm = regctl("image", "digest", "--platform=linux/arm64", second).strip()
    assert arm in pushed.keys() - {digest}


@pytest.mark.parametrize(
    ("chunk", "limit", "patches"),
    [(16_384, -1, 0), (16_384, 16_384, 10), (50_000, 60_000, 4)],
    ids=["monolithic", "16-KiB-chunks", "odd-chunks"],
)
def test_layers_are_pushed_whole_and_in_chunks(
    regctl: Client,
    layout: Layout,
    registry: Registry,
    repository: str,
    chunk: int,
    limit: int,
    patches: int,
) -> None:
    layout.tag("1", layout.image(repository))  # two layers of just over 70,000 bytes
    sizes = ("--blob-chunk", str(chunk), "--blob-max", str(limit))
    regctl("registry", "set", registry.host, "--skip-check", *sizes)
    image = f"{registry.host}/{repository}:1"
    told = regctl("-v", "trace", "image", "copy", f"ocidir://{layout.at('1')}", image, errors=True)
    assert told.count("req-method=PATCH") == patches
    assert registry.graph(repository, "1") == layout_graph(layout.folder, "1")


def test_a_blob_of_unknown_size_is_streamed(
    regctl: Client, registry: Registry, repository: str
) -> None:
    content, target = noise(repository, 3_000_001), f"{registry.host}/{repository}"
    digest = digest_of(content)
    assert regctl("blob", "put", target, stdin=content).strip() == digest
    assert registry.request("GET", f"{repository}/blobs/{digest}").content == content
    head = regctl("blob", "head", target, digest)
    assert {"Content-Length: 3000001", f"Docker-Content-Digest: {digest}"} <= set(head.splitlines())
    regctl("blob", "delete", target, digest)
    assert registry.request("HEAD", f"{repository}/blobs/{digest}").status_code == 404


def test_an_artifact_refers_to_its_subject(
    regctl: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    digest = layout.tag("1", layout.image(repository))
    image, sbom = f"{registry.host}/{repository}:1", noise(repository, 50_000).hex()
    regctl("image", "copy", f"ocidir://{layout.at('1')}", image)
    kind = ("--artifact-type", SBOM)
    regctl("artifact", "put", *kind, "--subject", image, stdin=sbom.encode())
    referrers = registry.referrers(repository, digest)
    assert [entry["artifactType"] for entry in referrers] == [SBOM]
    assert registry.tags(repository) == ["1"]
    listed = json.loads(regctl("artifact", "list", "--format={{json .}}", image))
    assert [entry["digest"] for entry in listed["descriptors"]] == [referrers[0]["digest"]]
    found = regctl("artifact", "get", "--subject", image, "--filter-artifact-type", SBOM)
    assert found == sbom

    target = f"{registry.host}/{repository}/mirror:1"
    regctl("image", "copy", "--referrers", image, target)
    assert registry.referrers(f"{repository}/mirror", digest) == referrers


def test_an_index_is_made_and_changed(
    regctl: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    image = f"{registry.host}/{repository}"
    for architecture in ("amd64", "arm64"):
        made = layout.image(repository + architecture, architecture=architecture)
        layout.tag(architecture, made)
        regctl("image", "copy", f"ocidir://{layout.at(architecture)}", f"{image}:{architecture}")
    first, second = (f"{image}:{name}" for name in ("amd64", "arm64"))
    regctl("index", "create", f"{image}:all", "--ref", first, "--platform", "linux/amd64")
    assert len(registry.graph(repository, "all")) == 1 + 4
    regctl("index", "add", f"{image}:all", "--ref", second, "--platform", "linux/arm64")
    graph = registry.graph(repository, "all")
    assert len(graph) == 1 + 2 * 4
    assert graph[registry.digest(repository, "all")] == INDEX
    assert layout_graph(layout.folder, "arm64").items() < graph.items()


def test_an_index_may_lack_some_of_its_platforms(
    regctl: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    digest = layout.tag("all", layout.index(repository))
    image = f"{registry.host}/{repository}:all"
    chosen = ("--platforms", "linux/arm64")
    regctl("image", "copy", *chosen, f"ocidir://{layout.at('all')}", image)
    assert registry.digest(repository, "all") == digest
    arm = regctl("image", "digest", "--platform=linux/arm64", image).strip()
    images = {d for d, kind in layout_graph(layout.folder, "all").items() if kind == IMAGE}
    assert {d for d in images if registry.has(repository, d)} == {arm}
    assert registry.graph(repository, arm).items() < layout_graph(layout.folder, "all").items()


def test_tags_are_listed_and_deleted_alone(
    regctl: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    digest = layout.tag("1", layout.image(repository))
    image = f"{registry.host}/{repository}"
    for tag in ("1", "2", "3"):
        regctl("image", "copy", f"ocidir://{layout.at('1')}", f"{image}:{tag}")
    assert regctl("tag", "list", image).split() == ["1", "2", "3"]
    assert regctl("tag", "list", "--limit=1", "--last=1", image).split() == ["2"]
    assert repository in regctl("repo", "list", registry.host).split()
    regctl("tag", "delete", f"{image}:2")
    assert registry.tags(repository) == ["1", "3"]
    assert registry.digest(repository, digest) == digest
    regctl("manifest", "delete", f"{image}@{digest}")
    assert registry.tags(repository) == []
