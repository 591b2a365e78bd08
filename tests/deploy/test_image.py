"""The image that deploy/Dockerfile makes, and what containers of it do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry_site import __version__
from tests.deploy.image import BASE, NAME
from tests.deploy.machine import Machine, bring_tables
from tests.interop.tls import make_certificates

pytestmark = pytest.mark.timeout(1200)

UID = 5000
MOST_BYTES = 200_000_000
PATIENCE = "60"  # seconds until Docker kills, which the exit status would tell
SITE = "/opt/berth/site"
SHIPPED = ["LICENSE", "accounts", "api", "locale", "manage.py", "registry_site", "repositories"]
SHIPPED += ["requirements.txt", "static", "templates"]
EVERYBODY = ("--env", "REGISTRY_ANONYMOUS_ACCESS=push")
PUBLISHED = ("--detach", "--name", "registry", "--publish", "5000:5000")
CONFIGURATION = """\
version: 0.1
storage: {filesystem: {rootdirectory: /elsewhere}}
http: {addr: ':6000', tls: {certificate: /certs/server.pem, key: /certs/server.key}}
"""
BLOB = "ab/abcdef/data"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder as Docker's registry leaves it, all of it root's, with something beside it."""
    blob = tmp_path / "docker/registry/v2/blobs/sha256" / BLOB
    for path in (blob, tmp_path / "certs/key.pem"):
        path.parent.mkdir(parents=True)
        path.write_text("what somebody keeps")
    bring_tables(tmp_path)
    return tmp_path


def owners(folder: Path) -> set[int]:
    """The users of all that is in the folder."""
    return {path.lstat().st_uid for path in folder.rglob("*")}


def serve(machine: Machine, *options: str) -> None:
    machine.docker("run", *PUBLISHED, *options, NAME)
    machine.wait_until_ready()


def push(machine: Machine) -> None:
    """Push an image without signing in, and pull it back."""
    machine.engine.build_hello("127.0.0.1:5000/hello")
    machine.shell(
        "docker push 127.0.0.1:5000/hello\n"
        "docker image remove 127.0.0.1:5000/hello\n"
        "docker pull 127.0.0.1:5000/hello"
    )


def test_it_adds_less_than_200_megabytes_to_its_base(machine: Machine) -> None:
    sizes = machine.docker("image", "inspect", "--format", "{{.Size}}", NAME, BASE).split()
    assert 0 < int(sizes[0]) - int(sizes[1]) < MOST_BYTES


def test_it_says_what_it_is(machine: Machine) -> None:
    [image] = json.loads(machine.docker("image", "inspect", NAME))
    told = image["Config"]
    assert told["Labels"]["org.opencontainers.image.version"] == __version__
    assert told["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert told["ExposedPorts"] == {"5000/tcp": {}}
    assert told["Volumes"] == {"/var/lib/registry": {}}
    assert told["StopSignal"] == "SIGTERM"
    assert told["Healthcheck"]["Test"] == ["CMD", "registry", "healthcheck"]


def test_nothing_of_developers_is_in_it(machine: Machine) -> None:
    packages = "/opt/berth/venv/lib/python3*/site-packages"
    script = f"ls {SITE}; echo; ls {packages}; echo; find {SITE} -name '*.po' -o -name tests"
    listed = machine.docker("run", "--rm", "--entrypoint", "sh", NAME, "-c", script)
    shipped, installed, left_out = (part.split() for part in listed.split("\n\n"))
    assert sorted(shipped) == SHIPPED
    assert "django" in installed
    assert not {"pip", "setuptools", "pytest", "mypy", "ruff"} & set(installed)
    assert left_out == []


def test_a_folder_of_roots_becomes_the_registrys_and_it_serves_as_nobody_else(
    machine: Machine, data: Path
) -> None:
    serve(machine, *EVERYBODY, "--read-only", "--volume", f"{data}:/var/lib/registry")
    push(machine)
    running = machine.docker("top", "registry", "-eo", "uid,pid,args").splitlines()[1:]
    assert len(running) >= 4  # the supervisor, gunicorn, its workers
    assert {line.split()[0] for line in running} == {str(UID)}
    assert data.stat().st_uid == UID
    assert owners(data / "docker") == owners(data / "berth") == {UID}
    assert owners(data / "certs") == {0}

    # The most usual command of all, as root, over files of the registry's.
    typed = "bin/registry garbage-collect -d /etc/docker/registry/config.yml"
    machine.docker("exec", "registry", *typed.split())
    machine.docker("exec", "registry", "registry", "create-user", "alice")
    assert owners(data / "berth") == {path.stat().st_uid for path in data.glob("*.*")} == {UID}

    page = "curl -s -H 'Accept-Language: zh-CN' 127.0.0.1:5000/sign-in"
    assert "登录" in machine.shell(page)
    assert machine.shell("curl -s --fail 127.0.0.1:5000/static/berth.css")

    machine.docker("stop", "--time", PATIENCE, "registry")
    assert machine.docker("inspect", "--format", "{{.State.ExitCode}}", "registry") == "0\n"


def test_a_configuration_file_and_folders_of_docker_registry_are_kept(
    machine: Machine, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The database is beside the blobs, and HTTPS is served with a key that is root's alone."""
    certs = tmp_path_factory.mktemp("certs")
    make_certificates(certs, certs / "authority.pem")
    (certs / "server.key").chmod(0o600)
    (certs / "config.yml").write_text(CONFIGURATION)
    mounts = [
        *("--volume", f"{certs / 'config.yml'}:/etc/docker/registry/config.yml"),
        *("--volume", f"{certs}:/certs", "--volume", f"{data}:/elsewhere"),
    ]
    often = ("--health-interval", "1s")
    machine.docker("run", *PUBLISHED, *mounts, *often, "--publish", "6000:6000", NAME)
    machine.wait_until_healthy("registry")
    assert (data / "berth.sqlite3").stat().st_uid == UID
    assert owners(data / "docker") == {UID}
    trusted = f"curl -s --cacert {certs / 'authority.pem'} https://127.0.0.1:6000/readyz"
    assert "ok" in machine.shell(trusted)
    assert "/certs/server.key is not for the user registry" in machine.docker(
        "logs", "registry", errors=True
    )


def test_root_who_may_not_become_the_registry_is_told_what_to_do(machine: Machine) -> None:
    said = machine.docker.refused("run", "--rm", "--cap-drop", "ALL", NAME)
    assert "--user 5000:5000" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("--version", f"Berth {__version__}"),
        ("sh -c id", "uid=0(root)"),
        ("show_config", "REGISTRY_HTTP_ADDR"),
    ],
)
def test_words_after_its_name_mean(machine: Machine, typed: str, printed: str) -> None:
    assert printed in machine.docker("run", "--rm", NAME, *typed.split())


def test_a_file_alone_is_served(machine: Machine) -> None:
    said = machine.docker.refused("run", "--rm", NAME, "/nowhere/config.yml")
    assert "/nowhere/config.yml cannot be read" in said
    assert len(said.splitlines()) == 1
