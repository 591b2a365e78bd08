"""The lists of repositories that pages begin with."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Team
from repositories import overview, usage
from repositories.access import Principal
from repositories.models import Repository
from tests.oci.documents import index
from tests.repositories.content import push_document

pytestmark = pytest.mark.django_db


@pytest.fixture
def repositories(writer: Principal, administrator: Principal) -> None:
    for name in ("payments/api", "payments/app", "vault/app"):
        principal = administrator if name.startswith("vault") else writer
        push_document(principal, index(), repository=name)
    Repository.objects.create(name="payments/new", team=Team.objects.get(name="payments"))


def names(principal: Principal, **filters: str) -> list[str]:
    return [row.name for row in overview.listing(principal=principal, **filters)]


@pytest.mark.usefixtures("repositories")
def test_everybody_sees_what_they_may_pull_by_name(
    reader: Principal, stranger: Principal, nobody: Principal, administrator: Principal
) -> None:
    ours = ["payments/api", "payments/app", "payments/new"]
    assert names(reader) == ours
    assert names(stranger) == names(nobody) == names(reader, team="vault") == []
    assert names(administrator) == [*ours, "vault/app"]
    assert names(administrator, team="vault") == ["vault/app"]
    assert names(administrator, text="APP") == ["payments/app", "vault/app"]
    assert names(administrator, text="%") == names(administrator, team="v%") == []


@pytest.mark.usefixtures("repositories")
def test_by_their_last_push_what_was_never_pushed_to_stands_where_it_was_made(
    reader: Principal,
) -> None:
    now = timezone.now()
    for name, hours in (("payments/app", 1), ("payments/api", 3)):
        Repository.objects.filter(name=name).update(pushed_at=now - timedelta(hours=hours))
    Repository.objects.filter(name="payments/new").update(created_at=now - timedelta(hours=2))
    found = overview.by_last_push(overview.listing(principal=reader))
    assert [row.name for row in found] == ["payments/app", "payments/new", "payments/api"]
    assert found[1].pushed_at is None


@pytest.mark.usefixtures("repositories")
def test_a_row_has_all_that_a_list_shows_in_three_queries(
    reader: Principal, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    unmeasured: list[Any] = list(overview.listing(principal=reader))
    assert [(row.bytes, row.unique_bytes) for row in unmeasured] == [(None, None)] * 3
    usage.measure()
    with django_assert_num_queries(3):
        rows: list[Any] = list(overview.listing(principal=reader))
        assert {row.team.name for row in rows} == {"payments"}
    assert [row.bytes == row.unique_bytes for row in rows] == [True] * 3
    assert [row.bytes > 0 for row in rows] == [True, True, False]
    assert rows[0].pushed_at is not None
    assert rows[0].pull_count == 0
