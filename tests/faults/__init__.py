"""Servers that are killed, starved and raced: nothing that was acknowledged may be lost."""

import pytest

pytest.register_assert_rewrite("tests.faults.client", "tests.faults.verify")
