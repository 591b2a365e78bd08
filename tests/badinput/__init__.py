"""The bad-input corpus: what must be refused, exactly how, and what must not be harmed by it."""

import pytest

pytest.register_assert_rewrite("tests.badinput.bench")
