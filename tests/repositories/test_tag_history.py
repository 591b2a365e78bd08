"""How a tag moved."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from repositories import manifests, tag_history, tags
from repositories.access import Principal
from repositories.models import Repository
from tests.repositories.content import APP, push_image

pytestmark = pytest.mark.django_db


def test_each_move_ends_where_the_next_begins(
    writer: Principal, maintainer: Principal, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first = push_image(writer, b"first", tags=["latest", "other"])
    second = push_image(maintainer, b"second", tags=["latest"])
    tags.delete(principal=maintainer, repository=APP, name="latest")
    push_image(writer, b"first", tags=["latest"])
    repository = Repository.objects.get(name=APP)
    with django_assert_num_queries(1):
        found: list[Any] = list(tag_history.changes(repository=repository, tag="latest"))

    one, two = str(first.digest), str(second.digest)
    assert [change.digest for change in found] == [one, "", two, one]
    assert [change.changed_by for change in found] == [
        "writer",
        "maintainer",
        "maintainer",
        "writer",
    ]
    assert [change.until for change in found] == [
        None,
        *(change.changed_at for change in found[:-1]),
    ]
    assert [change.is_here for change in found] == [True, False, True, True]


def test_what_was_deleted_or_is_elsewhere_cannot_be_pulled_any_more(
    writer: Principal, maintainer: Principal
) -> None:
    first = push_image(writer, b"first", tags=["latest"])
    push_image(writer, b"first", tags=["latest"], repository="payments/other")
    push_image(writer, b"second", tags=["latest"])
    manifests.delete(principal=maintainer, repository=APP, digest=first.digest)
    repository = Repository.objects.get(name=APP)
    found: list[Any] = list(tag_history.changes(repository=repository, tag="latest"))
    assert [change.is_here for change in found] == [True, False]


def test_a_page_begins_where_the_one_before_ended(writer: Principal) -> None:
    for number in range(4):
        push_image(writer, b"%d" % number, tags=["latest"])
    changes = tag_history.changes(repository=Repository.objects.get(name=APP), tag="latest")
    whole: list[Any] = list(changes)
    later: list[Any] = list(changes.filter(pk__lt=whole[1].pk))
    assert [(one.pk, one.until) for one in later] == [(one.pk, one.until) for one in whole[2:]]
