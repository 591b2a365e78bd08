"""What a machine may lack for these tests: a skip there, a failure where everything has to be."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip, or fail when BERTH_TEST_REQUIRE_ALL=1."""
    if os.environ.get("BERTH_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"BERTH_TEST_REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)
