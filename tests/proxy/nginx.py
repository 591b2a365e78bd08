"""nginx with the configuration that `deploy/nginx.conf` ships, on loopback: names, ports and paths
are put in, and a test may change a line to see what comes of it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.interop.tools import find_program
from tests.live import ROOT, LiveServer, free_port, wait_for

SHIPPED = ROOT / "deploy" / "nginx.conf"
# What Debian's nginx.conf says around it, as far as it matters.
AROUND = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/berth.conf;
}}
"""


class Edit(NamedTuple):
    """A text of the shipped file, and what stands there instead."""

    old: str
    new: str


class Certificate(NamedTuple):
    """For which name, and for how many days from now."""

    name: str = "127.0.0.1"
    days: int = 90


class Nginx:
    """`with Nginx(folder, server) as nginx`: `nginx.url` is the server's public address."""

    def __init__(
        self,
        folder: Path,
        server: LiveServer,
        *,
        edits: Iterable[Edit] = (),
        certificate: Certificate = Certificate(),  # noqa: B008  (it cannot change)
    ) -> None:
        self._program = find_program("nginx")
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_port()
        self.plain_port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"https://{self.host}"
        self.authority = folder / "ca.crt"
        make_certificates(folder, certificate)
        (folder / "berth.conf").write_text(self._filled_in(server, edits))
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [
            str(self._program),
            "-p",
            str(self.folder),
            "-c",
            str(self.folder / "nginx.conf"),
        ]
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for((self.folder / "pid").exists, seconds=20, what="nginx")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note((self.folder / "error.log").read_text(errors="replace")[-4000:])
        assert self._process
        self._process.terminate()
        self._process.wait(20)

    @property
    def pids(self) -> list[int]:
        """The master and its workers."""
        assert self._process
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def _filled_in(self, server: LiveServer, edits: Iterable[Edit]) -> str:
        text = SHIPPED.read_text()
        ours = (
            Edit("    listen [::]:80;\n", ""),
            Edit("    listen [::]:443 ssl http2;\n", ""),
            Edit("listen 80;", f"listen 127.0.0.1:{self.plain_port};"),
            Edit("listen 443 ssl http2;", f"listen {self.host} ssl http2;"),
            Edit("/etc/ssl/registry.example.com.pem", f"{self.folder}/server.pem"),
            Edit("/etc/ssl/registry.example.com.key", f"{self.folder}/server.key"),
            Edit("server_name registry.example.com;", "server_name 127.0.0.1;"),
            Edit("server 127.0.0.1:5000;", f"server {server.host};"),
            Edit("alias /srv/berth/", f"alias {server.storage}/"),
        )
        for old, new in (*edits, *ours):
            assert old in text, f"deploy/nginx.conf has no {old!r} any more"
            text = text.replace(old, new)
        return text


def make_certificates(folder: Path, wanted: Certificate) -> None:
    """`ca.crt`, and `server.pem` with `server.key` that it has signed."""
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the tests")])
    now = dt.datetime.now(dt.UTC)

    def certificate(
        subject: x509.Name, of: ec.EllipticCurvePrivateKey, days: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(of.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=400))
            .not_valid_after(now + dt.timedelta(days=days))
        )

    root = certificate(issuer, authority, 400).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.name)])
    alternative: x509.GeneralName
    try:
        alternative = x509.IPAddress(ipaddress.ip_address(wanted.name))
    except ValueError:
        alternative = x509.DNSName(wanted.name)
    leaf = certificate(name, key, wanted.days).add_extension(
        x509.SubjectAlternativeName([alternative]), critical=False
    )
    write = Encoding.PEM
    (folder / "ca.crt").write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(write))
    (folder / "server.pem").write_bytes(leaf.sign(authority, hashes.SHA256()).public_bytes(write))
    (folder / "server.key").write_bytes(
        key.private_bytes(write, PrivateFormat.PKCS8, NoEncryption())
    )
