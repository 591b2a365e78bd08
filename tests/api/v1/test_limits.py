"""Limits by the management API: who may change which, and what pushes are answered then."""

import pytest

from accounts.models import AuditEvent
from repositories.models import RegistryMode, RepositoryLimits, TeamLimits
from tests.api.v1.conftest import LAYER, Cast, World, problem
from tests.oci.documents import CONFIG

OF_APP = "repositories/payments/app/-/limits"
OF_TEAM = "teams/payments/limits"
STORED = len(LAYER + CONFIG)


def test_without_any_there_are_none(world: World, cast: Cast) -> None:
    nothing: dict[str, object] = {"quota": None, "used": None, "immutable_tags": []}
    assert cast["reader"].get(OF_TEAM).json() == nothing
    assert cast["reader"].get(OF_APP).json() == nothing | {"is_archived": False}
    assert cast["reader"].get("read-only").json() == {
        "enabled": False,
        "by_setting": False,
        "changed_at": None,
        "changed_by": "",
    }
    assert not TeamLimits.objects.exists()
    assert not RepositoryLimits.objects.exists()
    assert not RegistryMode.objects.exists()


def test_what_is_set_is_shown_with_what_is_used(world: World, cast: Cast) -> None:
    changes = {"quota": 10**12, "immutable_tags": ["v*", "[0-9]*"], "is_archived": True}
    said = cast["owner"].call("PATCH", OF_APP, changes)
    assert said.json() == changes | {"used": STORED} == cast["reader"].get(OF_APP).json()
    said = cast["admin"].call("PATCH", OF_TEAM, {"quota": 1, "immutable_tags": ["*"]})
    assert said.json() == {"quota": 1, "used": STORED, "immutable_tags": ["*"]}
    said = cast["admin"].call("PATCH", OF_TEAM, {"quota": None})
    assert said.json() == {"quota": None, "used": None, "immutable_tags": ["*"]}
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"team.set-quota", "repository.set-quota", "repository.archive"} <= actions


@pytest.mark.parametrize("who", ["maintainer", "owner"])
def test_quotas_are_for_those_above(who: str, world: World, cast: Cast) -> None:
    """A team's for administrators, a repository's for owners; and nothing is done by halves."""
    path = OF_APP if who == "maintainer" else OF_TEAM
    refused = cast[who].call("PATCH", path, {"quota": 1, "immutable_tags": ["v*"]})
    assert problem(refused)["status"] == 403
    assert not RepositoryLimits.objects.exists()
    assert not TeamLimits.objects.exists()


@pytest.mark.parametrize("quota", [-1, 2**63, "5", 5.5, True, [], {}])
def test_a_quota_is_a_number_of_bytes(quota: object, world: World, cast: Cast) -> None:
    said = cast["admin"].call("PATCH", OF_TEAM, {"quota": quota})
    assert set(problem(said)["errors"]) == {"quota"}
    most = cast["admin"].call("PATCH", OF_TEAM, {"quota": 2**63 - 1})
    assert most.json()["quota"] == 2**63 - 1


@pytest.mark.parametrize("patterns", [["a b"], ["v*\n"], [""], ["["], [1], "v*", ["x"] * 51])
def test_patterns_are_checked(patterns: object, world: World, cast: Cast) -> None:
    for path in (OF_APP, OF_TEAM):
        assert problem(cast["owner"].call("PATCH", path, {"immutable_tags": patterns}))["errors"]


def test_deletes_are_refused_as_the_limits_say(world: World, cast: Cast) -> None:
    app = "repositories/payments/app"
    cast["owner"].call("PATCH", OF_APP, {"immutable_tags": ["v*"]})
    for method, path, body in (
        ("POST", f"{app}/-/deletions", {"tags": ["v1"]}),
        ("POST", f"{app}/-/deletions", {"digests": [world.ids["payments"]["digest"]]}),
        ("DELETE", app, None),
    ):
        said = problem(cast["admin"].call(method, path, body))
        assert said["status"] == 403
        assert "v1 is immutable" in said["detail"]
    cast["owner"].call("PATCH", OF_APP, {"immutable_tags": [], "is_archived": True})
    said = problem(cast["admin"].call("DELETE", app))
    assert said["status"] == 405
    assert "archived" in said["detail"]
    cast["owner"].call("PATCH", OF_APP, {"is_archived": False})
    cast["admin"].call("PUT", "read-only", {"enabled": True})
    assert problem(cast["admin"].call("DELETE", app))["status"] == 405
    mode = cast["reader"].get("read-only").json()
    assert (mode["enabled"], mode["changed_by"]) == (True, "admin")
    assert mode["changed_at"].endswith("Z")
    cast["admin"].call("PUT", "read-only", {"enabled": False})
    assert cast["admin"].call("DELETE", app).status_code == 200
