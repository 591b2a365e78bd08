"""Few faults in the suite, many with `BERTH_FAULTS=long`, which `make faults` sets."""

from __future__ import annotations

import os

import pytest

LONG = os.environ.get("BERTH_FAULTS") == "long"
# The long run takes longer than a test that hangs.
MARKS = [pytest.mark.faults, pytest.mark.timeout(7200 if LONG else 600)]


def either(short: int, long: int) -> int:
    """How many: `short` in the suite, `long` in the long run."""
    return long if LONG else short
