"""Berth's image for every test here, and a machine to run it on.

`berth_image` is the image, built once for what goes into it (`image.py`): an archive that
`berth_image.load_into(engine.docker)` gives to any engine, where its name is `berth`. `machine` is
an engine that has it, in a network namespace of its own, where containers publish ports; what a
test leaves there is removed.
"""

from collections.abc import Iterator

import pytest

from tests.deploy import image
from tests.deploy.machine import Machine


@pytest.fixture(scope="session")
def berth_image() -> image.Image:
    """Berth's image; without what it takes to build it, tests are skipped."""
    return image.bring()


@pytest.fixture(scope="package")
def one_machine(berth_image: image.Image) -> Iterator[Machine]:
    with Machine() as running:
        berth_image.load_into(running.docker)
        yield running


@pytest.fixture
def machine(one_machine: Machine) -> Iterator[Machine]:
    """An engine that has the image, no containers yet, and is signed in nowhere."""
    one_machine.clear()
    yield one_machine
    one_machine.clear()
