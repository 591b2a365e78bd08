"""docs/swarm.md as it stands, on five managers in network namespaces of their own."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.deploy import stand_ins
from tests.deploy.image import Image
from tests.deploy.swarm import Cluster, Node
from tests.deploy.walking import placed
from tests.live import ROOT, wait_for

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

PAGE, CHINESE = (ROOT / "docs" / name for name in ("swarm.md", "swarm.zh-CN.md"))
START_SECONDS = 240.0
# A service that is created or updated is watched until it has settled.
SETTLED_SECONDS = 400.0
SIGN_IN = ("login", "--username", "admin", "--password-stdin", "127.0.0.1:5000")
PAUSE_SECONDS = 0.5  # between the pulls of one node: two cores have to do the update, too


@pytest.fixture(scope="module")
def cluster(berth_image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The nodes, with Berth's image on the first, and Docker Hub with `hello-world` and `nginx`."""
    folder = tmp_path_factory.mktemp("images")
    with Cluster(5) as running:
        docker = running.manager.docker
        running.manager.engine.build_hello("hello-world")
        stand_ins.make_nginx(docker, folder)
        running.hub.take(docker, "hello-world", "nginx")
        stand_ins.make_postgres(docker, folder, "postgres:17")
        berth_image.load_into(docker)
        (docker.home / "deploy").mkdir()
        shutil.copy(ROOT / "deploy" / "stack.yml", docker.home / "deploy")
        yield running


def test_both_languages_have_the_same_commands() -> None:
    assert placed(PAGE) == placed(CHINESE)


def test_one_service(cluster: Cluster, walk: Walk) -> None:
    assert walk().count("Reachable") == 4
    assert '{"repositories":[]}' in walk()
    assert '{"repositories":["hello-world","nginx"]}' in walk()
    deployed = walk()
    assert nodes_in(deployed) == {node.name for node in cluster.nodes}
    for node in cluster.nodes:
        # A node that has the layers already does not ask for them.
        asked = rf"{node.gate().inside.ip} \S+ \S+ \S+ \S+ \"GET /v2/nginx/blobs/sha256:\w+ "
        assert len(re.findall(asked, deployed)) >= 2, f"{node.name} did not pull:\n{deployed}"
        answers_with_the_page(node)

    assert '{"repositories":["hello-world","nginx"]}' in walk()  # in host mode, over the volume
    here, elsewhere = cluster.nodes[:2]
    catalog = "curl --silent --show-error --fail {}:5000/v2/_catalog"
    assert "nginx" in elsewhere.shell(catalog.format(here.address))
    assert f"{elsewhere.address} - - " in here.shell("docker service logs registry 2>&1")
    with pytest.raises(AssertionError, match="Failed to connect"):
        elsewhere.shell(catalog.format("127.0.0.1"))
    walk()


def test_the_stack_is_updated_while_nodes_pull(cluster: Cluster, walk: Walk) -> None:
    walk.skip_to("docker node update")
    walk()
    manager = cluster.manager
    wait_for(lambda: is_up(manager), seconds=START_SECONDS, what="the stack")
    manager.wait_until_ready()
    assert "Login Succeeded" in walk()
    assert nodes_in(manager.shell("docker service ps nginx")) == {
        node.name for node in cluster.nodes
    }
    nothing_secret_is_shown(manager)

    image = "127.0.0.1:5000/team/hello"
    tagged = f"docker pull hello-world && docker tag hello-world {image}"
    manager.shell(f"{tagged} && docker push {image}")
    password, pullers = manager.shell("cat admin-password"), cluster.nodes[2:4]
    for node in pullers:
        node.docker(*SIGN_IN, stdin=password.encode())
    before = tasks(manager)
    with pulling(pullers, image) as pulls:
        # What does not start is taken back.
        unfit = ("--env-add", "REGISTRY_WORKERS=many", "berth_registry")
        manager.docker.attempt("service", "update", *unfit, timeout=SETTLED_SECONDS)
        assert last_update(manager) == "rollback_completed"
        assert tasks(manager) == before
        walk()
    assert not before & tasks(manager)
    failed = [said for status, said in pulls if status]
    assert not failed
    assert len(pulls) > 10


class Walk:
    """`walk()` runs the next block of the page, on the node that it is for: what it prints."""

    def __init__(self, cluster: Cluster) -> None:
        self._nodes = {node.name: node for node in cluster.nodes}
        self._left = placed(PAGE)

    def __call__(self) -> str:
        name, script = self._left.pop(0)
        return self._nodes[name].shell(script, timeout=SETTLED_SECONDS)

    def skip_to(self, command: str) -> None:
        """Leave out what stands before the block that begins so."""
        while not self._left[0][1].startswith(command):
            self._left.pop(0)


@pytest.fixture
def walk(cluster: Cluster) -> Iterator[Walk]:
    """The commands of the page; after the test no service is left."""
    yield Walk(cluster)
    cluster.manager.shell("docker service ls --quiet | xargs --no-run-if-empty docker service rm")


def nodes_in(listed: str) -> set[str]:
    """The nodes on which tasks run, of what `docker service ps` prints."""
    return set(re.findall(r"(manager\d) +Running +Running", listed))


def answers_with_the_page(node: Node) -> None:
    """Ask nginx, by the mesh, at the node's own address."""
    asked = "curl --silent --fail localhost || true"
    wait_for(lambda: node.shell(asked) == stand_ins.PAGE, seconds=30, what=f"nginx at {node.name}")


def is_up(manager: Node) -> bool:
    """Whether all tasks of the stack run."""
    listed = manager.docker("stack", "services", "--format", "{{.Replicas}}", "berth")
    return sorted(listed.split()) == ["1/1", "2/2"]


def tasks(manager: Node) -> set[str]:
    """The tasks of the registry that run."""
    running = ("--filter", "desired-state=running", "--quiet")
    return set(manager.docker("service", "ps", *running, "berth_registry").split())


def last_update(manager: Node) -> str:
    """What became of the last update of the registry."""
    wanted = ("--format", "{{.UpdateStatus.State}}")
    return manager.docker("service", "inspect", *wanted, "berth_registry").strip()


def nothing_secret_is_shown(manager: Node) -> None:
    """Neither services nor containers tell secrets, and settings were read from their files."""
    shown = manager.shell(
        "docker service inspect berth_registry berth_database;"
        "docker inspect $(docker ps --quiet --filter name=berth_);"
    )
    inside = "docker exec $(docker ps --quiet --filter name=berth_registry.1) "
    password = manager.shell("cat admin-password").strip()
    url = manager.shell(inside + "cat /run/secrets/berth_database_url")
    assert url.startswith("postgres://berth:")
    assert password not in shown
    assert url not in shown
    settings = manager.shell(inside + "registry show_config")
    for name in ("database_url", "secret_key"):
        assert f"{name.upper()}_FILE=/run/secrets/berth_{name}" in settings


@contextmanager
def pulling(nodes: Sequence[Node], image: str) -> Iterator[list[tuple[int, str]]]:
    """Meanwhile these nodes pull the image again and again: exit statuses, and whose, and when."""
    done: list[tuple[int, str]] = []
    end = threading.Event()

    def pull(node: Node) -> None:
        while not end.wait(PAUSE_SECONDS):
            node.docker.attempt("image", "remove", "--force", image)
            status = node.docker.attempt("pull", image)
            done.append((status, f"{node.name} at {time.strftime('%X')}"))

    with ThreadPoolExecutor() as pool:
        running = [pool.submit(pull, node) for node in nodes]
        try:
            yield done
        finally:
            end.set()
        for one in running:
            one.result()
