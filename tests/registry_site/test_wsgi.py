"""The WSGI application: what goes straight to `/v2/`, and what goes to Django."""

from collections.abc import Iterable
from typing import Any

import pytest
from django.test import Client

from registry_site import wsgi
from tests.api.doors import environment

pytestmark = pytest.mark.django_db


def status(path: str) -> tuple[str, dict[str, str]]:
    started: list[tuple[str, list[tuple[str, str]]]] = []
    body: Iterable[bytes] = wsgi.application(
        environment("GET", path), lambda *answer: started.append(answer)
    )
    b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return started[0][0], dict(started[0][1])


@pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2/app/tags/list", "/v2/%0a"])
def test_the_specifications_paths_never_reach_django(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        pytest.fail("Django saw the request")

    monkeypatch.setattr(wsgi, "_django", refuse)
    assert status(path)[1]["Docker-Distribution-API-Version"] == "registry/2.0"


@pytest.mark.parametrize("path", ["/", "/healthz", "/admin/", "/v2x", "/nowhere"])
def test_everything_else_is_djangos(path: str) -> None:
    assert "Docker-Distribution-API-Version" not in status(path)[1]


def test_the_first_page_says_how_to_push_to_this_very_server(client: Client) -> None:
    response = client.get("/", headers={"host": "registry.example.com:5000"})

    assert response.status_code == 200
    assert b"docker push registry.example.com:5000/hello-world" in response.content


def test_a_slash_is_never_appended_by_a_redirect(client: Client) -> None:
    """It would lose the body of the request."""
    assert client.get("/admin").status_code == 404
