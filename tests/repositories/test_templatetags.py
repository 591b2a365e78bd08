"""Sizes and shares as pages show them."""

import pytest
from django.utils import translation

from repositories.templatetags.berth import extent, iec, plainly, share, short


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.00 KiB"),
        (10_234, "9.99 KiB"),
        (10_240, "10.0 KiB"),
        (102_400, "100 KiB"),
        (1_023_487, "999 KiB"),
        (1_023_488, "0.98 MiB"),
        (5 << 30, "5.00 GiB"),
        (2**63 - 1, "8.00 EiB"),
    ],
)
def test_a_size_has_three_digits(size: int | None, text: str) -> None:
    assert iec(size) == text


def test_a_size_is_written_as_the_language_does() -> None:
    with translation.override("de"):
        assert iec(1536) == "1,50 KiB"


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(0, 0, "0 %"), (1, 0, "0 %"), (1, 1000, "<1 %"), (1, 3, "33 %")]
)
def test_a_share_is_in_per_cent(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


def test_a_length_is_never_localised() -> None:
    with translation.override("de"):
        assert extent(1, 3) == "33.333%"
    assert extent(1, 0) == "0%"


def test_a_digest_is_known_by_its_first_characters() -> None:
    assert short("sha256:0123456789abcdef") == "0123456789ab"
    assert short("latest") == "latest"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("v1", "v1"),
        (["v1", "v*"], "v1, v*"),
        ([], "[]"),
        (True, "true"),
        ([{"rule": "newest", "count": 3}], '[{"rule": "newest", "count": 3}]'),
        ({"名": None}, '{"名": null}'),
    ],
)
def test_what_the_audit_log_keeps_is_no_python(value: object, text: str) -> None:
    assert plainly(value) == text
