"""A small OpenID issuer for CI jobs: metadata and keys on loopback, and tokens that it signs."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

AUDIENCE = "registry.example.com"


class Issuer:
    """`with Issuer() as issuer: …`. What it serves can be changed; `asked` is what was asked."""

    def __init__(self) -> None:
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa-1"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec-1"})
        self.published: list[Any] = [self.public(self.rsa), self.public(self.ec)]
        self.asked: list[str] = []
        self.piece, self.pause = 1_000_000, 0.0  # how the bodies are sent
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Issuer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @staticmethod
    def public(key: RSAKey | ECKey) -> dict[str, Any]:
        return {**key.as_dict(private=False), "use": "sig"}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What a job's token says, with changes; `...` takes a claim away."""
        now = int(time.time())
        good = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "repo:acme/payments:ref:refs/heads/main",
            "repository": "acme/payments",
            "ref": "refs/heads/main",
            "exp": now + 300,
            "nbf": now,
            "iat": now,
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not ...}

    def token(
        self,
        key: RSAKey | ECKey | None = None,
        header: dict[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """A token, by the RSA key unless another is given."""
        key = key or self.rsa
        algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
        full = {"alg": algorithm, "kid": key.kid, **(header or {})}
        full = {name: value for name, value in full.items() if value is not ...}
        return jwt.encode(full, self.claims(**changes), key, algorithms=[algorithm])

    def _answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path in self.answers:
            return self.answers[path]
        documents = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
            },
            "/keys": {"keys": self.published},
        }
        found = documents.get(path)
        return (200 if found else 404), {}, json.dumps(found or {}).encode()

    def _handler(issuer) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                status, headers, body = issuer._answer(self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    for start in range(0, len(body), issuer.piece):
                        self.wfile.write(body[start : start + issuer.piece])
                        time.sleep(issuer.pause)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Nothing: what was asked is in `asked`."""

        return Handler
