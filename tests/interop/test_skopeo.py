"""skopeo: copies between layouts and repositories, in every format that it can write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.images import (
    DOCKER_CONFIG,
    DOCKER_IMAGE,
    DOCKER_LAYER,
    DOCKER_LIST,
    ZSTD_LAYER,
    Layout,
    layout_graph,
)
from tests.interop.tools import Client, Registry, digest_of

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

Copy = Callable[..., str]


@pytest.fixture
def copy(skopeo: Client) -> Copy:
    """`skopeo copy` from and to plain HTTP."""
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")

    def run(source: str, target: str, *options: str) -> str:
        return skopeo("copy", *plain, *options, source, target)

    return run


def test_a_layout_makes_the_round_trip(
    copy: Copy, layout: Layout, registry: Registry, repository: str, tmp_path: Path
) -> None:
    layout.tag("1", layout.image(repository, layers=5))
    stored = f"docker://{registry.host}/{repository}:1"
    copy(f"oci:{layout.at('1')}", stored, "--preserve-digests")
    copy(stored, f"oci:{tmp_path}/back:1", "--preserve-digests")
    pushed = layout_graph(layout.folder, "1")
    assert len(pushed) == 7
    assert registry.graph(repository, "1") == pushed
    assert layout_graph(tmp_path / "back", "1") == pushed


def test_a_whole_index_is_copied_between_repositories(
    copy: Copy, layout: Layout, registry: Registry, repository: str, tmp_path: Path
) -> None:
    layout.tag("all", layout.index(repository))
    first, second = f"{registry.host}/{repository}/a:all", f"{registry.host}/{repository}/b:all"
    copy(f"oci:{layout.at('all')}", f"docker://{first}", "--all")
    copy(f"docker://{first}", f"docker://{second}", "--all")
    copy(f"docker://{second}", f"oci:{tmp_path}/back:all", "--all")
    pushed = layout_graph(layout.folder, "all")
    assert len(pushed) == 1 + 3 * 4
    assert registry.graph(f"{repository}/b", "all") == pushed
    assert layout_graph(tmp_path / "back", "all") == pushed


def test_docker_schema_2_is_stored_as_pushed(
    copy: Copy, layout: Layout, registry: Registry, repository: str, tmp_path: Path
) -> None:
    layout.tag("all", layout.index(repository))
    first, second = f"docker://{registry.host}/{repository}:1", f"dir:{tmp_path}/back"
    names = tmp_path / "digest"
    options = ("--all", "--format=v2s2", f"--digestfile={names}")
    copy(f"oci:{layout.at('all')}", first, *options)
    stored = registry.graph(repository, "1")
    types = sorted(set(stored.values()))
    assert types == sorted((DOCKER_CONFIG, DOCKER_IMAGE, DOCKER_LAYER, DOCKER_LIST))
    assert registry.digest(repository, "1") == names.read_text()
    copy(first, second, "--all", "--preserve-digests")
    assert digest_of((tmp_path / "back" / "manifest.json").read_bytes()) == names.read_text()


def test_zstd_layers_are_kept(
    copy: Copy, layout: Layout, registry: Registry, repository: str, tmp_path: Path
) -> None:
    layout.tag("1", layout.image(repository))
    stored = f"docker://{registry.host}/{repository}:zstd"
    copy(f"oci:{layout.at('1')}", stored, "--dest-compress-format=zstd")
    graph = registry.graph(repository, "zstd")
    assert list(graph.values()).count(ZSTD_LAYER) == 2
    copy(stored, f"oci:{tmp_path}/back:zstd", "--preserve-digests")
    assert layout_graph(tmp_path / "back", "zstd") == graph


def test_inspect_shows_what_was_pushed(
    skopeo: Client, copy: Copy, layout: Layout, registry: Registry, repository: str
) -> None:
    digest = layout.tag("1", layout.image(repository))
    for tag in ("1", "2"):
        copy(f"oci:{layout.at('1')}", f"docker://{registry.host}/{repository}:{tag}")
    name = f"docker://{registry.host}/{repository}"
    raw = skopeo("inspect", "--tls-verify=false", "--raw", f"{name}:2")
    assert digest_of(raw.encode()) == digest
    seen = json.loads(skopeo("inspect", "--tls-verify=false", f"{name}@{digest}"))
    assert (seen["Digest"], seen["Labels"]) == (digest, {"seed": repository})
    assert seen["RepoTags"] == ["1", "2"]
    listed = json.loads(skopeo("list-tags", "--tls-verify=false", name))
    assert listed["Tags"] == ["1", "2"]


def test_delete_removes_the_image(
    skopeo: Client, copy: Copy, layout: Layout, registry: Registry, repository: str
) -> None:
    digest = layout.tag("1", layout.image(repository))
    name = f"docker://{registry.host}/{repository}:1"
    copy(f"oci:{layout.at('1')}", name)
    skopeo("delete", "--tls-verify=false", name)
    assert not registry.has(repository, "1")
    assert not registry.has(repository, digest)
    assert "manifest unknown" in skopeo.refused("inspect", "--tls-verify=false", name)


def test_sync_takes_every_tag_of_a_repository(
    skopeo: Client, copy: Copy, layout: Layout, registry: Registry, repository: str, tmp_path: Path
) -> None:
    for tag in ("1", "2", "all"):
        made = layout.index(repository) if tag == "all" else layout.image(repository + tag)
        layout.tag(tag, made)
        source = f"oci:{layout.at(tag)}"
        copy(source, f"docker://{registry.host}/{repository}:{tag}", "--all")
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false", "--all")
    skopeo("sync", *plain, "--src=docker", "--dest=dir", f"{registry.host}/{repository}", tmp_path)
    target = f"{registry.host}/{repository}/mirror"
    name = repository.rpartition("/")[2]
    skopeo("sync", *plain, "--src=docker", "--dest=docker", f"{registry.host}/{repository}", target)
    for tag in ("1", "2", "all"):
        pushed = layout_graph(layout.folder, tag)
        assert registry.graph(f"{repository}/mirror/{name}", tag) == pushed
        saved = (tmp_path / f"{name}:{tag}" / "manifest.json").read_bytes()
        assert digest_of(saved) in pushed
