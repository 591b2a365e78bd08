"""Retention by the API: what a program sees of it."""

from typing import Any

import pytest

from repositories.access import principal_of
from repositories.models import RetentionPolicy
from tests.api.v1.conftest import Cast, World, problem
from tests.repositories.content import push_image

APP = "repositories/payments/app"
RULES = [
    {"rule": "newest", "count": 1, "pattern": "v*"},
    {"rule": "untagged", "days": 7},
]


@pytest.fixture
def images(world: World) -> dict[str, str]:
    """Beside `v1`, which is older."""
    owner = principal_of(world.users["owner"])
    return {
        tag: str(push_image(owner, tag.encode(), repository="payments/app", tags=[tag]).digest)
        for tag in ("v2", "old")
    }


def test_a_policy_is_set_shown_and_removed(cast: Cast) -> None:
    maintainer, owner = cast["maintainer"], cast["owner"]
    none = maintainer.get(f"{APP}/-/retention").json()
    assert (none["rules"], none["is_set"], none["run"]) == ([], False, None)
    owner.call("PUT", "teams/payments/retention", {"rules": RULES[1:]})
    assert maintainer.get(f"{APP}/-/retention").json() | {"changed_at": ""} == {
        "rules": RULES[1:],
        "is_set": True,
        "is_teams": True,
        "changed_at": "",
        "changed_by": "owner",
        "run": None,
    }
    own = maintainer.call("PUT", f"{APP}/-/retention", {"rules": RULES}).json()
    assert (own["rules"], own["is_teams"], own["changed_by"]) == (RULES, False, "maintainer")
    assert maintainer.call("DELETE", f"{APP}/-/retention").status_code == 204
    assert maintainer.get(f"{APP}/-/retention").json()["is_teams"]
    assert owner.call("DELETE", "teams/payments/retention").status_code == 204
    assert not owner.get("teams/payments/retention").json()["is_set"]


def test_a_preview_tells_of_each_tag_and_manifest_which_rule_decides(
    cast: Cast, images: dict[str, str]
) -> None:
    address = f"{APP}/-/retention/preview"
    said = cast["maintainer"].post(address, {"rules": RULES, "stays": False}).json()
    assert {(row["tag"], row["because"]) for row in said["entries"]} >= {
        ("v1", "no-rule"),
        ("old", "no-rule"),
    }
    assert images["old"] in {row["digest"] for row in said["entries"] if not row["tag"]}
    sums = said["sums"]
    assert (sums["tags"], sums["tags_staying"], sums["is_switched_off"]) == (2, 1, False)
    assert sums["bytes"] == len(b"old")
    kept = cast["maintainer"].post(address, {"rules": RULES, "stays": True, "limit": 1}).json()
    assert kept["entries"] == [
        {
            "tag": "v2",
            "digest": images["v2"],
            "stays": True,
            "because": "rule",
            "rule": 0,
        }
    ]
    rest = {"rules": RULES, "stays": True, "after": kept["next"]}
    assert "v2" not in [
        row["tag"] for row in cast["maintainer"].post(address, rest).json()["entries"]
    ]


@pytest.mark.usefixtures("images")
def test_a_preview_without_rules_is_of_those_in_force(cast: Cast) -> None:
    owner = cast["owner"]
    address = f"{APP}/-/retention/preview"
    assert owner.post(address, {}).json()["sums"]["tags"] == 0
    owner.call("PUT", "teams/payments/retention", {"rules": RULES})
    assert owner.post(address).json()["sums"]["tags"] == 2
    assert owner.post(address, {"rules": []}).json()["sums"]["tags"] == 0
    team = owner.post("teams/payments/retention/preview").json()
    assert [(row["repository"], row["tags"]) for row in team["repositories"]] == [
        ("payments/app", 2)
    ]
    assert team["bytes"] == team["repositories"][0]["bytes"]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([{"rule": "newest"}], "Rule 1: “count” is missing."),
        ([{"rule": "pulled", "days": 3, "pattern": "*"}], "Rule 1: “pattern” has no meaning"),
        ([{"rule": "untagged", "days": 3}] * 2, "Only one rule"),
    ],
)
def test_rules_without_sense_are_refused_by_name(cast: Cast, rules: object, told: str) -> None:
    refused = problem(cast["owner"].call("PUT", f"{APP}/-/retention", {"rules": rules}))
    assert refused["status"] == 400
    assert told in refused["errors"]["rules"][0]
    assert not RetentionPolicy.objects.exists()


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "newest", "count": "3"},
        {"rule": "newest", "count": True},
        {"rule": "newest", "count": 3.5},
        {"rule": "newest", "count": 0},
        {"rule": "newest", "count": 10**30},
        {"rule": "matching", "pattern": "v["},
        {"rule": "matching", "pattern": "*" * 200},
        {"rule": "matching", "pattern": "\0"},
        {"rule": "x"},
        {"rule": ["newest"], "count": 1},
        {"rule": "newest", "count": 1, "else": 1},
        "newest",
    ],
)
def test_what_is_no_rule_is_refused(cast: Cast, rule: Any) -> None:
    refused = problem(cast["owner"].call("PUT", f"{APP}/-/retention", {"rules": [rule]}))
    assert refused["status"] == 400
    assert any(name.startswith("rules") for name in refused["errors"])


def test_it_says_where_deleting_is_switched_off(cast: Cast, settings: Any) -> None:
    settings.DELETE_ENABLED = False
    said = cast["owner"].post(f"{APP}/-/retention/preview", {"rules": RULES}).json()
    assert said["sums"]["is_switched_off"]
