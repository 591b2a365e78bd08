"""Every setting of Docker's registry: honoured, without effect and said so, or refused."""

import os
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from registry_site import distribution, env, http_settings
from registry_site.serving import CONFIGURATION
from tests.live import ROOT


def names(text: str) -> list[str]:
    return text.split()


HONOURED = names("""
HTTP_ADDR HTTP_NET HTTP_HOST HTTP_PREFIX HTTP_RELATIVEURLS HTTP_DRAINTIMEOUT
HTTP_TLS_CERTIFICATE HTTP_TLS_KEY HTTP_TLS_CLIENTCAS HTTP_TLS_CLIENTCAS_0 HTTP_TLS_CLIENTAUTH
HTTP_TLS_MINIMUMTLS HTTP_HEADERS_X-Content-Type-Options HTTP_HEADERS_X-Content-Type-Options_0
LOG_LEVEL LOG_FORMATTER LOG_FIELDS_SERVICE LOG_FIELDS_ENVIRONMENT LOG_ACCESSLOG_DISABLED STORAGE
STORAGE_FILESYSTEM_ROOTDIRECTORY STORAGE_DELETE_ENABLED STORAGE_MAINTENANCE_READONLY_ENABLED
STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED STORAGE_MAINTENANCE_UPLOADPURGING_AGE
STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL STORAGE_MAINTENANCE_UPLOADPURGING_DRYRUN AUTH
AUTH_HTPASSWD_REALM AUTH_HTPASSWD_PATH AUTH_TOKEN_SERVICE AUTH_TOKEN_ISSUER CATALOG_MAXENTRIES
TAGS_MAXTAGS VERSION CONFIGURATION_PATH
""")
WITHOUT_EFFECT = names("""
HTTP_SECRET HTTP_DEBUG_ADDR HTTP_DEBUG_PROMETHEUS_ENABLED HTTP_DEBUG_PROMETHEUS_PATH
HTTP_H2C_ENABLED HTTP_HTTP2_DISABLED STORAGE_CACHE_BLOBDESCRIPTOR
STORAGE_CACHE_BLOBDESCRIPTORSIZE STORAGE_CACHE_LAYERINFO STORAGE_TAG_CONCURRENCYLIMIT
STORAGE_FILESYSTEM_MAXTHREADS STORAGE_REDIRECT_DISABLE REDIS_ADDR REDIS_ADDRS_0 REDIS_PASSWORD
REDIS_DB REDIS_POOL_MAXIDLE REDIS_TLS_CERTIFICATE HEALTH_STORAGEDRIVER_ENABLED
HEALTH_STORAGEDRIVER_INTERVAL HEALTH_FILE_0_FILE HEALTH_HTTP_0_URI HEALTH_TCP_0_ADDR
AUTH_TOKEN_AUTOREDIRECT AUTH_TOKEN_AUTOREDIRECTPATH LOG_HOOKS_0_TYPE LOG_REPORTCALLER LOGLEVEL
REPORTING_BUGSNAG_APIKEY REPORTING_NEWRELIC_LICENSEKEY NOTIFICATIONS_EVENTS_INCLUDEREFERENCES
COMPATIBILITY_SCHEMA1_ENABLED COMPATIBILITY_SCHEMA1_SIGNINGKEYFILE VALIDATION_DISABLED
VALIDATION_ENABLED VALIDATION_MANIFESTS_INDEXES_PLATFORMS
VALIDATION_MANIFESTS_INDEXES_PLATFORMLIST_0_OS
""")
REFUSED = names("""
STORAGE_S3_BUCKET STORAGE_S3_ACCESSKEY STORAGE_S3_SECRETKEY STORAGE_S3_SECRETKEY_FILE
STORAGE_S3_REGION STORAGE_S3_REGIONENDPOINT STORAGE_S3_FORCEPATHSTYLE STORAGE_S3_ROOTDIRECTORY
STORAGE_S3_SECURE STORAGE_S3_SKIPVERIFY STORAGE_S3_ENCRYPT STORAGE_S3_KEYID STORAGE_S3_CHUNKSIZE
STORAGE_S3_STORAGECLASS STORAGE_S3_REDIRECTENDPOINT
STORAGE_AZURE_ACCOUNTNAME STORAGE_GCS_BUCKET STORAGE_SWIFT_AUTHURL STORAGE_OSS_BUCKET
STORAGE_INMEMORY AUTH_SILLY_REALM AUTH_TOKEN_REALM AUTH_TOKEN_ROOTCERTBUNDLE AUTH_TOKEN_JWKS
AUTH_TOKEN_SIGNINGALGORITHMS MIDDLEWARE_STORAGE_0_NAME MIDDLEWARE_REPOSITORY STORAGE_MIDDLEWARE
PROXY_REMOTEURL PROXY_USERNAME PROXY_PASSWORD PROXY_TTL NOTIFICATIONS_ENDPOINTS_0_URL
HTTP_TLS_LETSENCRYPT_EMAIL HTTP_TLS_LETSENCRYPT_CACHEFILE HTTP_TLS_LETSENCRYPT_HOSTS
HTTP_TLS_CIPHERSUITES VALIDATION_MANIFESTS_URLS_ALLOW VALIDATION_MANIFESTS_URLS_DENY_0
POLICY_REPOSITORY_CLASSES
""")
SECRET = "canary-2f7c"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("REGISTRY_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(env, "asked", dict(env.asked))
    runpy.run_path(str(CONFIGURATION))  # asks for what the server needs


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.yml"
    monkeypatch.setenv(env.CONFIGURATION_PATH, str(path))
    return path


@pytest.mark.parametrize("name", HONOURED)
def test_what_is_honoured_is_neither_refused_nor_without_effect(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"STORAGE": "filesystem", "AUTH": "htpasswd", "VERSION": "0.1"}
    if name != "CONFIGURATION_PATH":
        monkeypatch.setenv(f"REGISTRY_{name}", values.get(name, SECRET))
    distribution.refuse()
    assert distribution.notes() == []


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_what_has_no_effect_is_said_with_its_place(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"REGISTRY_{name}", SECRET)
    distribution.refuse()
    (note,) = distribution.notes()
    assert note.name == note.origin == f"REGISTRY_{name}"
    assert "no such setting" not in note.text
    assert SECRET not in str(note)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_missed_stops_the_start_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"REGISTRY_{name}", SECRET)
    with pytest.raises(ImproperlyConfigured, match=f"^REGISTRY_{name} ") as caught:
        distribution.refuse()
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_an_empty_value_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Compose makes it of a variable that is not set."""
    monkeypatch.setenv(f"REGISTRY_{name}", "")
    distribution.refuse()
    assert distribution.notes() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORAGE", "s3"),
        ("STORAGE", "inmemory"),
        ("STORAGE", "{azure: {container: c}}"),
        ("AUTH", "silly"),
        ("AUTH", "{token: {realm: https://auth.example.com}}"),
        ("NOTIFICATIONS", "{endpoints: [{name: a, url: 'http://x'}]}"),
        ("MIDDLEWARE", "{registry: [{name: x}]}"),
    ],
)
def test_a_section_in_one_value_is_refused_as_well(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"REGISTRY_{name}", value)
    with pytest.raises(ImproperlyConfigured, match=rf"\(REGISTRY_{name}\)"):
        distribution.refuse()


def test_a_driver_without_options_is_refused(file: Path) -> None:
    file.write_text("storage: {inmemory: }")
    with pytest.raises(ImproperlyConfigured, match=f"{file}:storage.inmemory"):
        distribution.refuse()


@pytest.mark.parametrize("content", ["notifications: {endpoints: []}", "proxy: {remoteurl: ''}"])
def test_an_empty_section_is_none(file: Path, content: str) -> None:
    file.write_text(content)
    distribution.refuse()


def test_a_file_of_another_version_is_refused(file: Path) -> None:
    file.write_text("version: 0.2\nlog: {level: info}")
    with pytest.raises(ImproperlyConfigured, match=r"write 0\.1"):
        distribution.refuse()


def test_the_file_of_registry_3_says_what_does_nothing_and_starts(file: Path) -> None:
    file.write_text("""\
version: 0.1
log: {fields: {service: registry}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
http:
  addr: :5000
  headers: {X-Content-Type-Options: [nosniff]}
  debug: {addr: ':5001', prometheus: {enabled: true, path: /metrics}}
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
""")
    distribution.refuse()
    assert [note.origin.partition(":")[2] for note in distribution.notes()] == [
        "health.storagedriver.enabled",
        "http.debug.addr",
        "storage.cache.blobdescriptor",
    ]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("REGISTRY_STORAGE_DELETE_ENABLE", "did you mean REGISTRY_STORAGE_DELETE_ENABLED?"),
        ("REGISTRY_STORAGE_DELETED_ENABLED", "did you mean REGISTRY_STORAGE_DELETE_ENABLED?"),
        ("REGISTRY_ANONYMUS_ACCESS", "did you mean REGISTRY_ANONYMOUS_ACCESS?"),
        ("REGISTRY_WHATEVER", "no such setting"),
    ],
)
def test_a_name_that_nobody_knows_is_said_with_the_nearest(
    name: str, near: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "true")
    (note,) = distribution.notes()
    assert (note.name, near in note.text) == (name, True)


def test_a_setting_from_a_file_of_its_own_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_OIDC_CLIENT_SECRET_FILE", "/run/secrets/oidc")
    assert distribution.notes() == []


# --- the values of those that are honoured ----------------------------------------------------


@pytest.mark.parametrize(
    ("given", "prefix"), [("", ""), ("/", ""), ("/a/", "/a"), ("a/b", "/a/b"), ("/a", "/a")]
)
def test_a_prefix(given: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_HTTP_PREFIX", given)
    assert http_settings.prefix() == prefix


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", ("", "/a")),
        ("https://x", ("https://x", "")),
        ("https://x/", ("https://x", "")),
        ("https://x/a/", ("https://x", "/a")),
        ("https://x/b", ("https://x/b", "")),  # which `check` refuses
    ],
)
def test_the_public_address_counts_alone(
    host: str, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_HTTP_HOST", host)
    assert http_settings.public_address("/a") == expected


WRONG: list[tuple[dict[str, str], Callable[[], object], str]] = [
    ({"HTTP_PREFIX": "/a b"}, http_settings.prefix, "no path"),
    ({"HTTP_PREFIX": "/a/../b?"}, http_settings.prefix, "no path"),
    ({"HTTP_HEADERS_X Y": "a"}, http_settings.headers, "no header"),
    ({"HTTP_HEADERS_Content-Length": "[1]"}, http_settings.headers, "no header"),
    ({"HTTP_HEADERS_X": '["a\\r\\nb"]'}, http_settings.headers, "characters"),
    ({"HTTP_HEADERS_X": "[☃]"}, http_settings.headers, "characters"),
    ({"HTTP_TLS_KEY": "/k"}, http_settings.tls_files, "or neither"),
    ({"HTTP_TLS_CERTIFICATE": "/c"}, http_settings.tls_files, "or neither"),
    ({"HTTP_TLS_CLIENTCAS_0": "/ca"}, http_settings.tls_files, "so set"),
    ({"HTTP_TLS_MINIMUMTLS": "tls1.0"}, http_settings.tls_files, "tls1.2, tls1.3"),
    ({"HTTP_TLS_CLIENTAUTH": "request-client-cert"}, http_settings.tls_files, "must be one of"),
    ({"AUTH": "htpasswd"}, http_settings.htpasswd_path, "needs REGISTRY_AUTH_HTPASSWD_PATH"),
    ({"AUTH": "none"}, http_settings.htpasswd_path, "REGISTRY_ANONYMOUS_ACCESS=push"),
    ({"AUTH_HTPASSWD_REALM": 'a"b'}, http_settings.basic_realm, "realm"),
]


@pytest.mark.parametrize(("values", "read", "said"), WRONG)
def test_a_value_that_is_none_is_refused(
    values: dict[str, str],
    read: Callable[[], object],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"REGISTRY_{name}", value)
    with pytest.raises(ImproperlyConfigured, match=said):
        read()


@pytest.mark.parametrize(
    "values", [{"AUTH_HTPASSWD_PATH": "/h"}, {"AUTH": "htpasswd", "AUTH_HTPASSWD_PATH": "/h"}]
)
def test_htpasswd_needs_its_path_only(
    values: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"REGISTRY_{name}", value)
    assert http_settings.htpasswd_path() == "/h"


def test_several_values_of_a_header_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_HTTP_HEADERS_Access-Control-Allow-Methods", "[HEAD, GET, OPTIONS]")
    assert http_settings.headers() == {"Access-Control-Allow-Methods": "HEAD, GET, OPTIONS"}


# --- what becomes of them -----------------------------------------------------------------------

# A value of each that is not the default, and what is read then: Django's settings, or gunicorn's.
IN_FORCE: dict[str, tuple[str, str, object]] = {
    "HTTP_ADDR": (":6000", "bind", "0.0.0.0:6000"),
    "HTTP_HOST": ("https://r.example.com/", "PUBLIC_URL", "https://r.example.com"),
    "HTTP_PREFIX": ("/a/", "HTTP_PREFIX", "/a"),
    "HTTP_RELATIVEURLS": ("true", "RELATIVE_URLS", True),
    "HTTP_DRAINTIMEOUT": ("90s", "graceful_timeout", 90),
    "HTTP_HEADERS_X-Frame-Options": ("[deny]", "HTTP_HEADERS", {"X-Frame-Options": "deny"}),
    "LOG_LEVEL": ("error", "loglevel", "error"),
    "LOG_ACCESSLOG_DISABLED": ("false", "accesslog", "-"),
    "STORAGE_DELETE_ENABLED": ("false", "DELETE_ENABLED", False),
    "STORAGE_MAINTENANCE_READONLY_ENABLED": ("true", "READ_ONLY", True),
    "STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED": ("false", "UPLOAD_PURGING_ENABLED", False),
    "STORAGE_MAINTENANCE_UPLOADPURGING_AGE": ("1h", "UPLOAD_PURGING_AGE", 3600.0),
    "STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL": ("2m", "UPLOAD_PURGING_INTERVAL", 120.0),
    "STORAGE_MAINTENANCE_UPLOADPURGING_DRYRUN": ("true", "UPLOAD_PURGING_DRY_RUN", True),
    "AUTH_HTPASSWD_PATH": ("/h", "HTPASSWD_PATH", "/h"),
    "AUTH_HTPASSWD_REALM": ("Harbour", "BASIC_REALM", "Harbour"),
    "AUTH_TOKEN_SERVICE": ("us", "TOKEN_SERVICE", "us"),
    "AUTH_TOKEN_ISSUER": ("we", "TOKEN_ISSUER", "we"),
    "CATALOG_MAXENTRIES": ("7", "CATALOG_MAX_ENTRIES", 7),
    "TAGS_MAXTAGS": ("8", "TAGS_MAX_TAGS", 8),
}
# Seen at work by other tests: of this file, test_drop_in.py and test_tls.py.
AT_WORK = names("""
HTTP_NET HTTP_TLS_CERTIFICATE HTTP_TLS_KEY HTTP_TLS_CLIENTCAS HTTP_TLS_CLIENTCAS_0
HTTP_TLS_CLIENTAUTH HTTP_TLS_MINIMUMTLS HTTP_HEADERS_X-Content-Type-Options
HTTP_HEADERS_X-Content-Type-Options_0 LOG_FORMATTER LOG_FIELDS_SERVICE LOG_FIELDS_ENVIRONMENT
STORAGE STORAGE_FILESYSTEM_ROOTDIRECTORY AUTH VERSION CONFIGURATION_PATH
""")


def in_force() -> dict[str, object]:
    """Everything that Django's settings and gunicorn's say."""
    django = runpy.run_path(str(ROOT / "registry_site" / "settings.py"))
    return {**django, **runpy.run_path(str(CONFIGURATION))}


@pytest.mark.parametrize("name", IN_FORCE)
def test_what_is_honoured_reaches_what_reads_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, place, expected = IN_FORCE[name]
    assert in_force()[place] != expected
    monkeypatch.setenv(f"REGISTRY_{name}", value)
    assert in_force()[place] == expected


def test_each_that_is_honoured_is_seen_to_be() -> None:
    assert not {*HONOURED} - {*IN_FORCE, *AT_WORK}


def test_without_any_the_defaults_are_those_of_version_3() -> None:
    found = in_force()
    expected = {
        "DELETE_ENABLED": True,
        "READ_ONLY": False,
        "UPLOAD_PURGING_ENABLED": True,
        "UPLOAD_PURGING_AGE": 168 * 3600.0,
        "UPLOAD_PURGING_INTERVAL": 24 * 3600.0,
        "UPLOAD_PURGING_DRY_RUN": False,
        "RELATIVE_URLS": False,
        "HTTP_PREFIX": "",
        "CATALOG_MAX_ENTRIES": 1000,
    }
    assert {name: found[name] for name in expected} == expected
