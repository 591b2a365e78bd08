"""Berth as the token server of the Distribution project's registry, versions 2 and 3.

Everything is asked as clients ask it: the registry names the token server, which signs a token.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.accounts.sso.distribution import SERVICE, Distribution, find
from tests.accounts.sso.missing import missing
from tests.live import LiveServer

pytestmark = pytest.mark.timeout(180)

CREDENTIALS = ("ada", "a password of hers")
CONFIG = b"{}"
LAYER = b"a layer"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@pytest.fixture(scope="module")
def berth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    data = tmp_path_factory.mktemp("berth") / "data"
    env = {"REGISTRY_AUTH_TOKEN_OTHERSERVICES": SERVICE}
    with LiveServer(data, open_access=False, env=env) as server:
        make = "from accounts.models import User; User.objects.create_user('ada', password={!r})"
        server.manage("shell", "-c", make.format(CREDENTIALS[1]))
        yield server


def by_certificates(berth: LiveServer, folder: Path) -> dict[str, str]:
    """What version 2 trusts."""
    bundle = folder / "certificates.pem"
    bundle.write_bytes(requests.get(f"{berth.url}/token/certificates.pem", timeout=30).content)
    return {"rootcertbundle": str(bundle)}


def by_jwks(berth: LiveServer, folder: Path) -> dict[str, str]:
    """What version 3 trusts."""
    keys = folder / "jwks.json"
    keys.write_bytes(requests.get(f"{berth.url}/token/jwks.json", timeout=30).content)
    return {"jwks": str(keys)}


Trust = Callable[[LiveServer, Path], dict[str, str]]


@pytest.fixture(params=[(2, by_certificates), (3, by_jwks)], ids=["version 2", "version 3"])
def other(
    request: pytest.FixtureRequest, berth: LiveServer, tmp_path: Path
) -> Iterator[Distribution]:
    """The other registry, of each version."""
    major: int
    trust: Trust
    major, trust = request.param
    program = find(major)
    if program is None:
        if major == 2:
            missing("Distribution 2 is not installed: apt install docker-registry")
        pytest.skip("Distribution 3 is not installed: no `registry` on the PATH")
    facts = trust(berth, tmp_path)
    realm = f"{berth.url}/token"
    with Distribution(program, tmp_path, realm=realm, trust=facts) as registry:
        yield registry


class Client:
    """A registry client, as far as signing in goes."""

    def __init__(self, credentials: tuple[str, str] | None) -> None:
        self.credentials = credentials
        self.token = ""

    def ask(
        self,
        method: str,
        address: str,
        body: bytes = b"",
        *,
        kind: str = "application/octet-stream",
    ) -> requests.Response:
        """Ask; when told to, get a token and ask again."""
        answer = self._ask(method, address, body, kind)
        if answer.status_code == 401 and self._fetch_token(answer.headers["WWW-Authenticate"]):
            answer = self._ask(method, address, body, kind)
        return answer

    def _ask(self, method: str, address: str, body: bytes, kind: str) -> requests.Response:
        headers = {"Content-Type": kind, "Accept": MANIFEST_TYPE}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return requests.request(method, address, data=body, headers=headers, timeout=30)

    def _fetch_token(self, challenge: str) -> bool:
        asked = dict(CHALLENGE.findall(challenge))
        answer = requests.get(asked.pop("realm"), params=asked, auth=self.credentials, timeout=30)
        self.token = answer.json().get("token", "")
        return bool(self.token)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push(client: Client, url: str, name: str) -> bytes:
    """Push a small image; its manifest."""
    for blob in (CONFIG, LAYER):
        started = client.ask("POST", f"{url}/v2/{name}/blobs/uploads/")
        assert started.status_code == 202, started.text
        location = started.headers["Location"]
        joint = "&" if "?" in location else "?"
        done = client.ask("PUT", f"{location}{joint}digest={digest(blob)}", blob)
        assert done.status_code == 201, done.text
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor("application/vnd.oci.image.config.v1+json", CONFIG),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", LAYER)],
        }
    ).encode()
    put = client.ask("PUT", f"{url}/v2/{name}/manifests/1", manifest, kind=MANIFEST_TYPE)
    assert put.status_code == 201, put.text
    return manifest


def _descriptor(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}


def test_it_takes_berths_tokens(other: Distribution) -> None:
    manifest = push(Client(CREDENTIALS), other.url, "ada/app")
    puller = Client(CREDENTIALS)
    assert puller.ask("GET", f"{other.url}/v2/ada/app/manifests/1").content == manifest
    blob = puller.ask("GET", f"{other.url}/v2/ada/app/blobs/{digest(LAYER)}")
    assert blob.content == LAYER


def test_berths_rules_decide_there(other: Distribution) -> None:
    push(Client(CREDENTIALS), other.url, "ada/app")
    for client in (Client(None), Client(("ada", "wrong"))):
        assert client.ask("GET", f"{other.url}/v2/ada/app/manifests/1").status_code == 401
    foreign = Client(CREDENTIALS).ask("POST", f"{other.url}/v2/payments/app/blobs/uploads/")
    assert foreign.status_code == 401


def test_a_token_for_the_other_registry_is_refused_here(berth: LiveServer) -> None:
    query = {"service": SERVICE, "scope": "repository:ada/app:pull,push"}
    tokens = {}
    for service in (SERVICE, "berth"):
        answer = requests.get(
            f"{berth.url}/token", params={**query, "service": service}, auth=CREDENTIALS, timeout=30
        )
        tokens[service] = answer.json()["token"]
    for service, status in ((SERVICE, 401), ("berth", 202)):
        headers = {"Authorization": f"Bearer {tokens[service]}"}
        address = f"{berth.url}/v2/ada/app/blobs/uploads/"
        assert requests.post(address, headers=headers, timeout=30).status_code == status


def test_a_token_for_berth_is_refused_there(berth: LiveServer, other: Distribution) -> None:
    query = {"service": "berth", "scope": "repository:ada/app:pull,push"}
    answer = requests.get(f"{berth.url}/token", params=query, auth=CREDENTIALS, timeout=30)
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    address = f"{other.url}/v2/ada/app/blobs/uploads/"
    assert requests.post(address, headers=headers, timeout=30).status_code == 401


def test_services_that_nobody_named_get_no_tokens(berth: LiveServer) -> None:
    query = {"service": "somebody's registry", "scope": "repository:ada/app:pull"}
    answer = requests.get(f"{berth.url}/token", params=query, auth=CREDENTIALS, timeout=30)
    assert answer.status_code == 400
    assert "REGISTRY_AUTH_TOKEN_OTHERSERVICES" in answer.text
