"""Pure Python needs no storage: these tests go without."""

import pytest


@pytest.fixture(autouse=True)
def blob_storage() -> None:
    """Instead of the folder that every other test gets."""
