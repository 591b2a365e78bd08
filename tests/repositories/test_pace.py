"""The token bucket by a clock of its own, and how rates are written."""

import random

import pytest

from repositories.pace import Bucket, rate_of


class Clock:
    """Time that passes when somebody sleeps, or when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def bucket(clock: Clock, rate: int | None) -> Bucket:
    return Bucket(rate, clock=clock, sleep=clock.sleep)


def test_what_is_taken_takes_its_time(clock: Clock) -> None:
    pace = bucket(clock, 1000)
    for _ in range(10):
        pace.take(500)
    assert clock.now == pytest.approx(105)


def test_whatever_the_sizes_no_more_passes_than_the_rate_allows(clock: Clock) -> None:
    pace, lots, taken = bucket(clock, 1000), random.Random(1), 0
    for _ in range(1000):
        count = lots.randrange(1, 5000)
        pace.take(count)
        taken += count
        clock.now += lots.choice([0, 0, 0.01])
        assert taken <= (clock.now - 100) * 1000 + 1
    assert taken == pytest.approx((clock.now - 100) * 1000, rel=0.01)


def test_time_that_reading_took_counts(clock: Clock) -> None:
    pace = bucket(clock, 1000)
    for _ in range(10):
        clock.now += 0.6
        pace.take(500)
    assert clock.now == pytest.approx(106)


def test_a_pause_saves_up_for_a_second_and_no_longer(clock: Clock) -> None:
    pace = bucket(clock, 1000)
    clock.now += 3600
    pace.take(1000)
    assert clock.now == 3700
    pace.take(1000)
    assert clock.now == pytest.approx(3701)


def test_without_a_rate_nobody_waits(clock: Clock) -> None:
    bucket(clock, None).take(10**15)
    assert clock.now == 100


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("200MB/s", 200_000_000),
        ("20 MB/s", 20_000_000),
        ("64MiB/s", 64 * 1024**2),
        ("1.5GB", 1_500_000_000),
        ("0.5GiB/s", 512 * 1024**2),
        ("100kB/s", 100_000),
        ("100KB", 100_000),
        ("100000B/s", 100_000),
        ("2TB/s", 2 * 10**12),
    ],
)
def test_a_rate_is_bytes_in_a_second(text: str, rate: int) -> None:
    assert rate_of(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "200",
        "MB/s",
        "-1MB/s",
        "1e3MB/s",
        "0MB/s",
        "99.999kB/s",
        "1B",
        "٢MB/s",
        "1MB/s\n",
        "1Mb/s",
    ],
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        rate_of(text)
