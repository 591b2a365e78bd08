"""A locked server: who signs in may push and pull, and nobody else learns anything."""

from __future__ import annotations

import pytest

from tests.interop.engine import Engine
from tests.interop.hello import GREETING
from tests.interop.images import Layout, layout_graph
from tests.interop.tools import PASSWORD, USER, Client, Registry
from tests.live import LiveServer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

LOGIN = ("--username", USER, "--password-stdin")
SECRET = PASSWORD.encode()


@pytest.fixture
def locked(locked_server: LiveServer) -> Registry:
    """The locked server, read as its user."""
    registry = Registry(locked_server.url)
    registry.session.auth = (USER, PASSWORD)
    return registry


def test_docker_signs_in_pushes_and_pulls(engine: Engine, locked: Registry) -> None:
    image = f"{locked.host}/team/app:1"
    stranger, keeper = engine.client("stranger"), engine.client("keeper")
    built = engine.build_hello(image, payload=b"locked")
    assert "requested access to the resource is denied" in stranger.refused("push", image)
    wrong = stranger.refused("login", *LOGIN, locked.host, stdin=b"guessed")
    assert "401" in wrong or "unauthorized" in wrong.lower()

    assert "Login Succeeded" in keeper("login", *LOGIN, locked.host, stdin=SECRET)
    keeper("push", image)
    assert built in locked.graph("team/app", "1")
    engine.forget(image)
    assert "pull access denied" in stranger.refused("pull", image)
    keeper("pull", image)
    assert engine.image_id(image) == built
    assert engine.run(image) == GREETING
    keeper("logout", locked.host)
    assert "requested access to the resource is denied" in keeper.refused("push", image)


def test_skopeo_copies_as_the_user_only(
    skopeo: Client, layout: Layout, locked: Registry, locked_server: LiveServer
) -> None:
    layout.tag("1", layout.image("locked"))
    target = f"docker://{locked.host}/team/skopeo:1"
    copy = ("copy", "--dest-tls-verify=false", f"oci:{layout.at('1')}", target)
    assert "requested access to the resource is denied" in skopeo.refused(*copy)
    skopeo("login", "--tls-verify=false", *LOGIN, locked.host, stdin=SECRET)
    skopeo(*copy)
    assert locked.graph("team/skopeo", "1") == layout_graph(layout.folder, "1")
    skopeo("logout", locked.host)
    assert "unauthorized" in skopeo.refused("inspect", "--tls-verify=false", target)
    assert PASSWORD not in locked_server.log()


def test_go_clients_sign_in(crane: Client, oras: Client, layout: Layout, locked: Registry) -> None:
    layout.tag("1", layout.image("locked"))
    image = f"{locked.host}/team/go"
    assert "401 Unauthorized" in crane.refused("push", layout.folder, f"{image}:crane")
    crane("auth", "login", *LOGIN, locked.host, stdin=SECRET)
    crane("push", layout.folder, f"{image}:crane")
    copy = ("cp", "--from-oci-layout", "--to-plain-http", layout.at("1"), f"{image}:oras")
    assert "401: Unauthorized" in oras.refused(*copy)
    oras("login", "--plain-http", *LOGIN, locked.host, stdin=SECRET)
    oras(*copy)
    assert locked.graph("team/go", "crane") == locked.graph("team/go", "oras")


def test_a_stranger_learns_nothing(locked: Registry, layout: Layout, crane: Client) -> None:
    digest = layout.tag("1", layout.image("locked"))
    crane("auth", "login", *LOGIN, locked.host, stdin=SECRET)
    crane("push", layout.folder, f"{locked.host}/team/secret:1")
    stranger = Registry(locked.url)
    kept, nothing = "team/secret", "team/nothing"
    for path in ("manifests/1", f"manifests/{digest}", "tags/list", f"referrers/{digest}"):
        real, void = (stranger.request("GET", f"{name}/{path}") for name in (kept, nothing))
        assert (real.status_code, void.status_code) == (401, 401)
        # An answer may repeat the name that was asked for, and must not differ in anything else.
        assert real.text == void.text.replace(nothing, kept)
        assert real.headers.keys() == void.headers.keys()
        assert real.json()["errors"][0]["code"] == "UNAUTHORIZED"
        assert real.headers["WWW-Authenticate"].startswith("Bearer realm=")
        challenges = [answer.headers["WWW-Authenticate"] for answer in (real, void)]
        assert challenges[0] == challenges[1].replace(nothing, kept)
    for path in ("", "_catalog"):
        assert stranger.request("GET", path).status_code == 401
    uploads = stranger.request("POST", f"{kept}/blobs/uploads/")
    assert (uploads.status_code, uploads.headers.get("Location")) == (401, None)
