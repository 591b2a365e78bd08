"""podman and buildah, over a storage of the test's own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.hello import GREETING, hello_context
from tests.interop.images import DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX, Layout, layout_graph
from tests.interop.tools import Client, Registry

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

PLAIN = "--tls-verify=false"


@pytest.fixture
def storage() -> Iterator[tuple[str, ...]]:
    """The options that keep podman and buildah away from the storage of this machine."""
    # /tmp by name: podman refuses a runroot of more than 50 characters.
    with tempfile.TemporaryDirectory(prefix="berth-pm-", dir="/tmp") as folder:
        yield (f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs")


@pytest.fixture
def podman(tmp_path: Path, storage: tuple[str, ...]) -> Iterator[Client]:
    """podman, without systemd."""
    always = (*storage, "--cgroup-manager=cgroupfs", "--events-backend=file")
    client = Client("podman", tmp_path / "podman", always=always)
    yield client
    client("rmi", "--all", "--force")


@pytest.fixture
def buildah(tmp_path: Path, storage: tuple[str, ...]) -> Client:
    """buildah, over podman's storage."""
    return Client("buildah", tmp_path / "buildah", always=storage)


def image_id(podman: Client, image: str) -> str:
    """The digest of an image's config, as podman knows it."""
    return podman("image", "inspect", "--format", "{{.Id}}", image).strip()


@pytest.mark.parametrize(("form", "media_type"), [("oci", IMAGE), ("v2s2", DOCKER_IMAGE)])
def test_podman_pulls_and_runs_what_it_pushed(
    podman: Client,
    registry: Registry,
    repository: str,
    tmp_path: Path,
    form: str,
    media_type: str,
) -> None:
    image, digest_file = f"{registry.host}/{repository}:1", tmp_path / "digest"
    (tmp_path / "context").mkdir()
    context = hello_context(tmp_path / "context", payload=repository.encode())
    kind = "docker" if form == "v2s2" else "oci"
    podman("build", "--format", kind, "--network=none", "--tag", image, context)
    built = image_id(podman, image)
    podman("push", PLAIN, "--format", form, "--digestfile", digest_file, image)
    pushed = digest_file.read_text()
    stored = registry.graph(repository, "1")
    assert stored[pushed] == media_type
    assert f"sha256:{built}" in stored

    podman("rmi", "--all", "--force")
    podman("pull", PLAIN, image)
    assert image_id(podman, image) == built
    digest = podman("image", "inspect", "--format", "{{.Digest}}", image).strip()
    assert digest == pushed
    # The limits that podman sets by default need a privilege that a container of ours may lack.
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
    assert podman("run", "--rm", "--network=none", *limits, image) == GREETING


def test_podman_pulls_the_platform_it_is_asked_for(
    podman: Client, skopeo: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    layout.tag("all", layout.index(repository))
    image = f"{registry.host}/{repository}:all"
    source = f"oci:{layout.at('all')}"
    skopeo("copy", "--all", "--dest-tls-verify=false", source, f"docker://{image}")
    podman("pull", PLAIN, "--arch=s390x", image)
    inspected = json.loads(podman("image", "inspect", image))[0]
    assert inspected["Architecture"] == "s390x"
    assert inspected["Labels"] == {"seed": f"{repository}-s390x"}
    assert f"sha256:{inspected['Id']}" in layout_graph(layout.folder, "all")


@pytest.mark.parametrize(("form", "media_type"), [("oci", INDEX), ("v2s2", DOCKER_LIST)])
def test_podman_pushes_a_list_that_it_made(
    podman: Client,
    layout: Layout,
    registry: Registry,
    repository: str,
    form: str,
    media_type: str,
) -> None:
    name = f"localhost/{repository}:list"
    podman("manifest", "create", name)
    for architecture in ("amd64", "arm64"):
        seed = repository + architecture
        layout.tag(architecture, layout.image(seed, architecture=architecture))
        podman("manifest", "add", name, f"oci:{layout.at(architecture)}")
    target = f"docker://{registry.host}/{repository}:list"
    podman("manifest", "push", PLAIN, "--all", "--format", form, name, target)
    stored = registry.graph(repository, "list")
    assert stored[registry.digest(repository, "list")] == media_type
    configs = {d for d, kind in layout_graph(layout.folder, "arm64").items() if "config" in kind}
    assert configs <= stored.keys()


def test_buildah_pushes_what_it_committed(
    buildah: Client, podman: Client, registry: Registry, repository: str, tmp_path: Path
) -> None:
    image, digest_file = f"{registry.host}/{repository}:1", tmp_path / "digest"
    context = hello_context(tmp_path)
    container = buildah("from", "scratch").strip()
    buildah("copy", container, context / "hello", "/hello")
    buildah("config", "--cmd", "/hello", container)
    built = buildah("commit", "--rm", container, image).strip()
    target = f"docker://{image}"
    buildah("push", PLAIN, "--digestfile", digest_file, image, target)
    assert {digest_file.read_text(), f"sha256:{built}"} <= registry.graph(repository, "1").keys()

    podman("rmi", "--all", "--force")
    buildah("pull", PLAIN, image)
    assert image_id(podman, image) == built
    again = buildah("from", PLAIN, image).strip()
    mounted = Path(buildah("mount", again).strip())
    assert (mounted / "hello").read_bytes() == (context / "hello").read_bytes()
    buildah("rm", again)
