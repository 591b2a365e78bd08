"""docs/settings.md names every setting that there is."""

import runpy

import pytest

from registry_site import distribution, env
from registry_site.serving import CONFIGURATION
from tests.live import ROOT

# For the processes of `serve` itself; and two that have one value only.
INTERNAL = {"BERTH_OPEN_ACCESS", "REGISTRY_HTTP_NET", "REGISTRY_AUTH"}


@pytest.fixture(scope="module")
def described() -> str:
    return (ROOT / "docs" / "settings.md").read_text()


def test_every_setting_is_described(described: str) -> None:
    runpy.run_path(str(CONFIGURATION))
    missing = [
        name
        for name in sorted({*env.asked, env.CONFIGURATION_PATH} - INTERNAL)
        # `…_AGE` and `_KEY` stand for the second of two names that begin alike.
        if name not in described and f"_{name.rpartition('_')[2]}`" not in described
    ]
    assert missing == []


@pytest.mark.parametrize("name", sorted({*distribution.REFUSED, *distribution.WITHOUT_EFFECT}))
def test_what_does_nothing_or_is_refused_is_described(name: str, described: str) -> None:
    section = described.partition("## Coming from")[2]
    parts = name.removeprefix("REGISTRY_").split("_")
    assert parts[0] in section
    assert parts[-1] in section
