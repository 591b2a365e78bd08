"""While a backup holds its lease, what is in the trash stays there."""

import io
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.db.models import F

from repositories import forecast, garbage, jobs, leases, trash
from repositories.access import Principal
from repositories.models import BackupLease
from repositories.storage.filesystem import FilesystemStorage
from tests.repositories.content import push_blob

pytestmark = pytest.mark.django_db(transaction=True)

NONE = timedelta(0)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def discarded(writer: Principal) -> None:
    """A blob of 11 bytes in the trash, whose grace is over when there is none."""
    push_blob(writer, b"of no image")
    garbage.collect(grace=NONE)
    time.sleep(0.02)


def let_time_pass(by: timedelta) -> None:
    """Since the lease was last renewed."""
    BackupLease.objects.update(renewed_at=F("renewed_at") - by)


@pytest.mark.usefixtures("discarded")
def test_nothing_is_purged_while_a_lease_is_held(disk: FilesystemStorage) -> None:
    with leases.hold():
        tally = trash.purge(grace=NONE)
        assert (tally.purged, tally.kept) == (0, {trash.BACKED_UP: 1})
        assert len(list(disk.trash())) == 1
    assert trash.purge(grace=NONE).purged == 1
    assert not list(disk.trash())


@pytest.mark.usefixtures("discarded", "disk")
def test_the_command_and_its_forecast_say_why_nothing_is_freed() -> None:
    def run(*options: str) -> str:
        out = io.StringIO()
        call_command("collect_garbage", "--grace=0s", *options, stdout=out)
        return out.getvalue()

    with leases.hold():
        for options in (["--dry-run"], []):
            told = run(*options)
            assert "0 files of the trash" in told
            assert f"kept: 1 {trash.BACKED_UP}" in told
        assert forecast.forecast(grace=NONE).purged == 0
    assert "11 bytes freed: 1 files of the trash" in run()


@pytest.mark.usefixtures("discarded")
def test_the_job_waits_for_the_backup(disk: FilesystemStorage) -> None:
    with leases.hold():
        assert jobs.sweep_storage().endswith(" 0 bytes freed")
    assert len(list(disk.trash())) == 1


@pytest.mark.usefixtures("discarded", "disk")
def test_a_lease_that_is_not_renewed_ends_by_itself() -> None:
    with leases.hold():
        let_time_pass(leases.LASTS - timedelta(seconds=30))
        assert leases.is_held()
        let_time_pass(timedelta(seconds=31))
        assert not leases.is_held()
        assert trash.purge(grace=NONE).purged == 1


def test_renewing_lets_a_lease_stand_for_another_while() -> None:
    with leases.hold() as lease:
        let_time_pass(leases.LASTS - timedelta(seconds=30))
        lease.renew()
        let_time_pass(leases.LASTS - timedelta(seconds=30))
        assert leases.is_held()


def test_a_lease_that_has_ended_is_not_brought_back() -> None:
    with leases.hold() as lease:
        let_time_pass(leases.LASTS)
        with pytest.raises(leases.LeaseLost, match="Run it again"):
            lease.renew()
        assert not leases.is_held()


def test_of_several_backups_each_has_its_own() -> None:
    with leases.hold():
        with leases.hold() as inner:
            assert BackupLease.objects.count() == 2
            inner.renew()
        assert leases.is_held()
    assert not BackupLease.objects.exists()


def test_a_new_backup_clears_away_what_a_killed_one_left() -> None:
    with leases.hold() as killed:
        let_time_pass(leases.LASTS)
        with leases.hold():
            assert not BackupLease.objects.filter(token=killed.token).exists()


def test_a_lease_is_given_back_when_the_backup_fails() -> None:
    with pytest.raises(OSError, match="disk"), leases.hold():
        raise OSError("the disk is full")
    assert not BackupLease.objects.exists()


def test_a_thread_renews_it_again_and_again_also_after_failures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewals: list[int] = []

    def renew(self: leases.Lease) -> None:
        renewals.append(1)
        if len(renewals) == 1:
            raise DatabaseError("gone for a while")

    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(leases.Lease, "renew", renew)
    with leases.hold():
        while len(renewals) < 4:
            time.sleep(0.01)
    count = len(renewals)
    time.sleep(0.05)
    assert len(renewals) == count, "it goes on after the end"
