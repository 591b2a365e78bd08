"""The pytest plugin that decides where the tests keep their data, before Django reads its settings.

`BERTH_TEST_DATABASE=postgresql` runs the suite on PostgreSQL, on a throwaway cluster unless
`TEST_DATABASE_URL` names a server; anything else on SQLite. `-p tests.database` in pyproject.toml
loads this before pytest-django sets Django up.
"""

import os
import shutil
import signal
import tempfile

import pytest

from tests import postgres

DATABASE = os.environ.get("BERTH_TEST_DATABASE", "sqlite")

_folder = tempfile.mkdtemp(prefix="berth-tests-")


def _prepare() -> None:
    # A shell's background job ignores it, and so would the servers and commands that tests stop.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["REGISTRY_DATA"] = _folder
    os.environ.pop("DATABASE_URL", None)
    if DATABASE == "postgresql":
        os.environ["DATABASE_URL"] = postgres.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if DATABASE == "postgresql":
        postgres.stop()
    shutil.rmtree(_folder, ignore_errors=True)


_prepare()
