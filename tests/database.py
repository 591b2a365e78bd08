"""The pytest plugin that decides where the tests keep their data, before Django reads its settings.

`BERTH_TEST_DATABASE=postgresql` runs the suite on PostgreSQL, on a throwaway cluster unless
`TEST_DATABASE_URL` names a server; anything else on SQLite. `-p tests.database` in pyproject.toml
loads this before pytest-django sets Django up.
"""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests import postgres

DATABASE = os.environ.get("BERTH_TEST_DATABASE", "sqlite")

# What no database has a part in. A whole run on PostgreSQL, beside one on SQLite, leaves it out.
SAME_ON_BOTH = (
    *("benchmarks", "browser", "deploy", "oci", "proxy", "storage"),
    *(f"interop/test_{tool}.py" for tool in ("adoption", "crane", "helm", "large", "oras")),
    *(f"interop/test_{tool}.py" for tool in ("podman", "regctl", "skopeo", "tls")),
    *(f"registry_site/test_{what}.py" for what in ("config_file", "container")),
    *(f"registry_site/test_{what}.py" for what in ("distribution", "doctor")),
    *(f"registry_site/test_{what}.py" for what in ("drop_in", "env", "log_format", "manage")),
    *(f"registry_site/test_{what}.py" for what in ("registry_command", "settings_described")),
    *(f"registry_site/test_{what}.py" for what in ("texts", "tls")),
    *("repositories/layers", "repositories/web/test_markdown.py"),
)

_folder = tempfile.mkdtemp(prefix="berth-tests-")


def _prepare() -> None:
    # A shell's background job ignores it, and so would the servers and commands that tests stop.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["REGISTRY_DATA"] = _folder
    os.environ.pop("DATABASE_URL", None)
    if DATABASE == "postgresql":
        os.environ["DATABASE_URL"] = postgres.start()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether to leave it out; None: others decide. What was asked for by name stays in."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    left_out = [config.rootpath / "tests" / path for path in SAME_ON_BOTH]
    return True if DATABASE == "postgresql" and is_whole and collection_path in left_out else None


def pytest_unconfigure(config: pytest.Config) -> None:
    if DATABASE == "postgresql":
        postgres.stop()
    shutil.rmtree(_folder, ignore_errors=True)


_prepare()
