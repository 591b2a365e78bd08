"""crane: push, pull, copy, validate, indexes made in the registry, listing and deleting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interop.images import DOCKER_IMAGE, INDEX, Layout, layout_graph, tar_of
from tests.interop.tools import Client, Registry, digest_of

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]


def test_an_index_makes_the_round_trip(
    crane: Client, layout: Layout, registry: Registry, repository: str, tmp_path: Path
) -> None:
    digest = layout.tag("all", layout.index(repository))
    image = f"{registry.host}/{repository}:all"
    printed = crane("push", "--index", layout.folder, image)
    # crane pushes a layout's own index.json; what the layout holds is one step below it.
    pushed = printed.strip().rpartition("@")[2]
    assert registry.digest(repository, "all") == pushed
    assert digest == json.loads(registry.manifest(repository, "all")[0])["manifests"][0]["digest"]
    crane("validate", "--remote", image)
    crane("pull", "--format=oci", image, tmp_path / "back")
    assert layout_graph(tmp_path / "back") == registry.graph(repository, "all")
    assert layout_graph(layout.folder, "all").items() < registry.graph(repository, "all").items()


def test_an_image_is_copied_and_tagged_without_a_pull(
    crane: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    digest = layout.tag("1", layout.image(repository))
    source, target = f"{registry.host}/{repository}/a", f"{registry.host}/{repository}/b"
    crane("push", layout.folder, f"{source}:1")
    crane("copy", f"{source}:1", f"{target}:1")
    crane("tag", f"{target}:1", "stable")
    pushed = layout_graph(layout.folder, "1")
    assert registry.graph(f"{repository}/b", "stable") == pushed
    assert crane("digest", f"{target}:stable").strip() == digest
    assert (
        crane("manifest", f"{target}@{digest}")
        == registry.manifest(f"{repository}/b", digest)[0].decode()
    )
    for blob in (found for found, kind in pushed.items() if "config" in kind):
        assert digest_of(crane("blob", f"{target}@{blob}").encode()) == blob


def test_an_index_is_made_of_images_in_the_registry(
    crane: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    image = f"{registry.host}/{repository}"
    layout.tag("all", layout.index(repository, ("amd64", "arm64")))
    crane("push", "--index", layout.folder, f"{image}:all")
    inner = json.loads(registry.manifest(repository, "all")[0])["manifests"][0]["digest"]
    made = crane("index", "append", "--tag", f"{image}:made", "--manifest", f"{image}@{inner}")
    assert registry.digest(repository, "made") == made.strip().rpartition("@")[2]
    picked = crane(
        "index", "filter", f"{image}@{inner}", "--platform=linux/arm64", "--tag", f"{image}:arm"
    )
    graph = registry.graph(repository, "arm")
    assert graph[picked.strip().rpartition("@")[2]] == INDEX
    assert len(graph) == 1 + 4


def test_layers_are_appended_and_exported(
    crane: Client, registry: Registry, repository: str, tmp_path: Path
) -> None:
    image, archive = f"{registry.host}/{repository}", tmp_path / "layer.tar"
    archive.write_bytes(tar_of({"hello": repository.encode()}))
    crane("append", "--new_layer", archive, "--new_tag", f"{image}:1")
    crane("mutate", f"{image}:1", "--label", "made-by=crane", "--tag", f"{image}:2")
    assert DOCKER_IMAGE in registry.graph(repository, "2").values()
    config = json.loads(crane("config", f"{image}:2"))
    assert config["config"]["Labels"] == {"made-by": "crane"}
    crane("export", f"{image}:2", tmp_path / "out.tar")
    assert repository.encode() in (tmp_path / "out.tar").read_bytes()


def test_names_are_listed_and_deleted(
    crane: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    digest = layout.tag("1", layout.image(repository))
    image = f"{registry.host}/{repository}"
    tags = [f"v{n}" for n in range(25)]
    crane("push", layout.folder, f"{image}:v0")
    for tag in tags[1:]:
        crane("tag", f"{image}:v0", tag)
    assert crane("ls", image).split() == sorted(tags)
    assert repository in crane("catalog", registry.host).split()
    crane("delete", f"{image}@{digest}")
    assert crane("ls", image).split() == []
    assert not registry.has(repository, "v7")
