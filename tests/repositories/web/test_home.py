"""The first page: who sees what, in which order, and how many queries that takes."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Team
from accounts.web.paging import PAGE_SIZE
from repositories import usage
from repositories.access import Principal
from repositories.models import Blob, BlobLink, Repository
from tests.repositories.web.conftest import Browser

pytestmark = pytest.mark.django_db

MANY = PAGE_SIZE + 10
MOST_QUERIES = 10


@pytest.fixture
def many(team: Team) -> None:
    """More than fits on a page: the last name was pushed to first, and every size is known."""
    now = timezone.now()
    Repository.objects.bulk_create(
        [
            Repository(name=f"payments/r{n:03}", team=team, pushed_at=now - timedelta(minutes=n))
            for n in range(MANY)
        ]
    )
    usage.measure()


def names(client: Client, address: str = "/") -> list[str]:
    """Of all pages."""
    found: list[str] = []
    while address:
        page = client.get(address).context["page"]
        found += [row.name for row in page.rows]
        address = f"/?{page.next}" if page.next else ""
    return found


@pytest.mark.usefixtures("many")
class TestMany:
    @pytest.mark.parametrize("who", ["reader", "owner", "administrator", "stranger"])
    @pytest.mark.parametrize("query", ["", "?sort=name", "?text=r0&team=payments"])
    def test_it_takes_few_queries_and_little_of_the_network(
        self,
        browser: Browser,
        who: str,
        query: str,
        request: pytest.FixtureRequest,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        Repository.objects.create(name="payments/new", team=Team.objects.get())  # not measured
        client = browser(request.getfixturevalue(who))
        with django_assert_max_num_queries(MOST_QUERIES):
            answer = client.get(f"/{query}")
        assert answer.status_code == 200
        assert len(answer.content) < 100_000

    def test_each_is_on_one_page_in_either_order(self, browser: Browser, reader: Principal) -> None:
        expected = [f"payments/r{n:03}" for n in range(MANY)]
        assert names(browser(reader)) == expected
        Repository.objects.filter(name=expected[-1]).update(pushed_at=timezone.now())
        assert names(browser(reader)) == [expected[-1], *expected[:-1]]
        assert names(browser(reader), "/?sort=name") == expected

    def test_filters_stay_on_the_next_page(self, browser: Browser, reader: Principal) -> None:
        Repository.objects.create(name="vault/r1", team=Team.objects.create(name="vault"))
        assert len(names(browser(reader), "/?text=R0&team=payments")) == MANY
        assert names(browser(reader), "/?text=r00&sort=name") == [
            f"payments/r{n:03}" for n in range(10)
        ]
        assert names(browser(reader), "/?team=nowhere") == []

    def test_a_stranger_sees_what_is_theirs_to_see(
        self, browser: Browser, stranger: Principal, nobody: Principal, settings: Settings
    ) -> None:
        assert "payments/" not in browser(stranger).get("/").content.decode()
        Repository.objects.filter(name="payments/r001").update(visibility="internal")
        Repository.objects.filter(name="payments/r002").update(visibility="public")
        assert names(browser(stranger)) == ["payments/r001", "payments/r002"]
        answer = browser(nobody).get("/?text=r00")
        assert "page" not in answer.context
        assert "payments/" not in answer.content.decode()
        assert "Sign in" in answer.content.decode()
        settings.ANONYMOUS_ACCESS = "pull"
        assert names(browser(nobody)) == ["payments/r002"]

    @pytest.mark.parametrize(
        "text", ["\x00", "%", "_", "'", "a" * 5000, "\\", "é", "<b>", "\ud800"]
    )
    @pytest.mark.parametrize("field", ["text", "team", "sort", "after"])
    def test_odd_texts_find_nothing_or_little(
        self, browser: Browser, reader: Principal, field: str, text: str
    ) -> None:
        answer = browser(reader).get("/", {field: text.encode(errors="surrogatepass")})
        assert answer.status_code == 200
        assert "<b>" not in answer.content.decode()


def test_an_empty_registry_says_how_to_push(browser: Browser, stranger: Principal) -> None:
    shown = browser(stranger).get("/", headers={"host": "localhost:5000"}).content.decode()
    assert "docker push localhost:5000/hello-world" in shown
    assert "What next?" in shown


def test_everybody_begins_where_nobody_signs_in(client: Client, settings: Settings) -> None:
    settings.OPEN_ACCESS = True
    assert "docker login" not in client.get("/").content.decode()
    Repository.objects.create(name="library/nginx", team=Team.objects.create(name="library"))
    assert names(client) == ["library/nginx"]


def test_a_size_that_was_never_measured_is_counted(
    browser: Browser, reader: Principal, repository: Repository
) -> None:
    blob = Blob.objects.create(digest="sha256:a", size=3 << 20)
    BlobLink.objects.create(repository=repository, blob=blob)
    assert "3.00 MiB" in browser(reader).get("/").content.decode()


def test_it_says_how_much_is_here(
    browser: Browser, reader: Principal, administrator: Principal, repository: Repository
) -> None:
    BlobLink.objects.create(
        repository=repository, blob=Blob.objects.create(digest="sha256:a", size=1 << 20)
    )
    Blob.objects.create(digest="sha256:b", size=1 << 20)
    usage.measure()
    assert "1.00 MiB stored by your teams" in browser(reader).get("/").content.decode()
    assert "2.00 MiB stored</a>" in browser(administrator).get("/").content.decode()
