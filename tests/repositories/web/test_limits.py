"""Quotas, immutable tags and read-only mode on pages."""

import pytest
from django.test import Client
from django.utils.html import escape
from pytest_django import Settings

from repositories import limit_settings, usage
from repositories.access import principal_of
from repositories.models import RegistryMode, RepositoryLimits, Tag, TeamLimits
from tests.accounts.web.conftest import World
from tests.repositories.web.images import NAME, XSS, push

PAGE = f"/repositories/{NAME}/-"
SETTINGS = f"{PAGE}/settings"
OF_TEAM = "/teams/payments/settings"


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def set_quota(world: World, quota: int) -> None:
    admin = principal_of(world.users["admin"])
    limit_settings.set_team_quota(principal=admin, team="payments", quota=quota)


@pytest.mark.parametrize(
    ("amount", "unit", "quota"),
    [("5", "GiB", 5 * 2**30), ("0", "TiB", 0), ("1025", "B", 1025), ("", "MiB", None)],
)
def test_a_quota_is_typed_with_its_unit_and_shown_so(
    world: World, amount: str, unit: str, quota: int | None
) -> None:
    owner, admin = world.client("owner"), world.client("admin")
    sent = {"amount": amount, "unit": unit}
    assert owner.post(f"{PAGE}/quota", sent).status_code == 302
    assert admin.post("/teams/payments/quota", sent).status_code == 302
    assert RepositoryLimits.objects.get().quota == TeamLimits.objects.get().quota == quota
    form = owner.get(SETTINGS).context["quota_form"]
    assert str(form["amount"].value() or 0) == (amount or "0")
    if quota:
        assert form["unit"].value() == unit


@pytest.mark.parametrize("amount", ["-1", "x", "9999999999999999999", str(2**62), "1.5"])
def test_what_is_no_quota_is_said_beside_the_field(world: World, amount: str) -> None:
    for who, address in (("owner", f"{PAGE}/quota"), ("admin", "/teams/payments/quota")):
        answer = world.client(who).post(address, {"amount": amount, "unit": "GiB"})
        assert answer.status_code == 200
        assert answer.context["quota_form"].errors["amount"]
    assert not RepositoryLimits.objects.exists()


def test_the_bar_is_wherever_people_look_at_storage(world: World) -> None:
    push(world, "v1", b"x" * 900)
    usage.measure()
    set_quota(world, 100_000)
    admin = principal_of(world.users["admin"])
    limit_settings.set_repository_quota(principal=admin, name=NAME, quota=50_000)
    reader = world.client("reader")
    for address in ("/teams/payments", OF_TEAM, "/storage?team=payments"):
        assert "of 97.7 KiB are used" in text(reader, address)
    assert "of 48.8 KiB are used" in text(reader, f"{PAGE}/storage")
    assert "of 48.8 KiB are used" in text(world.client("maintainer"), SETTINGS)


def test_administrators_see_who_is_near(world: World) -> None:
    set_quota(world, 10**9)
    assert "Near their quotas" not in text(world.client("admin"), "/storage")
    used = limit_settings.of_team(world.team).used
    set_quota(world, used + 1)
    said = text(world.client("admin"), "/storage")
    assert "Near their quotas" in said
    assert "The quota is nearly full" in said
    set_quota(world, used - 1)
    assert "The quota is full" in text(world.client("admin"), "/storage")
    assert "Near their quotas" not in text(world.client("owner"), "/storage")


def test_patterns_are_typed_one_a_line(world: World) -> None:
    sent = {"immutable_tags": " v*\r\n\r\n[0-9]*\n"}
    world.client("maintainer").post(f"{PAGE}/immutable-tags", sent)
    world.client("owner").post("/teams/payments/immutable-tags", {"immutable_tags": "r-*"})
    assert RepositoryLimits.objects.get().patterns == ["v*", "[0-9]*"]
    said = text(world.client("maintainer"), SETTINGS)
    assert "v* [0-9]*</textarea>" in said
    assert "<code>r-*</code>" in said
    assert "<code>r-*</code>" in text(world.client("reader"), OF_TEAM)


@pytest.mark.parametrize("typed", ["a b", "[v", XSS, "v/*", "é"])
def test_what_is_no_pattern_is_said_beside_the_field(world: World, typed: str) -> None:
    for who, address in (
        ("maintainer", f"{PAGE}/immutable-tags"),
        ("owner", "/teams/payments/immutable-tags"),
    ):
        answer = world.client(who).post(address, {"immutable_tags": typed})
        assert answer.context["immutable_tags_form"].errors
        content = answer.content.decode()
        assert escape(typed) in content
        assert XSS not in content


def test_of_a_selection_with_an_immutable_tag_nothing_is_deleted(world: World) -> None:
    for tag in ("v1", "latest"):
        push(world, tag, tag.encode())
    maintainer = world.client("maintainer")
    maintainer.post(f"{PAGE}/immutable-tags", {"immutable_tags": "v*"})
    said = text(maintainer, f"{PAGE}/delete-tags?tag=v1&tag=latest")
    assert "The tag v1 is immutable" in said
    assert 'class="danger"' not in said
    for images in ({}, {"images": "yes"}):
        sent = {"tag": ["latest", "v1"], **images}
        assert maintainer.post(f"{PAGE}/delete-tags", sent).status_code == 403
    assert Tag.objects.count() == 2
    assert 'class="danger"' in text(maintainer, f"{PAGE}/delete-tags?tag=latest")
    assert text(maintainer, f"{PAGE}/").count('<span class="tag">immutable</span>') == 1


def test_an_archived_repository_says_so_and_offers_no_deletes(world: World) -> None:
    push(world, "v1", b"x")
    maintainer = world.client("maintainer")
    assert "Delete selected" in text(maintainer, f"{PAGE}/")
    maintainer.post(f"{PAGE}/archive", {"archived": "yes"})
    said = text(maintainer, f"{PAGE}/")
    assert "Delete selected" not in said
    assert '<span class="tag">Archived</span>' in said
    assert 'class="danger"' not in text(maintainer, f"{PAGE}/delete")
    assert maintainer.post(f"{PAGE}/delete", {"name": NAME}).status_code == 403
    maintainer.post(f"{PAGE}/archive", {"archived": "no"})
    assert "Delete selected" in text(maintainer, f"{PAGE}/")


def test_the_switch_of_the_whole_registry(world: World, settings: Settings) -> None:
    admin = world.client("admin")
    address = "/manage/read-only"
    assert "The registry takes pushes." in text(admin, address)
    admin.post(address, {"state": "on"})
    assert RegistryMode.objects.get().is_read_only
    said = text(admin, address)
    assert "The registry is read-only." in said
    assert "by admin" in said
    assert "Administrators can switch this off." in text(world.client("reader"), f"{PAGE}/")
    admin.post(address, {"state": "maybe"})
    assert RegistryMode.objects.get().is_read_only
    admin.post(address, {"state": "off"})
    assert not RegistryMode.objects.get().is_read_only
    settings.READ_ONLY = True
    assert "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED" in text(admin, address)
