"""The image that deploy/Dockerfile makes."""

from tests.deploy.image import BASE, NAME
from tests.deploy.machine import Machine

MOST_BYTES = 200_000_000


def test_it_adds_less_than_200_megabytes_to_its_base(machine: Machine) -> None:
    sizes = machine.docker("image", "inspect", "--format", "{{.Size}}", NAME, BASE).split()
    assert 0 < int(sizes[0]) - int(sizes[1]) < MOST_BYTES
