"""A server with a configuration file of Docker's registry: prefix, headers, htpasswd, JSON log."""

import hashlib
import json
from collections.abc import Iterator

import bcrypt
import pytest
import requests

from registry_site.env import CONFIGURATION_PATH
from repositories.oci.media_types import OCI_INDEX
from tests import postgres
from tests.database import DATABASE
from tests.live import LiveServer, wait_for

SECONDS = 30.0
PREFIX = "/a/registry"
FILE = """\
version: 0.1
log:
  accesslog: {{disabled: false}}
  formatter: json
  fields: {{service: registry}}
storage:
  filesystem: {{rootdirectory: {root}}}
auth:
  htpasswd: {{realm: Harbour, path: {htpasswd}}}
http:
  prefix: {prefix}/
  headers:
    X-Content-Type-Options: [nosniff]
    Access-Control-Allow-Origin: ['https://ui.example.com']
    Access-Control-Allow-Methods: [HEAD, GET, OPTIONS]
"""
UI = {"Access-Control-Allow-Origin": "https://ui.example.com"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("drop-in")
    password = bcrypt.hashpw(b"captain-1", bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"hook:{password}\n")
    (folder / "config.yml").write_text(
        FILE.format(root=folder / "blobs", htpasswd=folder / "htpasswd", prefix=PREFIX)
    )
    url = postgres.current().create_database() if DATABASE == "postgresql" else None
    environment = {CONFIGURATION_PATH: str(folder / "config.yml")}
    running = LiveServer(folder / "data", database_url=url, open_access=False, env=environment)
    with running:
        yield running


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.auth = ("hook", "captain-1")
        yield session


def test_the_api_is_below_the_prefix_and_so_is_what_it_leads_to(
    server: LiveServer, client: requests.Session
) -> None:
    base = f"{server.url}{PREFIX}"
    assert client.get(f"{server.url}/v2/", timeout=SECONDS).status_code == 404
    assert client.get(f"{base}/v2/", timeout=SECONDS).status_code == 200
    started = client.post(f"{base}/v2/hook/app/blobs/uploads/", timeout=SECONDS)
    assert started.headers["Location"].startswith(f"{base}/v2/hook/app/blobs/uploads/")
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    done = client.put(started.headers["Location"], params={"digest": empty}, timeout=SECONDS)
    assert done.headers["Location"] == f"{base}/v2/hook/app/blobs/{empty}"
    asked = requests.get(f"{base}/v2/", timeout=SECONDS)
    assert f'realm="{base}/token"' in asked.headers["WWW-Authenticate"]
    index = b'{"schemaVersion": 2, "mediaType": "' + OCI_INDEX.encode() + b'", "manifests": []}'
    for name in ("hook/b", "hook/c"):
        address = f"{base}/v2/{name}/manifests/1"
        headers = {"Content-Type": OCI_INDEX}
        pushed = client.put(address, index, headers=headers, timeout=SECONDS)
        assert pushed.headers["Location"].startswith(f"{base}/v2/{name}/manifests/sha256:")
    page = client.get(f"{base}/v2/_catalog", params={"n": "1"}, timeout=SECONDS)
    assert page.headers["Link"].startswith(f"<{PREFIX}/v2/_catalog?")
    following = client.get(server.url + page.links["next"]["url"], timeout=SECONDS)
    assert following.json()["repositories"] not in ([], page.json()["repositories"])


def test_blobs_are_where_the_file_says(server: LiveServer) -> None:
    assert (server.data.parent / "blobs" / "docker/registry/v2/blobs").is_dir()


def test_pages_are_below_the_prefix_and_stay_there(server: LiveServer) -> None:
    with requests.Session() as browser:
        page = browser.get(f"{server.url}{PREFIX}/sign-in", timeout=SECONDS)
        assert page.status_code == 200
        links = [part.partition('"')[0] for part in page.text.split('href="')[1:]]
        links += [part.partition('"')[0] for part in page.text.split('src="')[1:]]
        local = [link for link in links if link.startswith("/")]
        assert local
        assert all(link.startswith(f"{PREFIX}/") for link in local)
        for link in {link for link in local if "/static/" in link}:
            assert browser.get(f"{server.url}{link}", timeout=SECONDS).status_code == 200
        assert all(cookie.path == f"{PREFIX}/" for cookie in browser.cookies)
        form = {
            "username": "hook",
            "password": "captain-1",
            "csrfmiddlewaretoken": browser.cookies["berth_csrf"],
        }
        home = browser.post(page.url, form, timeout=SECONDS)
        assert home.status_code == 200, home.url
        assert home.url.startswith(f"{server.url}{PREFIX}/")
        assert home.url != page.url
        assert browser.get(f"{server.url}{PREFIX}/nowhere", timeout=SECONDS).status_code == 404
    assert requests.get(f"{server.url}/sign-in", timeout=SECONDS).status_code == 404


def test_who_looks_after_it_needs_no_prefix(server: LiveServer) -> None:
    assert requests.get(f"{server.url}/healthz", timeout=SECONDS).json() == {"status": "ok"}
    assert requests.get(f"{server.url}{PREFIX}/readyz", timeout=SECONDS).status_code == 200


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/v2/", "/v2/nothing/manifests/1", "/token", "/v2/-"])
def test_headers_are_in_every_answer_of_the_api(server: LiveServer, method: str, path: str) -> None:
    answer = requests.request(method, f"{server.url}{PREFIX}{path}", timeout=SECONDS)
    expected = UI | {"Access-Control-Allow-Methods": "HEAD, GET, OPTIONS"}
    assert expected.items() <= dict(answer.headers).items()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_have_their_own(server: LiveServer) -> None:
    page = requests.get(f"{server.url}{PREFIX}/sign-in", timeout=SECONDS)
    assert not UI.keys() & page.headers.keys()


def test_the_realm_is_what_a_browser_shows(server: LiveServer) -> None:
    answer = requests.get(f"{server.url}{PREFIX}/token", auth=("hook", "wrong"), timeout=SECONDS)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="Harbour", charset="UTF-8"'


def test_every_line_of_the_log_is_an_object_with_the_fields(server: LiveServer) -> None:
    requests.get(f"{server.url}{PREFIX}/v2/?marked", timeout=SECONDS)
    wait_for(lambda: "marked" in server.log(), seconds=SECONDS, what="the line of the request")
    lines = [line for line in server.log().splitlines() if line.startswith("{")]
    entries = [json.loads(line) for line in lines]
    assert all(entry["service"] == "registry" and entry["level"] for entry in entries)
    (entry,) = [e for e in entries if "marked" in e.get("http.request.uri", "")]
    assert entry["http.request.method"] == "GET"
    assert entry["http.response.status"] == 401
    assert entry["msg"] == "response completed"
    assert entry["time"].endswith("Z")


@pytest.mark.parametrize("size", [1_000, 1_000_000])
def test_the_log_has_how_many_bytes_of_a_blob_were_sent(
    server: LiveServer, client: requests.Session, size: int
) -> None:
    content = bytes(size)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    base = f"{server.url}{PREFIX}/v2/hook/app/blobs"
    place = client.post(f"{base}/uploads/", timeout=SECONDS).headers["Location"]
    client.put(place, content, params={"digest": digest}, timeout=SECONDS).raise_for_status()
    client.get(f"{base}/{digest}", timeout=SECONDS).raise_for_status()

    def told() -> list[int]:
        entries = [json.loads(line) for line in server.log().splitlines() if digest in line]
        pulls = [entry for entry in entries if entry.get("http.request.method") == "GET"]
        return [entry["http.response.written"] for entry in pulls]

    wait_for(lambda: told() == [size], seconds=SECONDS, what=f"a line of {size} bytes")
