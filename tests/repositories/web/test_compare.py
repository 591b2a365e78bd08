"""Two images side by side: who may compare what, and what is told."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from repositories.models import Repository
from repositories.oci.errors import OCIError
from repositories.web.references import parse
from tests.accounts.web.conftest import World
from tests.repositories.web.images import NAME, XSS, push, push_list


def shown(client: Client, before: str, after: str, **query: str) -> str:
    answer = client.get("/compare", {"before": before, "after": after, **query})
    assert answer.status_code == 200
    return answer.content.decode()


def test_layers_and_settings_that_differ_are_shown(world: World) -> None:
    push(world, "v1", b"base", b"1" * 1024, config={"config": {"Env": ["A=1", "SAME=x"]}})
    push(world, "v2", b"base", b"2" * 5120, config={"config": {"Env": ["A=2", "SAME=x"]}})
    text = shown(world.client("reader"), f"{NAME}:v1", f"{NAME}:v2")
    assert "+4.00 KiB" in text
    for change in ("removed", "added", "shared"):
        assert f"</span> {change}</th>" in text
    assert "Environment: A" in text
    assert "SAME" not in text
    back = shown(world.client("reader"), f"{NAME}:v2", f"{NAME}:v1")
    assert "\N{MINUS SIGN}4.00 KiB" in back


def test_what_images_say_is_text(world: World) -> None:
    push(world, "v1", b"1")
    push(world, "v2", b"2", config={"config": {"Labels": {XSS: XSS}, "Cmd": [XSS]}})
    text = shown(world.client("reader"), f"{NAME}:v1", f"{NAME}:v2")
    assert "Label: &lt;script&gt;" in text
    assert "<script>alert" not in text


def test_a_hidden_repository_looks_like_one_that_is_not_there(world: World) -> None:
    push(world, "v1", b"1")
    push(world, "v1", b"1", name="open/app")
    Repository.objects.filter(name="open/app").update(visibility="internal")
    client = world.client("stranger")
    hidden = shown(client, "open/app:v1", f"{NAME}:v1")
    missing = shown(client, "open/app:v1", "payments/gone:v1")
    assert "There is no such repository" in hidden
    assert "There is no such repository" in missing
    assert shown(client, f"{NAME}:", "open/app:v1").count(f"{NAME}:v1") == 0


def test_nothing_is_wrong_where_a_repository_leads_without_tags(world: World) -> None:
    push(world, "v1", b"1")
    client = world.client("reader")
    for query in ("", "?tag=v1"):
        answer = client.get(f"/repositories/{NAME}/-/compare{query}", follow=True)
        assert ("Type a repository and a tag" in answer.content.decode()) == bool(query)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("gone", "There is no image of this tag"),
        ("bad tag!", "Type a repository and a tag"),
        ("", "Type a repository and a tag"),
        ("\x00", "Null characters are not allowed"),
    ],
)
def test_what_cannot_be_compared_is_told_beside_its_field(
    world: World, text: str, where: str
) -> None:
    push(world, "v1", b"1")
    assert where in shown(world.client("reader"), f"{NAME}:v1", f"{NAME}:{text}")


def test_a_platform_that_is_not_there_is_told(world: World) -> None:
    push(world, "v1", b"1")
    push_list(world, "list", push(world, "", b"amd"), push(world, "", b"arm"))
    text = shown(world.client("reader"), f"{NAME}:list", f"{NAME}:list", platform="plan9/x")
    assert "There is no image for this platform" in text


def test_tags_of_the_repository_are_suggested(world: World) -> None:
    push(world, "v1", b"1")
    text = world.client("reader").get("/compare", {"before": f"{NAME}:"}).content.decode()
    assert f'<option value="{NAME}:v1">' in text


def test_nobody_else_compares(world: World) -> None:
    assert world.client("anonymous").get("/compare").headers["Location"].startswith("/sign-in")


def test_a_comparison_takes_a_fixed_number_of_queries(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    lists = []
    for number in (1, 2):
        images = [
            push(world, "", bytes([number, n]), *(bytes([n]) for n in range(40))) for n in (1, 2)
        ]
        lists.append(push_list(world, f"list{number}", *images))
    client = world.client("reader")
    with django_assert_max_num_queries(8):
        shown(client, f"{NAME}:list1", f"{NAME}:list2")


@pytest.mark.parametrize(
    ("text", "name", "reference"),
    [
        ("team/app:1.0", "team/app", "1.0"),
        ("team/app", "team/app", "latest"),
        ("app@sha256:" + "0" * 64, "app", "sha256:" + "0" * 64),
    ],
)
def test_references_are_understood(text: str, name: str, reference: str) -> None:
    found = parse(text)
    assert (found.name, found.reference) == (name, reference)


@pytest.mark.parametrize(
    "text", ["", ":", "@", "A:1", "a b", "a@sha256:1", "a:" + "x" * 129, "a:1@b"]
)
def test_references_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(OCIError):
        parse(text)
