"""The pages of retention rules: shown before they are saved, and without losing what was typed."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from pytest_django.asserts import assertContains, assertNotContains

from repositories.models import Repository, RetentionPolicy, RetentionRun, Tag
from tests.accounts.web.conftest import World
from tests.repositories.web.images import push

OLD = "payments/api"


def sent(*rules: dict[str, Any], **more: str) -> dict[str, Any]:
    """The form of these rules."""
    data: dict[str, Any] = {"form-TOTAL_FORMS": str(len(rules)), "form-INITIAL_FORMS": "0", **more}
    for number, rule in enumerate(rules):
        data |= {f"form-{number}-{name}": value for name, value in rule.items()}
    return data


def saved(*rules: dict[str, Any], stored: str) -> dict[str, Any]:
    """The form that saves the rules, of which these have been previewed."""
    return sent(*rules, save="yes", previewed=stored)


NEWEST = {"rule": "newest", "count": "1", "pattern": "v*"}
STORED = '[{"rule": "newest", "count": 1, "pattern": "v*"}]'
UNTAGGED = {"rule": "untagged", "days": "7"}


@pytest.fixture
def address() -> str:
    return reverse("repository-retention", args=[OLD])


@pytest.fixture
def maintainer(world: World) -> Client:
    for tag in ("old", "v1"):
        push(world, tag, tag.encode())
    client = Client()
    client.force_login(world.users["maintainer"])
    return client


def test_a_preview_says_what_goes_and_why_and_saves_nothing(
    maintainer: Client, address: str
) -> None:
    shown = maintainer.post(address, sent(NEWEST, UNTAGGED, preview="yes"))
    assertContains(shown, "Keep the newest tag that matches v*")
    assertContains(shown, "Remove manifests that have had no tag for 7 days")
    assertContains(shown, "no rule keeps it")
    assertContains(shown, "a tag that stays leads to it")
    assertContains(shown, "Save these rules")
    assertContains(shown, "3 bytes")
    assert not RetentionPolicy.objects.exists()
    assert Tag.objects.count() == 2


def test_saved_rules_are_shown_and_can_be_changed_and_removed(
    maintainer: Client, address: str
) -> None:
    assertNotContains(maintainer.get(address), "Save these rules")
    done = maintainer.post(address, saved(NEWEST, {"rule": ""}, stored=STORED), follow=True)
    assertContains(done, "Saved. The rules are applied in a minute.")
    assertContains(done, "In force: the rules of this repository")
    assertContains(done, 'value="v*"')
    assert RetentionPolicy.objects.get().rules == [{"rule": "newest", "count": 1, "pattern": "v*"}]
    RetentionRun.objects.create(
        repository=Repository.objects.get(name=OLD),
        due_at="2026-01-01T00:00Z",
        failures=1,
        tags=12_345,
    )
    shown = maintainer.get(address)
    assertContains(shown, "failed, and tried again")
    done = maintainer.post(address, {"remove": "yes"}, follow=True)
    assertContains(done, "everything stays")
    assert not RetentionPolicy.objects.exists()


def test_rules_that_nobody_has_previewed_are_shown_and_not_saved(
    maintainer: Client, address: str
) -> None:
    for form in (sent(NEWEST, save="yes"), saved(UNTAGGED, stored=STORED)):
        shown = maintainer.post(address, form)
        assertContains(shown, "not been previewed yet")
        assertContains(shown, "What these rules would remove now")
    assert not RetentionPolicy.objects.exists()


def test_without_a_rule_a_repository_keeps_everything(maintainer: Client, address: str) -> None:
    maintainer.post(address, saved({"rule": ""}, stored="[]"))
    assert RetentionPolicy.objects.get().rules == []
    assertContains(maintainer.get(address), "No rules: everything stays.")


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"rule": "newest", "pattern": "release-*"}, "Rule 1: “count” is missing."),
        ({"rule": "matching", "pattern": "rel[0-9"}, "matches no tag"),
        ({"rule": "newest", "count": "x", "pattern": "rel*"}, "Enter a whole number."),
        ({"rule": "never", "pattern": "rel*"}, "never is not one of the available choices."),
    ],
)
def test_what_is_wrong_is_told_and_nothing_typed_is_lost(
    maintainer: Client, address: str, rule: dict[str, str], told: str
) -> None:
    for button in ("preview", "save"):
        shown = maintainer.post(address, sent(rule, **{button: "yes"}))
        assertContains(shown, told)
        assertContains(shown, rule["pattern"])
        assertNotContains(shown, "Save these rules")
    assert not RetentionPolicy.objects.exists()


def test_what_another_kind_of_rule_had_is_passed_over(maintainer: Client, address: str) -> None:
    """The page hides the fields that a rule has no use for, with what is in them."""
    left = {"rule": "pulled", "days": "9", "pattern": "rel*", "count": "3", "line": "major"}
    shown = maintainer.post(address, sent(left, preview="yes"))
    assertContains(shown, "Keep images that were pulled, or pushed, within the last 9 days")
    assertContains(shown, escape('[{"rule": "pulled", "days": 9}]'))
    assertNotContains(shown, "rel*")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"form-TOTAL_FORMS": "-1"},
        {"form-TOTAL_FORMS": "99999999", "form-INITIAL_FORMS": "0"},
        sent({"rule": "matching", "pattern": "\0"}, save="yes"),
        saved(*[NEWEST] * 40, stored=STORED),
    ],
)
def test_forms_that_no_browser_sends_do_no_harm(
    maintainer: Client, address: str, data: dict[str, str]
) -> None:
    assert maintainer.post(address, data).status_code == 200
    assert not RetentionPolicy.objects.exists()


def test_it_says_where_deleting_is_switched_off(
    maintainer: Client, address: str, settings: Any
) -> None:
    settings.DELETE_ENABLED = False
    shown = maintainer.post(address, sent(NEWEST, preview="yes"))
    assertContains(shown, "REGISTRY_STORAGE_DELETE_ENABLED")


def test_a_team_s_rules_hold_where_there_are_no_others(
    maintainer: Client, address: str, world: World
) -> None:
    owner = Client()
    owner.force_login(world.users["owner"])
    team = reverse("team-retention", args=["payments"])
    shown = owner.post(team, sent(NEWEST, preview="yes"))
    assertContains(shown, "payments/api")
    assertContains(shown, "Together they free 3 bytes")
    owner.post(team, saved(NEWEST, stored=STORED))
    assertContains(owner.get(team), "Remove the rules")
    assertContains(maintainer.get(address), "In force: the rules of the team")
    assertNotContains(maintainer.get(address), "Follow the team again")
    owner.post(team, {"remove": "yes"})
    assertContains(owner.get(team), "No rules: everything stays.")
