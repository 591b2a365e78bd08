"""HTTPS by Berth itself: certificates that change, and clients that cannot."""

import contextlib
import logging
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization as pem
from django.core.exceptions import ImproperlyConfigured

from api import slow_clients
from registry_site import tls
from registry_site.env import CONFIGURATION_PATH
from registry_site.http_settings import TLSFiles
from tests import postgres
from tests.database import DATABASE
from tests.interop.tls import TLSServer, make_certificates
from tests.live import ROOT, wait_for

SECONDS = 30.0
NAMES = ("server.pem", "server.key")


def made(folder: Path) -> Path:
    """A folder with an authority (`ca.crt`), and a certificate and key of its."""
    folder.mkdir()
    make_certificates(folder, folder / "ca.crt")
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two such folders; what is written into them stays."""
    folder = tmp_path_factory.mktemp("pairs")
    return made(folder / "one"), made(folder / "two")


@pytest.fixture
def files(tmp_path: Path, pairs: tuple[Path, Path]) -> TLSFiles:
    """A copy of the first pair, to change."""
    for name in NAMES:
        shutil.copy(pairs[0] / name, tmp_path / name)
    return TLSFiles(tmp_path / NAMES[0], tmp_path / NAMES[1], (), False, False)


def replace(files: TLSFiles, source: Path, names: tuple[str, ...] = NAMES) -> None:
    """As certbot and Kubernetes do it: another file of the same name."""
    for name in names:
        draft = files.certificate.with_name(f"{name}.new")
        shutil.copy(source / name, draft)
        draft.rename(files.certificate.with_name(name))


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are looked at each time."""
    monkeypatch.setattr(tls, "_LOOK_SECONDS", 0.0)


def test_a_pair_that_was_replaced_is_used_for_new_connections(
    files: TLSFiles, pairs: tuple[Path, Path], looking: None, caplog: pytest.LogCaptureFixture
) -> None:
    certificates = tls.Certificates(files)
    before = certificates.context()
    assert certificates.context() is before
    replace(files, pairs[1])
    with caplog.at_level(logging.INFO):
        assert certificates.context() is not before
    assert "was read again" in caplog.text


def test_a_pair_that_does_not_fit_is_logged_once_and_the_old_one_stays(
    files: TLSFiles, pairs: tuple[Path, Path], looking: None, caplog: pytest.LogCaptureFixture
) -> None:
    """A renewal writes two files, and somebody connects between them."""
    certificates = tls.Certificates(files)
    before = certificates.context()
    replace(files, pairs[1], NAMES[:1])
    for _ in range(3):
        assert certificates.context() is before
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert str(files.key) in record.getMessage()
    replace(files, pairs[1], NAMES[1:])
    assert certificates.context() is not before


@pytest.mark.parametrize("content", [None, b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_certificate_that_is_none_stops_the_start_and_later_changes_nothing(
    files: TLSFiles, looking: None, content: bytes | None
) -> None:
    certificates = tls.Certificates(files)
    before = certificates.context()
    if content is None:
        files.certificate.unlink()
    else:
        files.certificate.write_bytes(content)
    assert certificates.context() is before
    with pytest.raises(ImproperlyConfigured, match=str(files.certificate)):
        tls.Certificates(files)


def test_a_key_with_a_passphrase_is_refused(files: TLSFiles, pairs: tuple[Path, Path]) -> None:
    """Nobody is there to type it, and OpenSSL would wait for that."""
    key = pem.load_pem_private_key((pairs[0] / "server.key").read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(b"x")
        )
    )
    with pytest.raises(ImproperlyConfigured, match="passphrase"):
        tls.Certificates(files)


def test_tls_1_2_is_the_least(files: TLSFiles, pairs: tuple[Path, Path]) -> None:
    assert tls.Certificates(files).context().minimum_version == ssl.TLSVersion.TLSv1_2
    strict = files._replace(is_tls13_only=True)
    assert tls.Certificates(strict).context().minimum_version == ssl.TLSVersion.TLSv1_3
    assert tls.Certificates(files).context().verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize("is_required", [True, False])
def test_clients_are_asked_for_certificates(
    files: TLSFiles, pairs: tuple[Path, Path], is_required: bool
) -> None:
    asked = files._replace(
        client_authorities=(pairs[1] / "ca.crt",), is_client_required=is_required
    )
    wanted = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL
    assert tls.Certificates(asked).context().verify_mode == wanted


def test_a_client_that_is_too_slow_is_told_so_in_cipher(
    files: TLSFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch over slow reads ends the read; the answer goes out as everything else did."""
    monkeypatch.setattr(slow_clients, "_watcher", slow_clients._Watcher())
    monkeypatch.setattr(slow_clients, "_TICK_SECONDS", 0.01)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    theirs, ours = socket.socketpair()
    received = []

    def ask() -> None:
        with context.wrap_socket(theirs) as client:
            received.append(client.recv(100))

    asking = threading.Thread(target=ask)
    asking.start()
    with tls.Certificates(files).context().wrap_socket(ours, server_side=True) as connection:
        with slow_clients.watch_for(connection, 0.05) as found:
            assert connection.recv(1) == b""
        connection.sendall(b"408")
        asking.join()
    assert (found.is_overdue, received) == (True, [b"408"])


# --- a server ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pairs: tuple[Path, Path]) -> Path:
    folder = tmp_path_factory.mktemp("served")
    for name in (*NAMES, "ca.crt"):
        shutil.copy(pairs[0] / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[TLSServer]:
    url = postgres.current().create_database() if DATABASE == "postgresql" else None
    with TLSServer(tmp_path_factory.mktemp("tls") / "data", folder, url) as running:
        yield running


@pytest.fixture
def session(folder: Path) -> Iterator[requests.Session]:
    """A client that trusts the authority, and nothing of this machine's."""
    with requests.Session() as found:
        found.trust_env = False
        found.verify = str(folder / "ca.crt")
        yield found


def test_addresses_and_cookies_are_of_https(server: TLSServer, session: requests.Session) -> None:
    answer = session.post(f"{server.url}/v2/app/blobs/uploads/", timeout=SECONDS)
    assert answer.headers["Location"].startswith(f"https://{server.host}/v2/app/blobs/uploads/")
    page = session.get(f"{server.url}/sign-in", timeout=SECONDS)
    assert page.status_code == 200
    assert "; Secure" in page.headers["Set-Cookie"]
    assert "Strict-Transport-Security" in page.headers
    assert f"https://{server.host}" in server.log()


def test_large_bodies_pass_both_ways(server: TLSServer, session: requests.Session) -> None:
    """Files go out without sendfile then, and parts of them as they are asked for."""
    body = os.urandom(5_000_000)
    digest = f"sha256:{sha256(body).hexdigest()}"
    start = session.post(f"{server.url}/v2/app/blobs/uploads/", timeout=SECONDS)
    url = start.headers["Location"]
    assert session.put(url, body, params={"digest": digest}, timeout=SECONDS).status_code == 201
    blob = f"{server.url}/v2/app/blobs/{digest}"
    assert session.get(blob, timeout=SECONDS).content == body
    part = session.get(blob, headers={"Range": "bytes=4000000-4999990"}, timeout=SECONDS)
    assert (part.status_code, part.content) == (206, body[4_000_000:4_999_991])


def test_a_renewed_certificate_is_shown_and_the_connection_before_goes_on(
    server: TLSServer, folder: Path, pairs: tuple[Path, Path]
) -> None:
    old = server.connect()
    old.request("GET", "/v2/")
    assert old.getresponse().read() is not None
    files = TLSFiles(folder / NAMES[0], folder / NAMES[1], (), False, False)
    replace(files, pairs[1])
    expected = x509.load_pem_x509_certificate((pairs[1] / "server.pem").read_bytes())

    wait_for(lambda: shown(server) == expected, seconds=SECONDS, what="the new certificate")
    old.request("GET", "/v2/")
    assert old.getresponse().status == 200
    old.close()
    replace(files, pairs[0])
    expected = x509.load_pem_x509_certificate((pairs[0] / "server.pem").read_bytes())
    time.sleep(2 * tls._LOOK_SECONDS)  # so that each process looks when it is next asked
    assert all(shown(server) == expected for _ in range(8))


def shown(server: TLSServer) -> x509.Certificate:
    pem = ssl.get_server_certificate(("127.0.0.1", server.port), timeout=SECONDS)
    return x509.load_pem_x509_certificate(pem.encode())


def test_plain_http_is_told_what_is_wrong(server: TLSServer) -> None:
    answer = requests.get(f"http://{server.host}/v2/", timeout=SECONDS)
    assert answer.status_code == 400
    assert answer.text == "Client sent an HTTP request to an HTTPS server.\r\n"


def test_tls_1_1_is_refused(server: TLSServer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    connection = server.connect(context)
    with contextlib.closing(connection), pytest.raises((ssl.SSLError, ConnectionError)):
        connection.connect()


def test_handshakes_that_fail_or_never_come_leave_no_traceback_and_no_thread(
    server: TLSServer,
) -> None:
    for greeting in (b"", b"\x16", b"\x16\x03\x01\x00\x05hello", b"\xff" * 500):
        with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as client:
            client.sendall(greeting)
    stranger = server.connect(ssl.create_default_context())
    with contextlib.closing(stranger), pytest.raises(ssl.SSLCertVerificationError):
        stranger.connect()
    time.sleep(0.5)
    for _ in range(8):
        assert server._started()
    assert "Traceback" not in server.log()


def test_the_healthcheck_of_the_image_speaks_it(server: TLSServer) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "registry_site.registry", "healthcheck"],
        cwd=ROOT,
        env=server.environment | {"REGISTRY_HTTP_ADDR": f":{server.port}", CONFIGURATION_PATH: ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
