"""Several hosts on one database: who is alone, who is told, and that nobody is told too late.

The rows are PostgreSQL's: on SQLite there is one host by nature. What the rules come to when hosts
come, go, sleep and lose their rows is tried in `test_hosts_together.py`.
"""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from repositories import hosts
from repositories.models import Host
from tests.database import DATABASE

pytestmark = pytest.mark.django_db(transaction=True)
rows = pytest.mark.skipif(DATABASE != "postgresql", reason="SQLite has one host by nature")
SECOND = timedelta(seconds=1)


class Clock:
    """This host's; it goes on when it is slept by."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(hosts, "now", clock)
    monkeypatch.setattr("repositories.hosts.time.sleep", clock.sleep)
    return clock


def here() -> Host:
    return Host.objects.get(key=hosts._identity().key)


def another(seconds: float = 0.0, key: str = "another") -> Host:
    """A host that was last seen so many seconds ago."""
    Host.objects.create(key=key)
    Host.objects.filter(key=key).update(seen_at=Now() - seconds * SECOND)
    return Host.objects.get(key=key)


def test_what_others_rely_on_lasts_less_long_than_they_are_waited_for() -> None:
    assert hosts.LOOK_SECONDS < hosts.GOOD_SECONDS < hosts.NOTICED_SECONDS
    assert 2 * hosts.RENEW_SECONDS < hosts.GONE_SECONDS


def test_a_host_by_itself_is_alone_and_waits_for_nobody(clock: Clock) -> None:
    period = hosts.alone()
    for _ in range(20):
        clock.now += 0.4
        assert hosts.alone() == period is not None
        hosts.announce()
    assert clock.slept == []


@rows
def test_it_looks_once_a_second_and_no_more(clock: Clock) -> None:
    hosts.alone()
    looks = 0
    for _ in range(100):
        clock.now += 0.1
        with CaptureQueriesContext(connection) as captured:
            hosts.alone()
        assert len(captured) in (0, 1)
        looks += len(captured)
    assert 9 <= looks <= 10


@rows
def test_beside_another_it_is_not_alone_until_that_is_gone(clock: Clock) -> None:
    before = hosts.alone()
    other = another()
    clock.now += 1.0
    assert hosts.alone() is None
    other.delete()
    clock.now += 1.0
    assert hosts.alone() not in (None, before)


@rows
def test_after_a_look_that_was_missed_what_was_before_is_worth_nothing(clock: Clock) -> None:
    """Another may have come and gone."""
    before = hosts.alone()
    clock.now += hosts.GOOD_SECONDS + 0.01
    assert hosts.alone() not in (None, before)


@rows
def test_so_it_is_after_a_look_that_took_too_long(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hosts.alone()
    look = hosts._look

    def slow() -> object:
        clock.now += hosts.GOOD_SECONDS
        return look()

    monkeypatch.setattr(hosts, "_look", slow)
    clock.now += 1.0
    assert hosts.alone() not in (None, before)


@rows
def test_so_it_is_after_its_row_was_lost(clock: Clock) -> None:
    """Whoever came meanwhile had no row to see, and did not wait."""
    before = hosts.alone()
    Host.objects.all().delete()
    clock.now += 1.0
    assert hosts.alone() not in (None, before)
    assert here()


@rows
def test_while_another_thread_looks_the_last_look_counts_as_long_as_it_is_good(
    clock: Clock,
) -> None:
    period = hosts.alone()
    with hosts._looking:
        clock.now += hosts.GOOD_SECONDS - 0.01
        assert hosts.alone() == period
        clock.now += 0.02
        assert hosts.alone() is None


@rows
def test_a_change_beside_another_host_waits_once_and_then_never_again(clock: Clock) -> None:
    another()
    hosts.announce()
    assert clock.slept == [hosts.NOTICED_SECONDS]
    assert here().is_settled
    for _ in range(3):
        hosts.announce()
    assert clock.slept == [hosts.NOTICED_SECONDS]


@rows
def test_it_waits_anew_when_its_row_was_lost_meanwhile(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    another()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) <= 2:
            here().delete()

    monkeypatch.setattr("repositories.hosts.time.sleep", sleep)
    hosts.announce()
    assert len(clock.slept) == 3
    assert here().is_settled


@rows
def test_a_host_that_was_there_first_does_not_wait_for_one_that_came_later(clock: Clock) -> None:
    hosts.announce()
    another()
    hosts.announce()
    hosts.announce()
    # Once: as long as it was alone, nobody had to be waited for, and nothing had to be noted.
    assert clock.slept == [hosts.NOTICED_SECONDS]


@rows
def test_a_host_that_gives_no_sign_of_life_is_taken_for_gone(clock: Clock) -> None:
    another(hosts.GONE_SECONDS + 1, "gone")
    another(-hosts.GONE_SECONDS - 1, "whose database had a wrong clock")
    another(hosts.GONE_SECONDS - 10, "quiet")
    assert hosts.alone() is None
    assert set(Host.objects.values_list("key", flat=True)) == {here().key, "quiet"}


@rows
def test_a_host_gives_signs_of_life_while_it_is_used(clock: Clock) -> None:
    hosts.announce()
    before = here().seen_at
    hosts.announce()
    assert here().seen_at == before
    Host.objects.update(seen_at=F("seen_at") - (hosts.RENEW_SECONDS + 1) * SECOND)
    hosts.announce()
    assert here().seen_at > before


@rows
def test_a_database_that_takes_no_writes_is_read_all_the_same(clock: Clock) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        assert hosts.alone() is None
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
    clock.now += 1.0
    assert hosts.alone() is not None


def test_a_machine_that_does_not_tell_its_kernel_remembers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a network's file system two machines can have the same file."""
    key = hosts._identity().key
    monkeypatch.setattr(hosts, "_kernel", lambda: "")
    here, _ = identity = hosts._identity.__wrapped__()
    assert identity.may_remember is False
    monkeypatch.setattr(hosts, "_kernel", lambda: "another kernel")
    there, may_remember = hosts._identity.__wrapped__()
    assert may_remember
    assert len({key, here, there}) == 3
