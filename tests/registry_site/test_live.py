"""`serve` as an operator meets it: first start, stop, crash."""

import base64
import http.client
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from repositories.oci.media_types import OCI_INDEX
from tests import postgres
from tests.database import DATABASE
from tests.live import LiveServer, wait_for

UPLOADS = "/v2/hello-world/blobs/uploads/"
SECONDS = 30.0
LENGTH = 200_000  # more than the server reads at once


@pytest.fixture
def database_url() -> str | None:
    """A fresh database for one server; None means SQLite in its data folder."""
    return postgres.current().create_database() if DATABASE == "postgresql" else None


@pytest.fixture
def server(tmp_path: Path, database_url: str | None) -> Iterator[LiveServer]:
    """An open server that runs."""
    with LiveServer(tmp_path / "data", database_url=database_url) as running:
        yield running


def request(
    server: LiveServer, method: str, path: str, **headers: str
) -> tuple[int, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers
    finally:
        connection.close()


def test_the_first_start_prints_a_password_that_works_and_the_second_prints_none(
    tmp_path: Path, database_url: str | None
) -> None:
    """S10."""
    server = LiveServer(
        tmp_path / "data", database_url=database_url, open_access=False, from_nothing=True
    )
    with server:
        wait_for(lambda: "password:" in server.log(), seconds=SECONDS, what="the password")
        (password,) = re.findall(r"password: +(\S+)", server.log())
        credentials = base64.b64encode(f"admin:{password}".encode()).decode()
        signed_in = {"Authorization": f"Basic {credentials}"}
        assert request(server, "GET", "/v2/")[0] == 401
        assert request(server, "GET", "/v2/", **signed_in)[0] == 200

        server.restart()
        wait_for(lambda: server.log().count("docker login") == 2, seconds=SECONDS, what="greeting")
        assert server.log().count("password:") == 1
        assert request(server, "GET", "/v2/", **signed_in)[0] == 200


@contextmanager
def half_sent(server: LiveServer, path: str) -> Iterator[socket.socket]:
    """A PATCH of LENGTH bytes that are on their way but for the last ten."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as client:
        head = f"PATCH {path} HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: {LENGTH}\r\n\r\n"
        client.sendall(head.encode() + bytes(LENGTH - 10))
        yield client


def takes_connections(server: LiveServer) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_stop_lets_an_upload_in_flight_finish_and_waits_for_nothing_else(
    server: LiveServer,
) -> None:
    """R22: SIGTERM drains; what is acknowledged then is there after the next start."""
    _, headers = request(server, "POST", UPLOADS)
    path = headers["Location"].removeprefix(server.url)
    upload = server.data / "berth" / "uploads" / path.rpartition("/")[2]
    idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    idle.request("GET", "/v2/")
    idle.getresponse().read()
    with half_sent(server, path) as client:
        wait_for(lambda: upload.stat().st_size > 0, seconds=SECONDS, what="the first bytes")
        server.process.terminate()
        wait_for(lambda: not takes_connections(server), seconds=SECONDS, what="a closed port")
        assert server.process.poll() is None
        client.sendall(bytes(10))
        assert client.recv(65536).startswith(b"HTTP/1.1 202 ")
    assert server.stop() == 0  # though one connection is kept alive
    idle.close()

    server.start()
    status, headers = request(server, "GET", path)
    assert (status, headers["Range"]) == (204, f"0-{LENGTH - 1}")


def test_when_the_server_is_killed_the_supervisor_ends_with_an_error(server: LiveServer) -> None:
    workers = server.workers()
    (master,) = {entry.parent for entry in server.members() if entry.pid in workers}
    os.kill(master, signal.SIGKILL)

    assert server.process.wait(SECONDS) not in (0, None)
    wait_for(lambda: server.members() == [], seconds=SECONDS, what="the end of the workers")


def test_when_the_supervisor_is_killed_the_port_is_free_for_its_successor(
    server: LiveServer,
) -> None:
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    wait_for(lambda: server.members() == [], seconds=SECONDS, what="the end of its children")

    server.start()
    assert request(server, "GET", "/v2/")[0] == 200


def test_pulls_are_written_within_seconds_and_by_a_clean_stop(server: LiveServer) -> None:
    payload = b'{"schemaVersion": 2, "mediaType": "' + OCI_INDEX.encode() + b'", "manifests": []}'
    address = f"{server.url}/v2/hello-world/manifests/1"
    headers = {"Content-Type": OCI_INDEX}
    assert requests.put(address, payload, headers=headers, timeout=SECONDS).status_code == 201
    for _ in range(5):
        assert requests.get(address, timeout=SECONDS).status_code == 200
    wait_for(lambda: pulls_of(server) == 5, seconds=SECONDS, what="the first pulls")
    for _ in range(7):
        assert requests.get(address, timeout=SECONDS).status_code == 200
    assert server.stop() == 0
    assert pulls_of(server) == 12


def pulls_of(server: LiveServer) -> int:
    count = "from repositories.models import *; print(Repository.objects.get().pull_count)"
    return int(server.manage("shell", "--no-imports", "-c", count).split()[-1])
