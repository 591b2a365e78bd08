"""Every client signs in to a locked server by password, personal token and robot, over plain HTTP
on loopback and over TLS: it pushes, pulls what it pushed, signs out, and is nobody again."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.interop.conftest import _reported
from tests.interop.engine import Engine
from tests.interop.hello import GREETING
from tests.interop.images import Layout, layout_graph
from tests.interop.test_conformance import CHECKS, CHECKS_V1, SKIPPED_AT_MOST, Report
from tests.interop.test_helm import CHART
from tests.interop.tls import Proxy
from tests.interop.tools import Client, Registry, digest_of
from tests.live import LiveServer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

ADMIN_PASSWORD = "of the operator's 7 keys"
TEAM = "crew"
HOW = ("password", "personal token", "robot")


@dataclass(frozen=True)
class Login:
    """What somebody types."""

    user: str
    secret: str

    @property
    def stdin(self) -> bytes:
        return self.secret.encode()

    @property
    def options(self) -> tuple[str, ...]:
        return ("--username", self.user, "--password-stdin")


@dataclass(frozen=True)
class Door:
    """Where the clients find the server, and whom they trust there."""

    host: str
    proxy: Proxy | None

    @property
    def is_plain(self) -> bool:
        return self.proxy is None

    @property
    def env(self) -> dict[str, str]:
        """For the clients in Go that ask the system whom to trust."""
        return {"SSL_CERT_FILE": str(self.proxy.bundle)} if self.proxy else {}

    def verify(self, prefix: str = "") -> tuple[str, ...]:
        """podman's and skopeo's way of saying it."""
        if self.proxy is None:
            return (f"--{prefix}tls-verify=false",)
        return (f"--{prefix}cert-dir={self.proxy.ca}",)

    def plain(self, option: str) -> tuple[str, ...]:
        return (option,) if self.is_plain else ()


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A locked server with a team."""
    data = tmp_path_factory.mktemp("house") / "data"
    env = {"REGISTRY_ADMIN_PASSWORD": ADMIN_PASSWORD}
    with _reported(LiveServer(data, open_access=False, env=env)) as running:
        made = requests.post(
            f"{running.url}/api/v1/teams",
            json={"name": TEAM},
            auth=("admin", ADMIN_PASSWORD),
            timeout=30,
        )
        assert made.status_code == 201, made.text
        yield running
        log = running.log()
        assert "Traceback (most recent call last)" not in log, running.log_tail()
        assert ADMIN_PASSWORD not in log


@pytest.fixture(scope="session")
def logins(house: LiveServer) -> dict[str, Login]:
    """By the commands that an operator has."""
    scope = ("--scope", f"{TEAM}/*:pull,push", "--expires", "1h")
    personal = house.manage("create_token", "--user", "admin", *scope).split()[-1]
    robot = house.manage("create_robot", TEAM, "ci", "--expires", "1h").split()[-1]
    return {
        "password": Login("admin", ADMIN_PASSWORD),
        "personal token": Login("admin", personal),
        "robot": Login(f"robot-{TEAM}-ci", robot),
    }


@pytest.fixture(scope="session")
def proxy(house: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    running = Proxy(tmp_path_factory.mktemp("tls") / "nginx", house.host)
    yield running
    running.stop()


@pytest.fixture(params=["http", "tls"])
def door(request: pytest.FixtureRequest, house: LiveServer) -> Door:
    if request.param == "http":
        return Door(house.host, None)
    proxy: Proxy = request.getfixturevalue("proxy")
    return Door(proxy.host, proxy)


@pytest.fixture(params=HOW)
def login(request: pytest.FixtureRequest, logins: dict[str, Login]) -> Login:
    found: Login = logins[request.param]
    return found


@pytest.fixture
def name() -> str:
    """A repository of the team's that no other test uses."""
    return f"{TEAM}/{uuid.uuid4().hex[:10]}"


@pytest.fixture
def kept(house: LiveServer) -> Registry:
    """What the server has, as the administrator reads it."""
    registry = Registry(house.url)
    registry.session.auth = ("admin", ADMIN_PASSWORD)
    return registry


REFUSALS = (
    *("unauthorized", "authentication required", "no basic auth", "401", "credential"),
    *("access to the resource is denied", "invalid username/password"),
)


def assert_nobody(complaint: str) -> None:
    assert any(word in complaint.lower() for word in REFUSALS), complaint


def test_docker(engine: Engine, door: Door, login: Login, name: str, kept: Registry) -> None:
    image = f"{door.host}/{name}:1"
    docker = engine.client(f"home-{uuid.uuid4().hex[:8]}")
    built = engine.build_hello(image, payload=name.encode())
    assert_nobody(docker.refused("push", image))
    wrong = docker.refused("login", *login.options, door.host, stdin=b"guessed")
    assert_nobody(wrong)
    assert "Login Succeeded" in docker("login", *login.options, door.host, stdin=login.stdin)
    docker("push", image)
    assert built in kept.graph(name, "1")
    engine.forget(image)
    docker("pull", image)
    assert engine.image_id(image) == built
    assert engine.run(image) == GREETING
    docker("logout", door.host)
    assert_nobody(docker.refused("push", image))
    if door.proxy:
        assert "docker/" in door.proxy.access_log.read_text()


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Client]:
    """podman, over a storage of the test's own, without systemd."""
    # /tmp by name: podman refuses a runroot of more than 50 characters.
    with tempfile.TemporaryDirectory(prefix="berth-pm-", dir="/tmp") as folder:
        where = (f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs")
        quiet = ("--cgroup-manager=cgroupfs", "--events-backend=file")
        client = Client("podman", tmp_path / "podman", always=(*where, *quiet))
        yield client
        client("rmi", "--all", "--force")


def test_podman(
    podman: Client, door: Door, login: Login, name: str, kept: Registry, layout: Layout
) -> None:
    layout.tag("1", layout.image(name))
    image = f"{door.host}/{name}:1"
    loaded = podman("pull", "--quiet", f"oci:{layout.at('1')}").split()[-1]
    podman("tag", loaded, image)
    assert_nobody(podman.refused("push", *door.verify(), image))
    assert_nobody(
        podman.refused("login", *door.verify(), *login.options, door.host, stdin=b"guessed")
    )
    podman("login", *door.verify(), *login.options, door.host, stdin=login.stdin)
    podman("push", *door.verify(), image)
    assert f"sha256:{loaded}" in kept.graph(name, "1")
    podman("rmi", "--all", "--force")
    assert podman("pull", "--quiet", *door.verify(), image).split()[-1] == loaded
    podman("logout", door.host)
    assert_nobody(podman.refused("push", *door.verify(), image))


def test_skopeo(
    door: Door, login: Login, name: str, kept: Registry, layout: Layout, tmp_path: Path
) -> None:
    skopeo = Client("skopeo", tmp_path / "skopeo", always=("--insecure-policy",))
    layout.tag("1", layout.image(name))
    target = f"docker://{door.host}/{name}:1"
    push = ("copy", *door.verify("dest-"), f"oci:{layout.at('1')}", target)
    assert_nobody(skopeo.refused(*push))
    skopeo("login", *door.verify(), *login.options, door.host, stdin=login.stdin)
    skopeo(*push)
    assert kept.graph(name, "1") == layout_graph(layout.folder, "1")
    skopeo("copy", *door.verify("src-"), target, f"oci:{tmp_path}/back:1")
    assert layout_graph(tmp_path / "back", "1") == layout_graph(layout.folder, "1")
    assert "1" in skopeo("list-tags", *door.verify(), target.removesuffix(":1"))
    skopeo("logout", door.host)
    assert_nobody(skopeo.refused("inspect", *door.verify(), target))


def test_crane(
    door: Door, login: Login, name: str, kept: Registry, layout: Layout, tmp_path: Path
) -> None:
    crane = Client("crane", tmp_path / "crane", env=door.env)
    layout.tag("1", layout.image(name))
    image = f"{door.host}/{name}:1"
    assert_nobody(crane.refused("push", layout.folder, image))
    crane("auth", "login", *login.options, door.host, stdin=login.stdin)
    crane("push", layout.folder, image)
    assert kept.graph(name, "1") == layout_graph(layout.folder, "1")
    crane("pull", "--format=oci", image, tmp_path / "back")
    crane("copy", image, f"{door.host}/{name}-copy:1")
    assert kept.graph(f"{name}-copy", "1") == layout_graph(layout.folder, "1")
    assert name in crane("catalog", door.host).split()
    crane("auth", "logout", door.host)
    assert_nobody(crane.refused("digest", image))


def test_oras(
    door: Door, login: Login, name: str, kept: Registry, layout: Layout, tmp_path: Path
) -> None:
    oras = Client("oras", tmp_path / "oras", env=door.env)
    digest = layout.tag("1", layout.image(name))
    image = f"{door.host}/{name}:1"
    push = ("cp", "--from-oci-layout", *door.plain("--to-plain-http"), layout.at("1"), image)
    assert_nobody(oras.refused(*push))
    plain = door.plain("--plain-http")
    assert_nobody(oras.refused("login", *plain, *login.options, door.host, stdin=b"guessed"))
    oras("login", *plain, *login.options, door.host, stdin=login.stdin)
    oras(*push)
    assert kept.graph(name, "1") == layout_graph(layout.folder, "1")
    (oras.home / "sbom").write_text("what is in it")
    oras("attach", *plain, "--artifact-type", "application/vnd.example.sbom", image, "sbom")
    assert len(kept.referrers(name, digest)) == 1
    assert "sbom" in oras("discover", *plain, image)
    assert name in oras("repo", "ls", *plain, door.host).split()
    oras("logout", door.host)
    assert_nobody(oras.refused("manifest", "fetch", *plain, image))


def test_regctl(
    door: Door, login: Login, name: str, kept: Registry, layout: Layout, tmp_path: Path
) -> None:
    home = tmp_path / "regctl"
    env = door.env | {"REGCTL_CONFIG": str(home / "config.json")}
    regctl = Client("regctl", home, env=env)
    if door.is_plain:
        regctl("registry", "set", door.host, "--tls", "disabled", "--skip-check")
    layout.tag("1", layout.image(name))
    image = f"{door.host}/{name}:1"
    push = ("image", "copy", f"ocidir://{layout.at('1')}", image)
    assert_nobody(regctl.refused(*push))
    regctl(
        *("registry", "login", door.host, "--user", login.user, "--pass-stdin"),
        stdin=login.stdin,
    )
    regctl(*push)
    assert kept.graph(name, "1") == layout_graph(layout.folder, "1")
    regctl("image", "copy", image, f"ocidir://{tmp_path}/back:1")
    assert layout_graph(tmp_path / "back", "1") == layout_graph(layout.folder, "1")
    assert name in regctl("repo", "list", door.host).split()
    regctl("registry", "logout", door.host)
    assert_nobody(regctl.refused("tag", "list", f"{door.host}/{name}"))


def test_helm(door: Door, login: Login, name: str, kept: Registry, tmp_path: Path) -> None:
    helm = Client("helm", tmp_path / "helm", env=door.env)
    folder = helm.home / "berth-test"
    folder.mkdir()
    (folder / "Chart.yaml").write_text(CHART)
    helm("package", folder)
    chart = next(helm.home.glob("*.tgz"))
    plain = door.plain("--plain-http")
    push: tuple[str | Path, ...] = ("push", *plain, chart, f"oci://{door.host}/{name}")
    assert_nobody(helm.refused(*push))
    helm("registry", "login", *plain, *login.options, door.host, stdin=login.stdin)
    helm(*push)
    assert digest_of(chart.read_bytes()) in kept.graph(f"{name}/berth-test", "1.2.3_build.4")
    back = tmp_path / "back"
    back.mkdir()
    where = (f"oci://{door.host}/{name}/berth-test", "--version", "1.2.3+build.4")
    helm("pull", *where, *plain, "--destination", back)
    assert next(back.iterdir()).read_bytes() == chart.read_bytes()
    helm("registry", "logout", door.host)
    assert_nobody(helm.refused("pull", *where, *plain, "--destination", back))


def test_over_tls_a_client_that_does_not_trust_the_authority_says_so(
    proxy: Proxy, tmp_path: Path
) -> None:
    """The other tests would pass as well if nobody looked at the certificate."""
    oras = Client("oras", tmp_path / "oras")
    assert "certificate" in oras.refused("repo", "ls", proxy.host)
    regctl = Client("regctl", tmp_path / "regctl")
    assert "certificate" in regctl.refused("tag", "list", f"{proxy.host}/{TEAM}/x")


def test_a_limited_token_does_not_reach_further(
    house: LiveServer, logins: dict[str, Login], layout: Layout, tmp_path: Path
) -> None:
    """The administrator's token is for the team only."""
    crane = Client("crane", tmp_path / "crane")
    login = logins["personal token"]
    crane("auth", "login", *login.options, house.host, stdin=login.stdin)
    layout.tag("1", layout.image("elsewhere"))
    denied = crane.refused("push", layout.folder, f"{house.host}/elsewhere/app:1")
    assert "DENIED" in denied
    crane("push", layout.folder, f"{house.host}/{TEAM}/limited:1")
    assert "DENIED" in crane.refused("delete", f"{house.host}/{TEAM}/limited:1")


@pytest.mark.both_databases
@pytest.mark.parametrize("how", ["password", "robot"])
@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_the_conformance_suite_of_main(
    house: LiveServer,
    logins: dict[str, Login],
    name: str,
    tmp_path: Path,
    version: str,
    how: str,
) -> None:
    settings = {
        "OCI_VERSION": version,
        "OCI_TLS": "disabled",
        "OCI_REGISTRY": house.host,
        "OCI_REPO1": f"{name}/one",
        "OCI_REPO2": f"{name}/two",
        "OCI_USERNAME": logins[how].user,
        "OCI_PASSWORD": logins[how].secret,
        "OCI_RESULTS_DIR": str(tmp_path / "results"),
    }
    status = Client("conformance", tmp_path, env=settings).attempt()
    report = Report(tmp_path / "results" / "junit.xml")
    print(f"conformance {version}, by {how}: {report}")
    assert not report.failed, "\n".join(report.failed)
    assert (status, report.broken) == (0, 0)
    assert report.passed >= CHECKS[version], report
    assert report.skipped <= SKIPPED_AT_MOST, report


@pytest.mark.both_databases
@pytest.mark.parametrize("how", ["password", "robot"])
def test_the_conformance_suite_of_v1(
    house: LiveServer, logins: dict[str, Login], name: str, tmp_path: Path, how: str
) -> None:
    binary = os.environ.get("BERTH_CONFORMANCE_V1")
    if not binary:
        pytest.skip("BERTH_CONFORMANCE_V1 names no compiled conformance.test of v1.1.1")
    settings = {
        "OCI_ROOT_URL": house.url,
        "OCI_NAMESPACE": f"{name}/one",
        "OCI_CROSSMOUNT_NAMESPACE": f"{name}/two",
        "OCI_USERNAME": logins[how].user,
        "OCI_PASSWORD": logins[how].secret,
        "OCI_DELETE_MANIFEST_BEFORE_BLOBS": "1",
        "OCI_REPORT_DIR": str(tmp_path / "v1"),
    }
    names = ("PULL", "PUSH", "CONTENT_DISCOVERY", "CONTENT_MANAGEMENT")
    settings |= {f"OCI_TEST_{name}": "1" for name in names}
    status = Client(binary, tmp_path, env=settings).attempt()
    report = Report(tmp_path / "v1" / "junit.xml")
    print(f"conformance v1.1.1, by {how}: {report}")
    assert not report.failed, "\n".join(report.failed)
    assert (status, report.broken) == (0, 0)
    assert report.passed >= CHECKS_V1, report
