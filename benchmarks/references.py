"""What is measured beside the registries: how fast this machine could be at most."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from benchmarks.client import Connection, WrongAnswer
from benchmarks.contenders import Contender
from benchmarks.content import IMAGE, Blob, Content
from benchmarks.servers import HOST, Server

READ = 256 * 1024

NGINX = """
daemon off; pid {place}/pid; error_log stderr crit; worker_processes auto; {user}
events {{ }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c;
  uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;
  server {{ listen {host}:{port}; root {place}/data; }}
}}
"""


class Nginx(Contender):
    """nginx sends the same blobs from files: the ceiling for pulls."""

    key = "nginx"
    label = "nginx {}, plain files"
    offers = frozenset({"blob-get", "process"})
    programs = ("nginx",)
    version_option = "-v"
    ready_path = "/ready"
    sends_digest = False
    find_blob = None

    def prepare(self, server: Server, content: Content) -> None:
        blobs = server.place / "v2" / IMAGE / "blobs"
        blobs.mkdir(parents=True)
        (server.place / "ready").touch()
        for blob in (content.config, content.big):
            with (blobs / blob.digest).open("wb") as target:
                target.writelines(blob.parts)
        # Its workers give up root, and could then not enter a private temporary folder.
        user = "user root;" if os.geteuid() == 0 else ""
        place = server.place.parent
        text = NGINX.format(place=place, host=HOST, port=server.port, user=user)
        (place / "nginx.conf").write_text(text)

    def command(self, server: Server) -> list[str]:
        place = server.place.parent
        return [self.program(), "-p", str(place), "-c", str(place / "nginx.conf")]


class HashAndWrite(Contender):
    """Python hashes bytes and writes them to a file, no network: the floor for pushes."""

    key = "hash-and-write"
    label = "hash and write alone"
    offers = frozenset({"blob-push"})

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return "hashlib.sha256, write, fsync, one after another"

    def start(self, place: Path, content: Content) -> Server:
        return PlainDisk(key=self.key, offers=self.offers, place=place)


class PlainDisk(Server):
    """Takes a pushed blob as a server's innermost loop would, and keeps nothing."""

    def push(self, connection: Connection, repository: str, blob: Blob) -> None:
        state = hashlib.sha256()
        with tempfile.TemporaryFile(dir=self.place) as target:
            for piece in blob.pieces(READ):
                state.update(piece)
                target.write(piece)
            target.flush()
            os.fsync(target.fileno())
        if f"sha256:{state.hexdigest()}" != blob.digest:
            raise WrongAnswer("the bytes are not those of the digest")
