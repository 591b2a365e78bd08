"""Settings as users of Docker's registry write them: a YAML file, and the environment over it."""

import os
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from registry_site import config_file, env

FILE = """\
version: 0.1
log:
  level: warn
  fields: {service: registry, environment: staging}
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
  maintenance:
    uploadpurging: {enabled: false, age: 24h}
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
    Access-Control-Allow-Origin: ["http://a.example.com", 'http://b.example.com']
  tls:
    certificate: /certs/server.pem
    clientcas:
      - /certs/one.pem
      - /certs/two.pem
redis:
garbage:
  untagged: 30
ldap:
  user_base: ou=people
"""


@pytest.fixture(autouse=True)
def _nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test sets is set, and what it asks for is forgotten again."""
    for name in list(os.environ):
        if name.upper().startswith("REGISTRY_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(env, "asked", dict(env.asked))
    monkeypatch.setattr(env, "collections", set(env.collections))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.yml"
    path.write_text(FILE)
    monkeypatch.setenv(env.CONFIGURATION_PATH, str(path))
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGISTRY_LOG_LEVEL", "warn"),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/var/lib/registry"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
        ("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE", "24h"),
        ("REGISTRY_HTTP_ADDR", ":5000"),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/server.pem"),
        ("REGISTRY_GARBAGE_UNTAGGED", "30"),
        ("REGISTRY_LDAP_USER_BASE", "ou=people"),
        ("REGISTRY_REDIS", "unset"),
    ],
)
def test_a_name_is_the_path_in_the_file(file: Path, name: str, value: str) -> None:
    assert env.text(name, "unset") == value


def test_where_a_value_stands_is_known(file: Path) -> None:
    found = env.found("REGISTRY_STORAGE_DELETE_ENABLED")
    assert found == ("true", f"{file}:storage.delete.enabled")
    assert env.given()["REGISTRY_HTTP_TLS_CLIENTCAS_1"].origin == f"{file}:http.tls.clientcas[1]"


def test_scalars_stay_as_they_are_written(file: Path) -> None:
    """In YAML 1.1 these are 493, 90, false, a date, and two times nothing."""
    file.write_text("log: {fields: {a: 0755, b: 1:30, c: no, d: 2026-01-01, e: ~, f: null, g: ''}}")
    assert env.below("REGISTRY_LOG_FIELDS") == {
        "A": ["0755"],
        "B": ["1:30"],
        "C": ["no"],
        "D": ["2026-01-01"],
    }


def test_a_list_is_given_whole_or_by_index(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "REGISTRY_HTTP_TLS_CLIENTCAS"
    assert env.words(name) == ["/certs/one.pem", "/certs/two.pem"]
    monkeypatch.setenv(f"{name}_1", "/certs/three.pem")
    assert env.words(name) == ["/certs/one.pem", "/certs/three.pem"]
    monkeypatch.setenv(name, "[/certs/four.pem, /certs/five.pem]")
    assert env.words(name) == ["/certs/four.pem", "/certs/three.pem"]
    monkeypatch.delenv(f"{name}_1")
    monkeypatch.setenv(name, "/certs/six.pem")
    assert env.words(name) == ["/certs/six.pem"]
    monkeypatch.setenv(name, "")
    assert env.words(name) == ["/certs/one.pem", "/certs/two.pem"]


def test_the_environment_comes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_LOG_LEVEL", "debug")
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", "")
    monkeypatch.setenv("registry_tags_maxtags", "7")

    assert env.text("REGISTRY_LOG_LEVEL") == "debug"
    assert env.text("REGISTRY_HTTP_ADDR") == ":5000"
    assert env.integer("REGISTRY_TAGS_MAXTAGS", 1, least=1, most=9) == 7


def test_shorter_names_count_first(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_HTTP", "{addr: ':6000', relativeurls: true, host: 'http://x'}")
    monkeypatch.setenv("REGISTRY_HTTP_HOST", "http://y")

    assert env.text("REGISTRY_HTTP_ADDR") == ":6000"
    assert env.flag("REGISTRY_HTTP_RELATIVEURLS", default=False) is True
    assert env.text("REGISTRY_HTTP_HOST") == "http://y"
    assert env.text("REGISTRY_HTTP_TLS_CERTIFICATE") == "/certs/server.pem"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('":5000"', ":5000"),
        ("'a b'", "a b"),
        ("[::]:5000", "[::]:5000"),
        ("{x", "{x"),
        (":5", ":5"),
    ],
)
def test_values_of_the_environment_are_yaml_where_they_can_be(
    text: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", text)
    assert env.text("REGISTRY_HTTP_ADDR") == value


def test_what_is_berths_own_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password may begin with anything."""
    monkeypatch.setenv("REGISTRY_ADMIN_PASSWORD", '"[{')
    assert env.text("REGISTRY_ADMIN_PASSWORD") == '"[{'


def test_headers_are_found_by_their_names(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_HTTP_HEADERS_Access-Control-Allow-Methods", "['GET', 'HEAD']")
    monkeypatch.setenv("REGISTRY_HTTP_HEADERS_X-V2", "[1]")
    assert env.collection("REGISTRY_HTTP_HEADERS") == {
        "X-CONTENT-TYPE-OPTIONS": ["nosniff"],
        "ACCESS-CONTROL-ALLOW-ORIGIN": ["http://a.example.com", "http://b.example.com"],
        "ACCESS-CONTROL-ALLOW-METHODS": ["GET", "HEAD"],
        "X-V2": ["1"],
    }


@pytest.mark.parametrize("chosen", ["filesystem", " filesystem"])
def test_a_driver_that_is_chosen_does_away_with_the_others_only(
    file: Path, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("storage: {s3: {bucket: b}, delete: {enabled: false}}")
    monkeypatch.setenv("REGISTRY_STORAGE", chosen)
    names = set(env.given())
    assert "REGISTRY_STORAGE_DELETE_ENABLED" in names
    assert "REGISTRY_STORAGE_S3_BUCKET" not in names


@pytest.mark.parametrize(
    "name",
    [
        "REGISTRY_PORT",
        "REGISTRY_PORT_5000_TCP",
        "REGISTRY_PORT_5000_TCP_ADDR",
        "REGISTRY_SERVICE_HOST",
        "REGISTRY_SERVICE_PORT",
        "REGISTRY_SERVICE_PORT_HTTP",
        "REGISTRY_UI_PORT_80_TCP_PROTO",
        "REGISTRY_HTTP_SERVICE_HOST",
    ],
)
def test_what_kubernetes_injects_is_no_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "tcp://10.0.0.1:5000")
    assert name not in env.given()


def test_where_podman_keeps_passwords_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/run/user/1000/containers/auth.json")
    assert env.text("REGISTRY_AUTH", "token") == "token"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "no YAML"),
        ("- a", "write sections"),
        ("", "write sections"),
        ("!!python/object/apply:os.system ['true']", "no YAML"),
        ("a: &a [*a]", "no YAML"),
        ("{[]: a}", "no YAML"),
        ("[" * 5000, "no YAML"),
        ("\udcff", "no YAML"),
    ],
)
def test_a_file_that_is_none_is_refused_by_its_name(file: Path, content: str, said: str) -> None:
    file.write_text(content, errors="surrogateescape")
    with pytest.raises(ImproperlyConfigured, match=said) as caught:
        env.given()
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    file.unlink()
    with pytest.raises(ImproperlyConfigured, match=f"{file} cannot be read"):
        env.text("REGISTRY_HTTP_ADDR")


def test_anchors_and_merges_work(file: Path) -> None:
    file.write_text("a: &x {level: debug}\nlog: {<<: *x, formatter: json}")
    assert env.text("REGISTRY_LOG_LEVEL") == "debug"
    assert env.text("REGISTRY_LOG_FORMATTER") == "json"


def test_nothing_is_run_by_reading_yaml() -> None:
    """S15: the loader makes mappings, lists and text, and nothing else."""
    for text in ("!!python/name:os.system", "!!python/module:os", "!ruby/object:X {}"):
        with pytest.raises(ValueError, match="could not determine a constructor"):
            config_file.parse(text)
