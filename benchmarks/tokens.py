"""What a token costs a pull: GET of a manifest from an open Berth, and from a locked one by token.

    python -m benchmarks.tokens [ROUNDS]

Two servers of this working tree, on SQLite, with the same manifest, loaded in turn. The checks of a
token are its signature, once, and what it allows, each time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.bearer import Account, push
from benchmarks.contenders import PASSWORD
from benchmarks.load import Target, requests_in
from benchmarks.servers import HOST, ROOT, Server, free_port, start_process, wait_ready
from benchmarks.steps import manifest_path

NAME = "bench/token"
SECONDS = 4.0
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = b'{"schemaVersion":2,"mediaType":"%s","manifests":[]}' % INDEX.encode()


def start(place: Path, *, is_open: bool) -> Server:
    """A Berth that is open, or locked with an administrator of PASSWORD."""
    place.mkdir()
    server = Server(key="berth", offers=frozenset(), port=free_port(), place=place)
    where = ["--bind", f"{HOST}:{server.port}", "--data", str(place / "data")]
    command = [sys.executable, str(ROOT / "manage.py"), "serve", *where]
    server.process = start_process(
        command + ["--open"] * is_open, place / "log", env={"REGISTRY_ADMIN_PASSWORD": PASSWORD}
    )
    wait_ready(server, "/readyz", place / "log")
    if not is_open:
        server.account = Account(HOST, server.port, "admin", PASSWORD)
    return server


def rate(server: Server, headers: Mapping[str, str]) -> float:
    """Requests answered in a second."""
    path = manifest_path(NAME, "latest")
    count, seconds = requests_in(Target(HOST, server.port, "GET", path, headers), SECONDS)
    return count / seconds


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        servers = [start(Path(folder) / key, is_open=key == "open") for key in ("open", "locked")]
        try:
            sent = [server.headers(push(NAME)) for server in servers]
            for server in servers:
                with server.connect(push(NAME)) as connection:
                    path, kind = manifest_path(NAME, "latest"), {"Content-Type": INDEX}
                    connection.request("PUT", path, kind, MANIFEST).expect(201, "PUT")
            rates = [
                [rate(server, headers) for server, headers in zip(servers, sent, strict=True)]
                for _ in range(rounds)
            ]
        finally:
            for server in servers:
                server.stop()
    without, by_token = (median(column) for column in zip(*rates, strict=True))
    print(
        f"open {without:,.0f}/s, by token {by_token:,.0f}/s: {1 - by_token / without:+.1%} slower"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
