"""Two images beside each other."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from repositories import comparison
from repositories.access import Principal
from repositories.comparison import Change, Comparison, ListChange
from repositories.models import Repository
from repositories.oci import media_types
from repositories.oci.errors import ManifestUnknown
from tests.oci.documents import index
from tests.repositories.content import APP, described, push_document, push_image
from tests.repositories.test_images import config_of, push, push_platforms

pytestmark = pytest.mark.django_db


def compare(before: str = "v1", after: str = "v2", platform: str = "") -> Comparison:
    repository = Repository.objects.get(name=APP)
    return comparison.compare(
        before=(repository, before), after=(repository, after), platform=platform
    )


def config(**run: Any) -> bytes:
    return config_of(config=run)


def test_layers_are_shared_added_and_removed_in_their_order(writer: Principal) -> None:
    push(writer, config_of(), b"base", b"old", b"kept", tag="v1")
    push(writer, config_of(), b"base", b"kept", b"newer", b"newest", tag="v2")
    found = compare()
    sizes = [
        [layer.size for layer in layers] for layers in (found.shared, found.added, found.removed)
    ]
    assert sizes == [[4, 4], [5, 6], [3]]
    assert found.size_difference == found.after.size - found.before.size


def test_what_the_configs_say_differently_is_told(writer: Principal) -> None:
    one = config(
        Env=["A=1", "B=2"], Labels={"x": "1"}, Cmd=["a"], User="root", ExposedPorts={"80/tcp": {}}
    )
    other = config(Env=["A=1", "B=3", "C=4"], Cmd=["a"], Entrypoint=["e"], WorkingDir="/srv")
    push(writer, one, b"layer", tag="v1")
    push(writer, other, b"layer", tag="v2")
    found = compare()
    assert found.env == (Change("B", "2", "3"), Change("C", None, "4"))
    assert found.labels == (Change("x", "1", None),)
    assert found.settings == (Change("user", "root", None), Change("working_dir", None, "/srv"))
    assert found.cmd is None
    assert found.entrypoint == ListChange((), ("e",))
    assert found.exposed_ports == ListChange(("80/tcp",), ())


def test_an_image_does_not_differ_from_itself(writer: Principal) -> None:
    push(writer, config(Env=["A=1"]), b"layer", tag="v1")
    found = compare("v1", "v1")
    assert (found.size_difference, found.added, found.removed) == (0, (), ())
    assert (found.env, found.labels, found.settings, found.volumes) == ((), (), (), None)


def test_the_second_is_compared_for_the_platform_of_the_first(writer: Principal) -> None:
    push_platforms(writer, "linux/amd64", "linux/arm64", tag="v1")
    push(writer, config_of("linux/arm64"), b"alone", tag="v2")
    assert str(compare("v2", "v1").after.platform) == "linux/arm64"
    assert str(compare("v1", "v1").after.platform) == "linux/amd64"
    assert str(compare("v1", "v1", "linux/arm64").before.platform) == "linux/arm64"


def test_without_the_same_platform_the_usual_one_is_compared(writer: Principal) -> None:
    push_platforms(writer, "linux/amd64", tag="v1")
    push(writer, config_of("linux/arm64"), b"alone", tag="v2")
    found = compare("v2", "v1")
    assert found.settings == (Change("platform", "linux/arm64", "linux/amd64"),)


def test_images_of_two_repositories_can_be_compared(writer: Principal) -> None:
    push_image(writer, b"layer", tags=["v1"])
    push_image(writer, b"layer", b"more", tags=["v1"], repository="payments/other")
    found = comparison.compare(
        before=(Repository.objects.get(name=APP), "v1"),
        after=(Repository.objects.get(name="payments/other"), "v1"),
    )
    assert [layer.size for layer in found.added] == [4]


def test_what_is_no_image_or_not_here_cannot_be_compared(writer: Principal) -> None:
    push_image(writer, b"layer", tags=["v1"])
    push_document(writer, index(), tags=["empty"])
    for before, after in (("v1", "none"), ("none", "v1"), ("v1", "empty"), ("empty", "v1")):
        with pytest.raises(ManifestUnknown):
            compare(before, after)


def test_a_tag_in_two_repositories_names_what_is_in_each(writer: Principal) -> None:
    push(writer, config_of(), b"here", tag="v1")
    push_image(writer, b"elsewhere", tags=["v1"], repository="payments/other")
    one, other = (Repository.objects.get(name=name) for name in (APP, "payments/other"))
    found = comparison.compare(before=(one, "v1"), after=(other, "v1"))
    assert [layer.size for layer in (*found.removed, *found.added)] == [4, 9]
    back = comparison.compare(before=(other, "v1"), after=(one, "v1"))
    assert [layer.size for layer in (*back.removed, *back.added)] == [9, 4]


def test_images_of_indexes_in_indexes_are_compared_in_few_queries(
    writer: Principal, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in (1, 2):
        images = push_platforms(writer, "linux/amd64", "linux/arm64")
        inner = push_document(writer, index(*images, annotations={"number": str(number)}))
        entry = described(inner, mediaType=media_types.OCI_INDEX)
        push_document(writer, index(entry), tags=[f"v{number}"])
    with django_assert_max_num_queries(8):  # that of the repository itself among them
        assert str(compare(platform="linux/arm64").after.platform) == "linux/arm64"


def test_a_config_that_cannot_be_read_says_nothing(writer: Principal) -> None:
    push(writer, b"[]", b"layer", tag="v1")
    push(writer, config(Env=["A=1"]), b"layer", tag="v2")
    assert compare().env == (Change("A", None, "1"),)
