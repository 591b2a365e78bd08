"""What the server is told of a request, as programs have it."""

import time

import pytest
from pytest_django import Settings

from tests.api.v1.conftest import Cast, problem

USED = "https%3A%2F%2Fregistry.example.com"


def test_what_a_proxy_tells_wrong_is_said_with_what_mends_it(cast: Cast) -> None:
    said = cast["admin"].get(f"proxy?used={USED}").json()
    assert (said["peer"], said["is_trusted"], said["client"]) == ("127.0.0.1", True, "127.0.0.1")
    assert said["base"].startswith("http://")
    found = {finding["id"]: finding for finding in said["findings"]}
    assert found["scheme"]["level"] == "problem"
    lines = [fix["lines"] for fix in found["scheme"]["fixes"]]
    assert "REGISTRY_HTTP_HOST=https://registry.example.com" in lines
    assert {fix["tool"] for fix in found["scheme"]["fixes"]} >= {"nginx", "Caddy", "Berth"}


def test_without_an_address_only_the_request_itself_is_looked_at(
    cast: Cast, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = ["0.0.0.0/0"]
    found = cast["admin"].get("proxy").json()["findings"]
    assert [finding["id"] for finding in found] == ["trusts-everyone"]


def test_it_waits_as_long_as_it_is_asked_to_and_for_administrators_only(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    assert cast["admin"].get("proxy?wait=120").status_code == 200
    assert cast["owner"].get("proxy?wait=120").status_code == 403
    assert waited == [120]


@pytest.mark.parametrize("query", ["wait=121", "wait=0", "wait=-1", "wait=1.5", "used=%00", "x=1"])
def test_what_is_not_described_is_refused(cast: Cast, query: str) -> None:
    assert problem(cast["admin"].get(f"proxy?{query}"))["status"] == 400
