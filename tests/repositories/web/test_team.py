"""A team's first page: its repositories, what they take, and who sees that."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Team
from accounts.web.paging import PAGE_SIZE
from repositories import overview, usage
from repositories.access import Principal, visible_to
from repositories.models import Blob, BlobLink, Repository, StorageSample
from tests.repositories.web.conftest import Browser

pytestmark = pytest.mark.django_db

MIB = 1 << 20
ADDRESS = "/teams/payments"
MEMBERS = ["reader", "writer", "maintainer", "owner", "administrator"]


@pytest.fixture
def stored(team: Team, repository: Repository) -> None:
    """4 MiB of the team's own, 2 MiB shared with a foreign team; measured on two days."""
    Repository.objects.filter(pk=repository.pk).update(
        pull_count=7, pushed_at=timezone.now() - timedelta(hours=3)
    )
    vault = Team.objects.create(name="vault")
    other = Repository.objects.create(name="vault/keys", team=vault, visibility="public")
    for size, owners in ((4, [repository]), (2, [repository, other])):
        blob = Blob.objects.create(digest=f"sha256:{size}", size=size * MIB)
        for owner in owners:
            BlobLink.objects.create(repository=owner, blob=blob)
    at = timezone.now() - timedelta(days=3)
    StorageSample.objects.create(
        team=team, day=at.date(), measured_at=at, bytes=MIB, blobs=1, manifests=1
    )
    usage.measure()


def shown(browser: Browser, principal: Principal, address: str = ADDRESS) -> str:
    answer = browser(principal).get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("who", MEMBERS)
def test_members_see_the_repositories_and_the_storage(
    browser: Browser, who: str, request: pytest.FixtureRequest
) -> None:
    page = shown(browser, request.getfixturevalue(who))
    assert 'href="/repositories/payments/app/-/"' in page
    assert "3 hours ago" in page
    assert 'data-label="Pulls">7<' in page
    assert "<dt>Stored</dt><dd>6.00 MiB" in page
    assert "<dt>Only here</dt><dd>4.00 MiB" in page
    assert "From 1.00 MiB on" in page
    assert 'href="/storage?team=payments"' in page
    assert "vault" not in page


@pytest.mark.usefixtures("stored")
def test_to_strangers_there_is_no_team(
    browser: Browser, stranger: Principal, nobody: Principal
) -> None:
    Repository.objects.update(visibility="public")
    assert browser(stranger).get(ADDRESS).status_code == 404
    assert browser(nobody).get(ADDRESS).headers["Location"] == f"/sign-in?next={ADDRESS}"


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("who", MEMBERS)
def test_the_page_lists_what_access_lets_its_members_pull(
    who: str, team: Team, request: pytest.FixtureRequest
) -> None:
    principal = request.getfixturevalue(who)
    Repository.objects.create(name="payments/hidden", team=team)
    listed = set(overview.of_team(team=team))
    assert listed == set(visible_to(principal).filter(team=team))
    assert len(listed) == 2


@pytest.mark.parametrize("who", MEMBERS)
@pytest.mark.parametrize("query", ["", "?sort=name", "?days=365", "?after=payments/r010&sort=name"])
def test_it_takes_few_queries_and_little_of_the_network(
    browser: Browser,
    who: str,
    query: str,
    team: Team,
    request: pytest.FixtureRequest,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client = browser(request.getfixturevalue(who))
    Repository.objects.bulk_create(
        [Repository(name=f"payments/r{n:03}", team=team) for n in range(PAGE_SIZE + 10)]
    )
    usage.measure()
    Repository.objects.create(name="payments/r0", team=team)  # not measured
    now = timezone.now()
    StorageSample.objects.bulk_create(
        [
            StorageSample(
                team=team,
                day=(now - timedelta(days=days)).date(),
                measured_at=now,
                bytes=days,
                blobs=1,
                manifests=1,
            )
            for days in range(1, 400)
        ]
    )
    with django_assert_max_num_queries(10):
        answer = client.get(ADDRESS + query)
    assert answer.status_code == 200
    assert len(answer.content) < 130_000


def test_each_repository_is_on_one_page(browser: Browser, reader: Principal, team: Team) -> None:
    names = [f"payments/r{n:03}" for n in range(PAGE_SIZE + 10)]
    Repository.objects.bulk_create([Repository(name=name, team=team) for name in names])
    for sort in ("name", "push"):
        found: list[str] = []
        address = f"{ADDRESS}?sort={sort}"
        while address:
            page = browser(reader).get(address).context["page"]
            found += [row.name for row in page.rows]
            address = f"{ADDRESS}?{page.next}" if page.next else ""
        assert sorted(found) == names


def test_a_new_team_says_how_to_push(browser: Browser, reader: Principal) -> None:
    page = shown(browser, reader)
    assert "docker push testserver/payments/hello-world" in page
    assert "Growth" not in page


@pytest.mark.parametrize("field", ["sort", "days", "after"])
@pytest.mark.parametrize("text", ["\x00", "nowhere", "<b>", "'", "9" * 30, "é", ""])
def test_odd_texts_are_answered(browser: Browser, reader: Principal, field: str, text: str) -> None:
    answer = browser(reader).get(ADDRESS, {field: text})
    assert answer.status_code == 200
    assert "<b>" not in answer.content.decode()


@pytest.mark.usefixtures("stored")
def test_the_storage_of_the_team_leads_back_to_it(browser: Browser, reader: Principal) -> None:
    assert f'href="{ADDRESS}"' in shown(browser, reader, "/storage?team=payments")
    assert 'href="/teams/vault"' not in shown(browser, reader, "/storage?team=vault")
