"""Storage: whose bytes are shown to whom, the strips and the chart."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Team
from repositories import usage
from repositories.access import Principal
from repositories.models import Blob, BlobLink, Manifest, ManifestBlob, Repository, StorageSample
from repositories.web.chart import HEIGHT, WIDTH, chart_of, step_for
from tests.repositories.web.conftest import Browser

pytestmark = pytest.mark.django_db

MIB = 1 << 20


@pytest.fixture
def stored(team: Team, repository: Repository) -> None:
    """4 MiB of the team's own, 2 MiB shared with a foreign team, 8 MiB of nobody."""
    vault = Team.objects.create(name="vault")
    other = Repository.objects.create(name="vault/keys", team=vault)
    for size, owners in ((4, [repository]), (2, [repository, other]), (8, [])):
        blob = Blob.objects.create(digest=f"sha256:{size}", size=size * MIB)
        for owner in owners:
            BlobLink.objects.create(repository=owner, blob=blob)
    usage.measure()


def page(browser: Browser, principal: Principal, address: str = "/storage") -> str:
    answer = browser(principal).get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def days_before(days: int, team: Team | None = None, size: int = MIB) -> None:
    at = timezone.now() - timedelta(days=days)
    StorageSample.objects.create(
        team=team, day=at.date(), measured_at=at, bytes=size, blobs=1, manifests=1
    )


@pytest.mark.usefixtures("stored")
class TestWhoSeesWhat:
    def test_administrators_see_all_of_it(self, browser: Browser, administrator: Principal) -> None:
        shown = page(browser, administrator)
        assert "14.0 MiB" in shown
        assert "A clean-up would free</dt><dd>14.0 MiB" in shown  # no image is made of any
        assert "6.00 MiB in no image, 8.00 MiB in no repository" in shown
        assert "payments/app" in shown
        assert "vault/keys" in shown

    def test_members_see_their_teams(self, browser: Browser, reader: Principal) -> None:
        shown = page(browser, reader)
        assert "payments/app" in shown
        assert "6.00 MiB" in shown
        for foreign in ("14.0 MiB", "8.00 MiB", "vault", "clean-up"):
            assert foreign not in shown

    def test_strangers_see_only_what_they_may_pull(
        self, browser: Browser, stranger: Principal, nobody: Principal, settings: Settings
    ) -> None:
        assert "payments" not in page(browser, stranger)
        Repository.objects.filter(name="payments/app").update(visibility="public")
        settings.ANONYMOUS_ACCESS = "pull"
        for principal in (stranger, nobody):
            for address in ("/storage", "/storage?team=payments"):
                shown = page(browser, principal, address)
                assert "payments/app" in shown
                assert "Growth" not in shown
                assert 'id="by-team"' not in shown
            assert "vault" not in page(browser, principal)

    def test_ones_own_repositories_are_of_a_team(
        self, browser: Browser, stranger: Principal
    ) -> None:
        own = Team.objects.create(name=stranger.name)
        Repository.objects.create(name="stranger/app", team=own)
        BlobLink.objects.create(
            repository=Repository.objects.get(name="stranger/app"),
            blob=Blob.objects.get(size=8 * MIB),
        )
        usage.measure()
        assert [bar.name for bar in browser(stranger).get("/storage").context["team_bars"]] == [
            "stranger"
        ]

    def test_a_strip_is_what_is_unique_and_what_is_shared(
        self, browser: Browser, reader: Principal
    ) -> None:
        (bar,) = browser(reader).get("/storage?team=payments").context["bars"]
        assert (bar.bytes, bar.unique, bar.shared) == (6 * MIB, 4 * MIB, 2 * MIB)
        shown = page(browser, reader)
        assert 'width="66.667%"' in shown
        assert 'x="66.667%" width="33.333%"' in shown

    def test_it_says_when_that_was_measured(self, browser: Browser, reader: Principal) -> None:
        at = timezone.now() - timedelta(seconds=40, milliseconds=500)
        StorageSample.objects.update(measured_at=at)
        assert "Measured 40 seconds ago." in page(browser, reader)

    @pytest.mark.parametrize("field", ["team", "days", "after"])
    @pytest.mark.parametrize("text", ["\x00", "nowhere", "<b>", "'", "9" * 30, "é", ""])
    def test_odd_texts_are_answered(
        self, browser: Browser, reader: Principal, field: str, text: str
    ) -> None:
        answer = browser(reader).get("/storage", {field: text})
        assert answer.status_code == 200
        assert "<b>" not in answer.content.decode()


@pytest.mark.parametrize("who", ["reader", "administrator", "stranger"])
@pytest.mark.parametrize("query", ["", "?team=payments", "?days=365"])
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
        [Repository(name=f"payments/r{n:03}", team=team) for n in range(60)]
    )
    usage.measure()
    for days in range(1, 400):
        days_before(days)
        days_before(days, team)
    with django_assert_max_num_queries(10):
        answer = client.get(f"/storage{query}")
    assert answer.status_code == 200
    assert len(answer.content) < 130_000


def test_before_the_first_measure_it_says_so(
    browser: Browser, administrator: Principal, repository: Repository
) -> None:
    assert "Not measured yet" in page(browser, administrator)


@pytest.mark.usefixtures("stored")
def test_growth_is_drawn_and_told(browser: Browser, administrator: Principal) -> None:
    assert "from the second day on" in page(browser, administrator)
    for days in (1, 40, 100):
        days_before(days, size=days * MIB)
    answer = browser(administrator).get("/storage?days=90")
    chart = answer.context["chart"]
    assert [sample.bytes for sample in chart.samples] == [40 * MIB, MIB, 14 * MIB]
    shown = " ".join(answer.content.decode().split())
    assert "From 40.0 MiB on" in shown
    assert shown.count('<tr><th scope="row">') == 3


def test_a_chart_puts_days_and_bytes_to_scale() -> None:
    today = timezone.now().date()
    sizes = {10: 0, 5: 10 * MIB, 0: 20 * MIB}
    samples = [
        StorageSample(day=today - timedelta(days=days), bytes=size, manifests=1)
        for days, size in sizes.items()
    ]
    chart = chart_of(samples)
    assert chart is not None
    assert chart.points == f"0.0,100.00 {WIDTH / 2:.1f},{HEIGHT / 2:.2f} {WIDTH:.1f},0.00"
    assert [line.bytes for line in chart.lines] == [n * 5 * MIB for n in range(5)]
    assert [mark.day for mark in chart.marks] == [samples[0].day, samples[1].day, today]
    assert chart_of(samples[:1]) is None
    assert chart_of([]) is None


@pytest.mark.parametrize("size", [0, 1, 3, 1023, 1024, 5 * MIB, 999 * MIB, 2**40, 2**62, 2**63 - 1])
def test_a_chart_has_a_few_lines_however_large_it_is(size: int) -> None:
    step = step_for(size)
    assert step >= 1
    assert -(-size // step) <= 4
    assert size < 4096 or -(-size // step) >= 1


class TestOfOneRepository:
    @pytest.fixture
    def layers(self, repository: Repository) -> None:
        """3 layers: one of two images, one of one, one of none; one image is untagged."""
        links = [
            BlobLink.objects.create(
                repository=repository,
                blob=Blob.objects.create(digest=f"sha256:{n:064x}", size=n * MIB),
            )
            for n in (3, 2, 1)
        ]
        for n, parts in enumerate((links[:2], links[:1])):
            manifest = Manifest.objects.create(repository=repository, digest=f"sha256:m{n}")
            if n == 0:
                manifest.tags.create(repository=repository, name="v1")
                manifest.tags.create(repository=repository, name="v2")
            for position, link in enumerate(parts):
                ManifestBlob.objects.create(
                    manifest=manifest, link=link, role="layer", position=position
                )

    @pytest.mark.usefixtures("layers")
    def test_the_largest_layers_come_first_with_what_needs_them(
        self,
        browser: Browser,
        reader: Principal,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        client = browser(reader)
        with django_assert_max_num_queries(10):
            blobs = client.get("/repositories/payments/app/-/storage").context["blobs"]
        assert [(b.size // MIB, b.images, b.tags) for b in blobs] == [
            (3, 2, 2),
            (2, 1, 2),
            (1, 0, 0),
        ]

    def test_an_empty_one_says_so(
        self, browser: Browser, reader: Principal, repository: Repository
    ) -> None:
        assert "nothing in this repository" in page(
            browser, reader, "/repositories/payments/app/-/storage"
        )
