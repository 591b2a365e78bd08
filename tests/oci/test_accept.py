"""Content negotiation: q-values, wildcards, and headers made to be slow."""

import time

import pytest

from repositories.oci.accept import MAX_RANGES, accepts
from repositories.oci.media_types import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST


@pytest.mark.parametrize("header", [None, "", "  "])
def test_no_accept_header_means_anything_goes(header: str | None) -> None:
    assert accepts(header, OCI_MANIFEST)


@pytest.mark.parametrize(
    "header",
    [
        OCI_MANIFEST,
        OCI_MANIFEST.upper(),
        f"{DOCKER_MANIFEST}, {OCI_MANIFEST}",
        f"{DOCKER_MANIFEST},{OCI_MANIFEST}",
        f" {OCI_MANIFEST} ; q=0.1",
        f"{OCI_MANIFEST};q=0.001",
        f"{OCI_MANIFEST};q=1.000",
        f"{OCI_MANIFEST};charset=utf-8;q=0.5",
        "*/*",
        "application/*",
        "text/html, */*;q=0.1",
        f"*/*;q=0, {OCI_MANIFEST}",
        f"application/*;q=0, {OCI_MANIFEST};q=0.5",
        "*/*;q=0, application/*",
        f"{OCI_MANIFEST};q=0, {OCI_MANIFEST};q=1",
        f"{OCI_MANIFEST};q=x",
        ",,,*/*,,",
    ],
)
def test_the_type_is_served_where_a_range_lets_it(header: str) -> None:
    assert accepts(header, OCI_MANIFEST)


@pytest.mark.parametrize(
    "header",
    [
        DOCKER_MANIFEST,
        "text/*",
        "*",
        "application",
        "*/*;q=0",
        "*/*;q=0.0",
        "*/*;q=0.000",
        "*/* ; Q=0",
        f"{OCI_MANIFEST};q=0",
        f"{OCI_MANIFEST};q=0, */*",
        f"{OCI_MANIFEST};q=0, application/*",
        "application/*;q=0, */*",
        ",",
        ";;;",
        f"{OCI_MANIFEST}x",
        OCI_INDEX,
    ],
)
def test_the_type_is_not_served_where_no_range_lets_it(header: str) -> None:
    assert not accepts(header, OCI_MANIFEST)


def test_the_last_of_a_hundred_types_still_counts() -> None:
    others = [f"application/vnd.example.{number}+json" for number in range(MAX_RANGES - 1)]

    assert MAX_RANGES >= 100
    assert accepts(", ".join([*others, OCI_MANIFEST]), OCI_MANIFEST)


def test_what_comes_behind_the_limit_is_not_looked_at() -> None:
    others = [f"application/vnd.example.{number}+json" for number in range(MAX_RANGES)]

    assert not accepts(", ".join([*others, OCI_MANIFEST]), OCI_MANIFEST)


@pytest.mark.parametrize("piece", [",", ";", ";q=", "a/b;q=1,", " ", ";q=0.5 ", "q=" + " " * 100])
def test_ten_times_the_header_takes_no_more_than_some_ten_times_as_long(piece: str) -> None:
    """S33: whatever is repeated, the work stays linear; quadratic work would be a hundredfold."""
    short, long = (piece * (size // len(piece)) for size in (64 * 1024, 640 * 1024))

    assert _seconds(long) < 40 * _seconds(short) + 0.05


def _seconds(header: str) -> float:
    """The least of three runs, in CPU time of this thread: other processes do not count."""
    times = []
    for _ in range(3):
        started = time.thread_time()
        accepts(header, OCI_MANIFEST)
        times.append(time.thread_time() - started)
    return min(times)
