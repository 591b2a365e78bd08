"""The Docker engine: what the README's walk promises, and what must survive a killed registry."""

from __future__ import annotations

import re

import pytest

from tests.interop.engine import Engine
from tests.interop.hello import GREETING
from tests.interop.images import Layout, layout_graph
from tests.interop.tools import Client, Registry
from tests.live import LiveServer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]


def digest_in(output: str) -> str:
    """The digest that `docker push` and `docker pull` print at the end."""
    found = re.findall(r"[Dd]igest: (sha256:[0-9a-f]{64})", output)
    assert found, output
    return str(found[-1])


@pytest.mark.both_databases
def test_an_image_pushed_and_pulled_is_the_same(
    engine: Engine, registry: Registry, repository: str
) -> None:
    image = f"{registry.host}/{repository}:1"
    built = engine.build_hello(image, payload=b"of the smoke test")
    layers = engine.layers(image)
    pushed = digest_in(engine.push(image))
    assert registry.digest(repository, "1") == pushed
    assert built in registry.graph(repository, "1")
    engine.forget(image)
    assert digest_in(engine.docker("pull", image)) == pushed
    assert (engine.image_id(image), engine.layers(image)) == (built, layers)
    assert engine.run(image) == GREETING


def test_the_walk_of_the_readme(engine: Engine, fresh_server: LiveServer) -> None:
    registry = Registry(fresh_server.url)
    assert registry.json("_catalog") == {"repositories": []}
    image = f"{registry.host}/hello-world"
    built = engine.build_hello("hello-world")
    assert engine.run("hello-world") == GREETING

    engine.docker("tag", "hello-world", image)
    pushed = digest_in(engine.push(image))
    assert registry.json("_catalog") == {"repositories": ["hello-world"]}
    assert registry.tags("hello-world") == ["latest"]

    engine.forget("hello-world", image)
    assert built not in engine.docker("image", "ls", "--no-trunc", "--quiet")
    assert digest_in(engine.docker("pull", image)) == pushed
    assert engine.image_id(image) == built
    assert engine.run(image) == GREETING


def test_images_outlive_a_killed_server(engine: Engine, fresh_server: LiveServer) -> None:
    registry = Registry(fresh_server.url)
    image = f"{registry.host}/team/kept:1"
    built = engine.build_hello(image, payload=b"kept")
    pushed = digest_in(engine.push(image))
    stored = registry.graph("team/kept", "1")
    engine.forget(image)

    fresh_server.kill()
    fresh_server.start()
    assert registry.catalog() == ["team/kept"]
    assert registry.graph("team/kept", "1") == stored
    engine.docker("pull", image)
    assert engine.image_id(image) == built

    fresh_server.restart()
    assert digest_in(engine.push(image)) == pushed


def test_a_second_push_sends_no_layer(engine: Engine, registry: Registry, repository: str) -> None:
    image = f"{registry.host}/{repository}"
    engine.build_hello(image, payload=b"pushed twice")
    first = engine.push(image)
    second = engine.push(image)
    assert first.count(": Pushed") == 2
    assert (second.count(": Layer already exists"), second.count(": Pushed")) == (2, 0)
    assert digest_in(first) == digest_in(second)


def test_a_layer_is_mounted_from_another_repository(
    engine: Engine, registry: Registry, repository: str
) -> None:
    first, second = f"{registry.host}/{repository}/a", f"{registry.host}/{repository}/b"
    engine.build_hello(first, payload=b"mounted")
    pushed = engine.push(first)
    engine.docker("tag", first, second)
    output = engine.push(second)
    assert output.count(f": Mounted from {repository}/a") == 2, output
    assert digest_in(output) == digest_in(pushed)
    assert registry.graph(f"{repository}/b", "latest") == registry.graph(
        f"{repository}/a", "latest"
    )


def test_all_tags_are_pushed_and_pulled(
    engine: Engine, registry: Registry, repository: str
) -> None:
    image = f"{registry.host}/{repository}"
    tags = ["1", "2.0-rc_1", "latest"]
    ids = {tag: engine.build_hello(f"{image}:{tag}", payload=tag.encode()) for tag in tags}
    engine.docker("push", "--all-tags", image)
    assert registry.tags(repository) == sorted(tags)
    engine.forget(*(f"{image}:{tag}" for tag in tags))
    engine.docker("pull", "--all-tags", image)
    assert {tag: engine.image_id(f"{image}:{tag}") for tag in tags} == ids


def test_an_image_is_pulled_by_digest(engine: Engine, registry: Registry, repository: str) -> None:
    image = f"{registry.host}/{repository}"
    built = engine.build_hello(image, payload=b"by digest")
    pinned = f"{image}@{digest_in(engine.push(image))}"
    engine.forget(image)
    engine.docker("pull", pinned)
    assert engine.image_id(pinned) == built


def test_a_manifest_list_is_made_by_docker(
    engine: Engine, registry: Registry, repository: str
) -> None:
    image = f"{registry.host}/{repository}"
    built = engine.build_hello(f"{image}:amd64", payload=b"in a list")
    child = digest_in(engine.push(f"{image}:amd64"))
    engine.docker("manifest", "create", "--insecure", f"{image}:all", f"{image}:amd64")
    pushed = engine.docker("manifest", "push", "--insecure", f"{image}:all").strip()
    assert registry.digest(repository, "all") == pushed
    assert {pushed, child} <= registry.graph(repository, "all").keys()
    engine.forget(f"{image}:amd64")
    engine.docker("pull", f"{image}:all")
    assert engine.image_id(f"{image}:all") == built


def test_a_tag_that_is_not_there_is_named(engine: Engine, registry: Registry) -> None:
    complaint = engine.docker.refused("pull", f"{registry.host}/interop/nothing:here")
    assert "not found" in complaint or "manifest unknown" in complaint


def test_containerd_fetches_every_platform_and_pushes_it_on(
    engine: Engine, skopeo: Client, layout: Layout, registry: Registry, repository: str
) -> None:
    layout.tag("all", layout.index(repository))
    source, target = f"{registry.host}/{repository}:all", f"{registry.host}/{repository}/on:all"
    to = f"docker://{source}"
    skopeo("copy", "--all", "--dest-tls-verify=false", f"oci:{layout.at('all')}", to)
    containerd = engine.ctr()
    containerd("content", "fetch", "--plain-http", "--all-platforms", source)
    containerd("images", "tag", source, target)
    containerd("images", "push", "--plain-http", target)
    assert registry.graph(f"{repository}/on", "all") == layout_graph(layout.folder, "all")
