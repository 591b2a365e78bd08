"""How much is stored where, to the byte."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Membership, Team
from repositories import usage
from repositories.access import ANONYMOUS, Principal
from repositories.models import (
    Blob,
    BlobLink,
    Manifest,
    ManifestBlob,
    Repository,
    RepositoryUsage,
    StorageSample,
    TeamUsage,
)
from tests.people import user_of

pytestmark = pytest.mark.django_db

PAYLOAD = 7  # bytes of each manifest


def blob(name: str, size: int, *names: str, used: bool = True) -> None:
    """A blob that the repositories `names` link, as a layer of an image or loosely."""
    row = Blob.objects.create(digest=f"sha256:{name}", size=size)
    for repository_name in names:
        team, _ = Team.objects.get_or_create(name=repository_name.partition("/")[0])
        repository, _ = Repository.objects.get_or_create(name=repository_name, team=team)
        link = BlobLink.objects.create(repository=repository, blob=row)
        if used:
            manifest = Manifest.objects.create(
                repository=repository, digest=f"sha256:m-{name}", payload=b"x" * PAYLOAD
            )
            ManifestBlob.objects.create(manifest=manifest, link=link, role="layer", position=0)


@pytest.fixture
def stored(team: Team) -> None:
    """base is shared by two teams, common within one; one blob is loose, and one nobody's."""
    blob("base", 1000, "payments/app", "payments/api", "vault/app")
    blob("common", 200, "payments/app", "payments/api")
    blob("own", 30, "payments/app")
    blob("loose", 5, "payments/api", used=False)
    blob("half", 2, "payments/api", used=False)
    blob("nobody", 10_000)
    Repository.objects.create(name="payments/empty", team=team)
    half = Blob.objects.get(digest="sha256:half")
    link = BlobLink.objects.create(repository=Repository.objects.get(name="vault/app"), blob=half)
    manifest = Manifest.objects.get(repository__name="vault/app")
    ManifestBlob.objects.create(manifest=manifest, link=link, role="layer", position=1)


REPOSITORIES = {
    "payments/api": (1000 + 200 + 5 + 2 + 2 * PAYLOAD, 5 + 2 * PAYLOAD),
    "payments/app": (1000 + 200 + 30 + 3 * PAYLOAD, 30 + 3 * PAYLOAD),
    "payments/empty": (0, 0),
    "vault/app": (1000 + 2 + PAYLOAD, PAYLOAD),
}
TEAMS = {
    "payments": (1000 + 200 + 30 + 5 + 2 + 5 * PAYLOAD, 200 + 30 + 5 + 5 * PAYLOAD),
    "vault": (1000 + 2 + PAYLOAD, PAYLOAD),
}


def measured() -> dict[str, tuple[int, int]]:
    rows = RepositoryUsage.objects.select_related("repository")
    return {row.repository.name: (row.bytes, row.unique_bytes) for row in rows}


@pytest.mark.usefixtures("stored")
class TestMeasure:
    def test_each_repository_and_team_has_its_bytes_and_its_own(self) -> None:
        assert usage.measure() == 1000 + 200 + 30 + 5 + 2 + 10_000 + 6 * PAYLOAD
        assert measured() == REPOSITORIES
        teams = TeamUsage.objects.select_related("team")
        assert {t.team.name: (t.bytes, t.unique_bytes) for t in teams} == TEAMS

    def test_the_whole_is_known_and_what_a_clean_up_would_free(
        self, administrator: Principal
    ) -> None:
        assert usage.totals(principal=administrator) is None
        usage.measure()
        whole = usage.totals(principal=administrator)
        assert whole is not None
        assert (whole.blobs, whole.manifests) == (6, 6)
        assert (whole.unlinked_bytes, whole.unused_bytes) == (10_000, 5)
        assert whole.bytes == sum(b.size for b in Blob.objects.all()) + 6 * PAYLOAD

    def test_a_second_measure_follows_what_has_changed_and_writes_nothing_else(self) -> None:
        usage.measure()
        with CaptureQueriesContext(connection) as queries:
            usage.measure()
        writes = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE"))]
        assert len(writes) == 1, writes  # the time of the measure
        ManifestBlob.objects.all().delete()
        BlobLink.objects.filter(blob__digest="sha256:base").exclude(
            repository__name="vault/app"
        ).delete()
        usage.measure()
        assert measured() == REPOSITORIES | {
            "payments/api": (200 + 5 + 2 + 2 * PAYLOAD, 5 + 2 * PAYLOAD),
            "payments/app": (200 + 30 + 3 * PAYLOAD, 30 + 3 * PAYLOAD),
            "vault/app": (1000 + 2 + PAYLOAD, 1000 + PAYLOAD),
        }

    def test_a_team_that_gave_everything_up_has_none_left(self) -> None:
        usage.measure()
        ManifestBlob.objects.all().delete()
        Manifest.objects.all().delete()
        BlobLink.objects.all().delete()
        usage.measure()
        assert set(measured().values()) == {(0, 0)}
        assert TeamUsage.objects.aggregate(Sum("bytes"))["bytes__sum"] == 0
        assert StorageSample.objects.get(team__name="vault").bytes == 0

    def test_a_day_has_one_sample_of_each(self) -> None:
        usage.measure()
        Blob.objects.filter(digest="sha256:own").update(size=31)
        usage.measure()
        assert StorageSample.objects.count() == 3
        sample = StorageSample.objects.get(team__name="payments")
        assert (sample.bytes, sample.blobs, sample.manifests) == (TEAMS["payments"][0] + 1, 5, 5)

    def test_more_rows_take_no_more_queries(self) -> None:
        found = []
        for size in (1, 30):
            for number in range(size):
                blob(f"{size}-{number}", 1, f"payments/r{number}", f"team{number}/r")
            with CaptureQueriesContext(connection) as queries:
                usage.measure()
            found.append(len(queries))
        assert found[1] <= found[0] <= 20


def test_an_empty_registry_can_be_measured(db: None) -> None:
    assert usage.measure() == 0
    assert StorageSample.objects.get().bytes == 0


@pytest.mark.usefixtures("stored")
class TestReading:
    @pytest.fixture(autouse=True)
    def _measured(self, stored: None) -> None:
        usage.measure()

    def test_everybody_sees_the_sizes_of_what_they_may_pull(
        self, reader: Principal, stranger: Principal, administrator: Principal, nobody: Principal
    ) -> None:
        def names(principal: Principal, team: str = "") -> list[str]:
            rows = usage.by_repository(principal=principal, team=team)
            return [row.repository.name for row in rows]

        ours = ["payments/app", "payments/api", "payments/empty"]
        assert names(reader) == ours
        assert names(stranger) == names(nobody) == names(reader, "vault") == []
        assert names(administrator) == [*ours[:2], "vault/app", ours[2]]
        assert names(administrator, "vault") == ["vault/app"]

    def test_members_see_their_teams_and_administrators_all(
        self, reader: Principal, stranger: Principal, administrator: Principal, nobody: Principal
    ) -> None:
        def names(principal: Principal) -> list[str]:
            return [row.team.name for row in usage.by_team(principal=principal)]

        assert names(reader) == ["payments"]
        assert names(stranger) == names(nobody) == []
        assert names(administrator) == ["payments", "vault"]
        Membership.objects.create(
            team=Team.objects.get(name="vault"), user=user_of(reader), role=10
        )
        assert names(reader) == ["payments", "vault"]

    def test_the_whole_is_for_those_who_may_see_everything(
        self, owner: Principal, nobody: Principal, settings: Settings
    ) -> None:
        for principal in (owner, nobody):
            with pytest.raises(PermissionDenied):
                usage.totals(principal=principal)
            with pytest.raises(PermissionDenied):
                usage.growth(principal=principal)
        settings.OPEN_ACCESS = True
        assert usage.totals(principal=ANONYMOUS) is not None
        assert len(usage.growth(principal=ANONYMOUS)) == 1
        assert len(usage.growth(principal=ANONYMOUS, team="vault")) == 1

    def test_the_growth_of_a_team_is_its_members_business(
        self, reader: Principal, stranger: Principal, administrator: Principal, nobody: Principal
    ) -> None:
        assert [s.bytes for s in usage.growth(principal=reader, team="payments")] == [
            TEAMS["payments"][0]
        ]
        assert len(usage.growth(principal=administrator, team="vault")) == 1
        for principal, team in ((reader, "vault"), (stranger, "payments"), (reader, "nowhere")):
            with pytest.raises(Team.DoesNotExist):
                usage.growth(principal=principal, team=team)
        with pytest.raises(PermissionDenied):
            usage.growth(principal=nobody, team="payments")

    def test_growth_is_the_last_days_in_their_order(self, administrator: Principal) -> None:
        now = timezone.now()
        for days in (1, 5, 89, 90, 400):
            StorageSample.objects.create(
                day=now.date() - timedelta(days=days),
                measured_at=now,
                bytes=days,
                blobs=0,
                manifests=0,
            )
        found = [sample.bytes for sample in usage.growth(principal=administrator)]
        assert found[:-1] == [89, 5, 1]
        assert len(usage.growth(principal=administrator, days=2)) == 2

    def test_live_sizes_are_what_a_measure_gives(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        ids = dict(Repository.objects.values_list("name", "id"))
        with django_assert_num_queries(1):
            found = usage.live_sizes(ids.values())
        assert found == {ids[name]: size for name, (size, _) in REPOSITORIES.items()}
        assert usage.live_sizes([ids["vault/app"]]) == {ids["vault/app"]: 1009}
        assert usage.live_sizes([]) == {}
        assert usage.live_sizes([-1]) == {-1: 0}
