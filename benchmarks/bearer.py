"""Tokens, as a client that has signed in asks for them and sends them.

`docker login` shows its password once and keeps a refresh token; for each repository it then gets a
bearer token that lives some minutes, and sends it with every request. So does an `Account`: rows
ask it for headers before they start their clock, and it asks for a new token in time.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlencode

from benchmarks.client import Answer, Connection, WrongAnswer

CATALOG = "registry:catalog:*"  # who lists repositories needs it
# No sample takes so long: a token with less than this left is not handed out.
SPARE_SECONDS = 150.0
WAITS = 30  # seconds at most for a token service that says 429
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def pull(repository: str) -> str:
    """The scope of reading a repository, or of mounting from it."""
    return f"repository:{repository}:pull"


def push(repository: str) -> str:
    """The scope of reading and writing a repository."""
    return f"repository:{repository}:pull,push"


class Account:
    """Somebody who may do everything. Threads may share one."""

    def __init__(self, host: str, port: int, name: str, password: str) -> None:
        self._host, self._port = host, port
        self._name, self._password = name, password
        self._refresh = ""
        self._known: dict[tuple[str, ...], tuple[str, float]] = {}
        self._lock = threading.Lock()

    def headers(self, scopes: Sequence[str]) -> dict[str, str]:
        """The header for requests of these scopes, good for SPARE_SECONDS. Raises WrongAnswer."""
        with self._lock:
            token, until = self._known.get(tuple(scopes), ("", 0.0))
            if until < time.monotonic() + SPARE_SECONDS:
                token, until = self._fetch(scopes)
                self._known[tuple(scopes)] = token, until
        return {"Authorization": f"Bearer {token}"}

    def new_headers(self, scopes: Sequence[str]) -> dict[str, str]:
        """The same with a token that is asked for now, as each `docker pull` does."""
        return {"Authorization": f"Bearer {self._fetch(scopes)[0]}"}

    def _fetch(self, scopes: Sequence[str]) -> tuple[str, float]:
        if not self._refresh:
            self._refresh = self._sign_in()
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh}
        body = urlencode({**form, "scope": " ".join(scopes)}).encode()
        asked = time.monotonic()
        answer = self._ask("POST", "/token", FORM, body)
        found = json.loads(answer.body)
        if found["expires_in"] <= SPARE_SECONDS:
            raise WrongAnswer(f"a token lives {found['expires_in']} s, which is less than a row")
        return str(found["token"]), asked + found["expires_in"]

    def _sign_in(self) -> str:
        shown = base64.b64encode(f"{self._name}:{self._password}".encode()).decode()
        answer = self._ask("GET", "/token?offline_token=true", {"Authorization": f"Basic {shown}"})
        return str(json.loads(answer.body)["refresh_token"])

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        with Connection(self._host, self._port, headers) as connection:
            for _ in range(WAITS):
                answer = connection.request(method, path, body=body)
                if answer.status != 429:
                    break
                time.sleep(1)  # so many tokens a second for one address: no row waits for it
        return answer.expect(200, f"{method} /token")
