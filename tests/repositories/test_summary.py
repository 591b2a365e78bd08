"""The few figures about what is in the registry: for whom they are counted."""

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Team
from repositories import summary, usage
from repositories.access import Principal
from repositories.models import Blob, BlobLink, Manifest, Repository

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored(team: Team) -> None:
    for name in ("payments", "vault"):
        owner, _ = Team.objects.get_or_create(name=name)
        repository = Repository.objects.create(name=f"{name}/app", team=owner)
        blob = Blob.objects.create(digest=f"sha256:{name}", size=1000)
        BlobLink.objects.create(repository=repository, blob=blob)
        Manifest.objects.create(repository=repository, digest=f"sha256:{name}", payload=b"12345")


@pytest.mark.usefixtures("stored")
def test_everybody_is_told_of_what_they_may_know(
    administrator: Principal,
    reader: Principal,
    stranger: Principal,
    nobody: Principal,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    assert summary.measured_at() is None
    assert summary.of(principal=administrator) == (2, False, None, None, True)
    usage.measure()
    assert summary.measured_at() is not None
    with django_assert_max_num_queries(2):
        assert summary.of(principal=administrator) == (2, False, 2, 2010, True)
    with django_assert_max_num_queries(3):
        assert summary.of(principal=reader) == (1, False, 1, 1005, False)
    for principal in (stranger, nobody):
        assert summary.of(principal=principal) == (0, False, None, None, False)


@pytest.mark.usefixtures("stored")
def test_counting_ends_somewhere(
    team: Team, reader: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "MOST", 3)
    Repository.objects.bulk_create([Repository(name=f"payments/r{n}", team=team) for n in range(2)])
    assert summary.of(principal=reader)[:2] == (3, False)
    Repository.objects.create(name="payments/r2", team=team)
    assert summary.of(principal=reader)[:2] == (3, True)
