"""The command `registry`, as it is typed into containers of Docker's image."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry_site import __version__, command_line, config_file, registry
from registry_site.env import CONFIGURATION_PATH
from tests.live import INHERITED, ROOT

FILE = "version: 0.1\nhttp: {addr: ':6000'}\nstorage: {delete: {enabled: true}}\n"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command writes into the environment is undone."""
    monkeypatch.setenv(CONFIGURATION_PATH, "")
    monkeypatch.delenv(CONFIGURATION_PATH)
    monkeypatch.setenv("REGISTRY_DATA", os.environ["REGISTRY_DATA"])
    monkeypatch.setattr(config_file, "MOUNTED", ("/nowhere/a.yml", "/nowhere/b.yml"))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of Django's that would have been run."""
    found: list[list[str]] = []
    monkeypatch.setattr(command_line, "run", lambda argv: found.append(argv[1:]))
    return found


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        (["serve"], ["serve"]),
        (["serve", "--bind", ":5000"], ["serve", "--bind", ":5000"]),
        (["garbage-collect"], ["collect_garbage"]),
        (["garbage-collect", "-d"], ["collect_garbage", "--dry-run"]),
        (["garbage-collect", "--dry-run=true"], ["collect_garbage", "--dry-run"]),
        (["garbage-collect", "--dry-run=false"], ["collect_garbage"]),
        (["garbage-collect", "-m"], ["collect_garbage", "--delete-untagged"]),
        (
            ["garbage-collect", "--delete-untagged=true", "-q"],
            ["collect_garbage", "--delete-untagged", "--quiet"],
        ),
        (["garbage-collect", "-dm"], ["collect_garbage", "--dry-run", "--delete-untagged"]),
        (["garbage-collect", "--grace", "0s"], ["collect_garbage", "--grace", "0s"]),
        (["create-user", "alice"], ["create_user", "alice"]),
        (["backup", "/b", "--data", "/d"], ["backup", "/b"]),
        (["--version"], ["version"]),
        (["-v"], ["version"]),
    ],
)
def test_what_is_typed_means(typed: list[str], means: list[str], ran: list[list[str]]) -> None:
    registry.main(typed)
    assert ran == [means]


@pytest.mark.parametrize(
    "typed",
    [
        ["serve", "FILE"],
        ["serve", "--bind", ":5000", "FILE"],
        ["serve", "FILE", "--open"],
        ["serve", "--config", "FILE"],
        ["garbage-collect", "FILE"],
        ["garbage-collect", "--delete-untagged=true", "FILE"],
        ["garbage-collect", "-m", "FILE", "-d"],
        ["garbage-collect", "--config=FILE"],
        ["scrub", "--config=FILE"],
    ],
)
def test_the_file_that_is_named_is_read(
    typed: list[str], ran: list[list[str]], tmp_path: Path
) -> None:
    path = tmp_path / "config.yml"
    registry.main([word.replace("FILE", str(path)) for word in typed])
    assert os.environ[CONFIGURATION_PATH] == str(path)
    assert str(path) not in str(ran)


def test_a_mounted_file_is_read_by_every_command_and_the_newer_place_first(
    ran: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer, older = tmp_path / "3.yml", tmp_path / "2.yml"
    monkeypatch.setattr(config_file, "MOUNTED", (str(newer), str(older)))
    older.write_text(FILE)
    registry.main(["backup", "/b"])
    assert os.environ.pop(CONFIGURATION_PATH) == str(older)
    newer.write_text(FILE)
    registry.main(["backup", "/b"])
    assert os.environ[CONFIGURATION_PATH] == str(newer)


def test_a_file_of_dockers_images_may_be_missing_and_no_other(
    ran: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """People copy `serve /etc/…/config.yml` from one Compose file into the next."""
    registry.main(["serve", config_file.MOUNTED[1]])
    assert CONFIGURATION_PATH not in os.environ
    assert config_file.MOUNTED[1] in capsys.readouterr().err
    registry.main(["serve", "/nowhere/else.yml"])
    assert os.environ[CONFIGURATION_PATH] == "/nowhere/else.yml"


@pytest.mark.parametrize("typed", [[], ["--help"], ["-h"]])
def test_without_a_command_it_says_which_there_are(
    typed: list[str], ran: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    registry.main(typed)
    assert ran == []
    assert "garbage-collect" in capsys.readouterr().out


@pytest.mark.parametrize("typed", [["garbage-collect", "-x"], ["garbage-collect", "a", "b"]])
def test_what_nobody_understands_is_refused(typed: list[str], ran: list[list[str]]) -> None:
    with pytest.raises(SystemExit) as caught:
        registry.main(typed)
    assert caught.value.code == 2
    assert ran == []


def command(data: Path, *typed: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    inherited[CONFIGURATION_PATH] = ""  # a machine with Docker's registry has its file
    return subprocess.run(
        [sys.executable, "-m", "registry_site.registry", *typed],
        cwd=ROOT,
        env=inherited | {"REGISTRY_DATA": str(data)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_runs_as_a_module(tmp_path: Path) -> None:
    done = command(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"Berth {__version__}\n")


def test_a_setting_that_cannot_be_honoured_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("version: 0.1\nstorage: {s3: {bucket: b, secretkey: canary-77}}\n")
    done = command(tmp_path, "serve", str(path))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{path}:storage.s3.bucket" in done.stderr
    assert "canary" not in done.stderr


@pytest.mark.parametrize("broken", ["REGISTRY_HTTP_TLS_CERTIFICATE", "REGISTRY_THREADS"])
def test_what_only_the_server_reads_stops_the_start_as_well(tmp_path: Path, broken: str) -> None:
    settings = {broken: "/nowhere.pem"}
    if broken.endswith("CERTIFICATE"):
        settings["REGISTRY_HTTP_TLS_KEY"] = "/nowhere.key"
    done = command(tmp_path, "serve", **settings)
    assert done.returncode == 1
    assert "/nowhere.pem" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.sqlite3"))  # and nothing was begun


def test_the_configuration_in_force_is_shown_with_where_it_comes_from(tmp_path: Path) -> None:
    path, secret = tmp_path / "config.yml", tmp_path / "secret"
    path.write_text(
        FILE + "log: {level: debug, fields: {service: x}}\nredis: {addr: canary-88}\n"
        "ldap: {bind_password: canary-89}\n"
    )
    secret.write_text("canary-90")
    database = "postgres://berth:canary-91@db/berth?sslpassword=canary-92"
    done = command(
        tmp_path,
        *("show_config", "--json", "--config", str(path)),
        REGISTRY_LOG_LEVEL="error",
        REGISTRY_HTTP_TRUSTEDPROXIES="[10.0.0.0/8, '::1']",
        REGISTRY_OIDC_CLIENT_SECRET_FILE=str(secret),
        REGISTRY_ADMIN_PASSWORD="canary-93",
        DATABASE_URL=database,
        SECRET_KEY="canary-94" * 8,
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    found = {entry["name"]: (entry["value"], entry["source"]) for entry in shown["settings"]}

    assert found["REGISTRY_LOG_LEVEL"] == ("error", "REGISTRY_LOG_LEVEL")
    assert found["REGISTRY_HTTP_ADDR"] == (":6000", f"{path}:http.addr")
    assert found["REGISTRY_LOG_FIELDS_SERVICE"] == ("x", f"{path}:log.fields.service")
    assert found["REGISTRY_CATALOG_MAXENTRIES"] == ("1000", "default")
    assert found["REGISTRY_HTTP_TRUSTEDPROXIES"][0] == "10.0.0.0/8,::1"
    assert found["REGISTRY_LDAP_BIND_PASSWORD"][1] == f"{path}:ldap.bind_password"
    source = f"REGISTRY_OIDC_CLIENT_SECRET_FILE={secret}"
    assert found["REGISTRY_OIDC_CLIENT_SECRET"] == ("********", source)
    assert found["DATABASE_URL"][0] == "postgres://berth:********@db/berth?********"
    assert [entry["name"] for entry in shown["without_effect"]] == ["REGISTRY_REDIS_ADDR"]
    assert "canary" not in done.stdout


def test_the_same_for_people(tmp_path: Path) -> None:
    done = command(tmp_path, "show_config", REGISTRY_HTTP_SECRET="canary-95", REGISTRY_X="canary")
    assert "REGISTRY_TAGS_MAXTAGS" in done.stdout
    assert "Without effect:" in done.stdout
    assert "REGISTRY_HTTP_SECRET" in done.stdout
    assert "canary" not in done.stdout


def test_a_locked_start_says_what_docker_would_give_and_what_does_nothing(tmp_path: Path) -> None:
    """The server is never started: its port is not to be had."""
    done = command(
        tmp_path,
        *("serve", "--bind", "192.0.2.1:5000"),
        REGISTRY_REDIS_ADDR="redis:6379",
        REGISTRY_STORAGE_DELET_ENABLED="true",
    )
    assert "REGISTRY_REDIS_ADDR (REGISTRY_REDIS_ADDR) has no effect" in done.stderr
    assert "did you mean REGISTRY_STORAGE_DELETE_ENABLED?" in done.stderr
    assert done.stderr.count("has no effect") == 2
