"""Servers with a certificate of an authority of their own: nginx before a server that has none, and
Berth itself."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import subprocess
from http.client import HTTPSConnection
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.interop.tools import find_program
from tests.live import LiveServer, free_port, wait_for

# What README and deploy say of a proxy: who asks and how is told, and bodies pass as they come.
CONFIGURATION = """\
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    client_max_body_size 0;
    location / {{
      proxy_pass http://{upstream};
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


class Proxy:
    """nginx on a loopback port; `ca` is a folder as podman wants it, `bundle` a file for Go."""

    def __init__(self, folder: Path, upstream: str) -> None:
        program = find_program("nginx")
        folder.mkdir(parents=True)
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.ca = folder / "ca"
        self.ca.mkdir()
        self.bundle = self.ca / "ca.crt"
        self.access_log = folder / "access.log"
        make_certificates(folder, self.bundle)
        user = "user root;" if os.geteuid() == 0 else ""
        text = CONFIGURATION.format(folder=folder, port=self.port, upstream=upstream, user=user)
        (folder / "nginx.conf").write_text(text)
        with (folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [str(program), "-p", str(folder), "-c", str(folder / "nginx.conf")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(self._answers, seconds=20, what="nginx")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"nginx exited with {self._process.returncode}")
        probe = ["openssl", "s_client", "-connect", self.host, "-CAfile", str(self.bundle)]
        done = subprocess.run(
            [*probe, "-verify_return_error"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=20,
        )
        return done.returncode == 0


def make_certificates(folder: Path, bundle: Path) -> None:
    """An authority, and a certificate of its for 127.0.0.1."""
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("An authority of the tests", authority, "An authority of the tests")
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    leaf = _certificate("127.0.0.1", key, "An authority of the tests")
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = leaf.add_extension(x509.SubjectAlternativeName(names), critical=False)
    bundle.write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM))
    signed = leaf.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)
    (folder / "server.pem").write_bytes(signed)
    (folder / "server.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
    )


class TLSServer(LiveServer):
    """`serve` with a certificate."""

    def __init__(self, data: Path, folder: Path, database_url: str | None) -> None:
        super().__init__(
            data,
            database_url=database_url,
            env={
                "REGISTRY_HTTP_TLS_CERTIFICATE": str(folder / "server.pem"),
                "REGISTRY_HTTP_TLS_KEY": str(folder / "server.key"),
            },
        )
        self.url = f"https://{self.host}"
        self.context = ssl.create_default_context(cafile=str(folder / "ca.crt"))

    def connect(self, context: ssl.SSLContext | None = None) -> HTTPSConnection:
        return HTTPSConnection(
            "127.0.0.1", self.port, timeout=30.0, context=context or self.context
        )

    def _started(self) -> bool:
        connection = self.connect()
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            assert self.process.poll() is None, self.log_tail()
            return False
        finally:
            connection.close()
