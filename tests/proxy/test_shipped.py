"""`deploy/nginx.conf` as it is: the doctor finds nothing wrong, and requests and answers come
through as they should."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import requests

from registry_site.doctor.report import State
from tests.interop.images import Layout, layout_graph
from tests.interop.tools import Client, Registry
from tests.live import ROOT, LiveServer
from tests.proxy.conftest import AUTH, LAYER, PASSWORD, REPOSITORY, look, token
from tests.proxy.nginx import Nginx

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]


def test_the_doctor_finds_nothing_wrong(nginx: Nginx, berth: LiveServer) -> None:
    results = look(nginx, body=200_000_000, patience=3)
    assert not [result for result in results if result.is_wrong]
    states = {result.id: result.state for result in results}
    # All was tried; to have the address configured is the one advice.
    assert set(states.values()) == {State.OK, State.ADVICE}
    assert [kind for kind, state in states.items() if state is State.ADVICE] == ["forwarded"]
    assert len(states) == 22


def test_it_leaves_nothing_behind(nginx: Nginx, berth: LiveServer) -> None:
    before = repositories(berth)
    look(nginx)
    assert repositories(berth) == before
    uploads = requests.get(f"{berth.url}/api/v1/uploads", auth=AUTH, timeout=30).json()
    assert uploads["results"] == []


def repositories(berth: LiveServer) -> list[str]:
    found = requests.get(f"{berth.url}/api/v1/repositories", auth=AUTH, timeout=30).json()
    return [repository["name"] for repository in found["results"]]


def delete(berth: LiveServer, name: str) -> None:
    address = f"{berth.url}/api/v1/repositories/{name}"
    assert requests.delete(address, auth=AUTH, timeout=30).status_code == 200


def doctor(nginx: Nginx, *options: str, secret: str = "") -> subprocess.CompletedProcess[str]:
    """As it is typed."""
    command = [sys.executable, "manage.py", "doctor", nginx.url, "--body", "2MB"]
    return subprocess.run(
        [*command, "--patience", "0", *options, "--data", str(nginx.folder / "elsewhere")],
        cwd=ROOT,
        input=secret,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_prints_what_it_finds(nginx: Nginx) -> None:
    ca = ("--ca", str(nginx.authority))
    done = doctor(nginx, *ca, "--user", "admin", "--password-stdin", secret=f"{PASSWORD}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok     An upload: 2 MB in chunks" in done.stdout
    assert done.stdout.endswith("Nothing is wrong with what could be tried.\n")
    assert PASSWORD not in done.stdout

    done = doctor(nginx, *ca)
    assert done.returncode == 0
    assert "-      Signing in: uploads, pulls, time-outs: needs credentials" in done.stdout

    done = doctor(nginx)
    assert done.returncode == 1
    assert "wrong  Certificate: Who has signed it is not known here" in done.stdout
    assert "1 of " in done.stderr


def test_credentials_are_not_sent_where_the_certificate_is_wrong(nginx: Nginx) -> None:
    """Whoever holds such a certificate would have them."""
    signing = ("--user", "admin", "--password-stdin", "--json")
    done = doctor(nginx, *signing, secret=PASSWORD)
    found = {result["id"]: result for result in json.loads(done.stdout)["results"]}
    assert (done.returncode, found["credentials"]["state"]) == (1, "skipped")
    assert "--insecure" in found["credentials"]["text"]

    done = doctor(nginx, *signing, "--insecure", secret=PASSWORD)
    content = json.loads(done.stdout)
    found = {result["id"]: result for result in content["results"]}
    assert (done.returncode, content["is_well"]) == (1, False)
    assert (found["tls"]["state"], found["upload"]["state"]) == ("wrong", "ok")
    assert found["tls"]["fixes"][0]["tool"] == "Caddy"


def test_a_token_is_enough_and_a_wrong_one_is_told(nginx: Nginx, berth: LiveServer) -> None:
    scope = ("--scope", "admin/*:pull,push", "--expires", "1h")
    secret = berth.manage("create_token", "--user", "admin", *scope).split()[-1]
    options = ("--ca", str(nginx.authority), "--token-stdin", "--json")
    done = doctor(nginx, *options, secret=secret)
    found = {result["id"]: result for result in json.loads(done.stdout)["results"]}
    assert done.returncode == 0, done.stdout
    assert found["upload"]["state"] == "ok"
    assert found["forwarded"]["text"] == "needs an administrator's credentials"
    # Such a token manages nothing. What is there stays, whoever comes next.
    assert "admin/doctor" in found["left"]["text"]
    look(nginx)
    assert "admin/doctor" in repositories(berth)
    delete(berth, "admin/doctor")

    done = doctor(nginx, *options, secret=secret[:-1])
    found = {result["id"]: result for result in json.loads(done.stdout)["results"]}
    assert (done.returncode, found["credentials"]["state"]) == (1, "wrong")


def test_blobs_come_from_nginx_with_the_headers_that_berth_gives(
    nginx: Nginx, berth: LiveServer
) -> None:
    registry = Registry(nginx.url)
    registry.session.verify = str(nginx.authority)
    scope = f"repository:{REPOSITORY}:pull"
    registry.session.headers.update(token(nginx.url, scope, str(nginx.authority)))
    direct = Registry(berth.url)
    direct.session.headers.update(token(berth.url, scope))
    manifest = json.loads(registry.manifest(REPOSITORY, "1")[0])
    path = f"{REPOSITORY}/blobs/{manifest['layers'][0]['digest']}"
    through, asked = registry.request("GET", path), direct.request("HEAD", path)
    assert through.content == LAYER
    assert "X-Accel-Redirect" not in through.headers
    for name in (
        *("Content-Length", "Content-Type", "Docker-Content-Digest", "ETag", "Cache-Control"),
        *("Docker-Distribution-Api-Version", "X-Content-Type-Options", "Accept-Ranges"),
    ):
        assert through.headers.get(name) == asked.headers.get(name), name
    part = registry.request("GET", path, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, LAYER[5:10])
    assert "gone" not in registry.request("GET", path.replace("sha256:", "sha256:0")).text
    # The location itself is nobody's from outside.
    inside = f"{nginx.url}/berth-blobs/docker/registry/v2/blobs/"
    answer = requests.get(inside, timeout=30, verify=str(nginx.authority))
    assert answer.status_code == 404


def test_plain_http_leads_to_https(nginx: Nginx) -> None:
    answer = requests.get(
        f"http://127.0.0.1:{nginx.plain_port}/v2/", timeout=30, allow_redirects=False
    )
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://127.0.0.1/v2/")


def test_what_a_client_forges_is_overwritten(nginx: Nginx) -> None:
    forged = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-For": "192.0.2.66",
        "Forwarded": "host=evil.example;proto=http;for=192.0.2.66",
    }
    verify = str(nginx.authority)
    answer = requests.get(f"{nginx.url}/v2/", headers=forged, timeout=30, verify=verify)
    assert f'realm="{nginx.url}/token"' in answer.headers["WWW-Authenticate"]
    seen = requests.get(
        f"{nginx.url}/api/v1/proxy", headers=forged, timeout=30, verify=verify, auth=AUTH
    ).json()
    assert (seen["client"], seen["is_trusted"]) == ("127.0.0.1", True)


def test_a_client_that_speaks_http_2_pushes_and_pulls(
    nginx: Nginx, berth: LiveServer, layout: Layout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("crane")
    crane = Client("crane", home, env={"SSL_CERT_FILE": str(nginx.authority)})
    layout.tag("1", layout.image("by crane"))
    name = f"{nginx.host}/admin/crane:1"
    crane("auth", "login", "-u", AUTH[0], "-p", PASSWORD, nginx.host)
    crane("push", layout.folder, name)
    crane("pull", "--format=oci", name, home / "back")
    assert layout_graph(home / "back") == layout_graph(layout.folder, "1")
    assert "HTTP/2.0" in (nginx.folder / "access.log").read_text()
    delete(berth, "admin/crane")
