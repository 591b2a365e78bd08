"""Pages by two columns, the first of which repeats."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import RequestFactory
from django.utils import timezone

from accounts.models import Team
from accounts.web.paging import page_of
from repositories import keyset, overview
from repositories.access import Principal
from repositories.models import Repository, RepositoryUsage, Upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def repositories(team: Team) -> list[Repository]:
    """Ten, of which three have each size and time."""
    now = timezone.now()
    found = [
        Repository.objects.create(
            name=f"payments/{number}", team=team, pushed_at=now - timedelta(minutes=number // 3)
        )
        for number in range(10)
    ]
    for number, repository in enumerate(found):
        RepositoryUsage.objects.create(
            repository=repository, bytes=number // 3 * 10**15, unique_bytes=0
        )
        Upload.objects.create(repository=repository, started_at=now - timedelta(days=number // 3))
    return found


def orders(principal: Principal) -> list[QuerySet[Any]]:
    return [
        RepositoryUsage.objects.order_by("-bytes", "pk"),
        RepositoryUsage.objects.order_by("bytes", "-pk"),
        Upload.objects.order_by("-started_at", "-pk"),
        Upload.objects.order_by("started_at", "pk"),
        overview.by_last_push(overview.listing(principal=principal)),
    ]


@pytest.mark.usefixtures("repositories")
@pytest.mark.parametrize("size", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("order", range(5))
def test_every_row_is_on_one_page(order: int, size: int, administrator: Principal) -> None:
    rows = orders(administrator)[order]
    seen, query = [], ""
    while True:
        page = page_of(RequestFactory().get(f"/?{query}"), rows, size=size)
        assert page.is_first is not bool(query)
        assert len(page.rows) <= size
        seen += [row.pk for row in page.rows]
        query = page.next
        if not query:
            break
    assert seen == [row.pk for row in rows]
    assert len(seen) == 10


@pytest.mark.usefixtures("repositories")
@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "1", "1.", ".1", "1.1.1", "-1.1", "1.-1", "1.1x", "1,1", "٣.٣", "1e3.1"),
        *("9" * 18 + ".1", "1." + "9" * 19, "1." + "g" * 32, "\x00.1", "1.1\n", "a" * 5000),
    ],
)
def test_what_is_no_cursor_is_the_first_page(cursor: str, administrator: Principal) -> None:
    for rows in orders(administrator):
        assert keyset.behind(rows, cursor) is None
        page = page_of(RequestFactory().get("/", {"after": cursor}), rows)
        assert (page.is_first, len(page.rows)) == (True, 10)


@pytest.mark.usefixtures("repositories")
@pytest.mark.parametrize("cursor", ["0.0", "9" * 17 + "." + "9" * 18, "1." + "f" * 32])
def test_the_edges_are_pages_like_any_other(cursor: str, administrator: Principal) -> None:
    for rows in orders(administrator):
        rest = keyset.behind(rows, cursor)
        assert rest is None or len(rest) <= 10
