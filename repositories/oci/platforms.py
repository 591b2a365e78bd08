"""Platforms: image-spec, "OCI Image Index", the `platform` of a descriptor, and of a config."""

from collections.abc import Mapping
from typing import NamedTuple, Self

_MAX_PART = 128


class Platform(NamedTuple):
    """What an image runs on; `str()` gives `os/architecture[/variant]`, or nothing if unknown."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = ""

    @classmethod
    def of(cls, document: Mapping[str, object]) -> Self:
        """The platform that a descriptor's `platform` or an image's config states."""
        names = ("os", "architecture", "variant", "os.version")
        return cls(*(_part(document.get(name)) for name in names))

    @property
    def is_known(self) -> bool:
        """Not so for what runs nowhere: BuildKit lists its attestations as unknown/unknown."""
        return bool(self.os and self.architecture) and "unknown" not in (self.os, self.architecture)

    def matches(self, wanted: str) -> bool:
        """Whether `wanted`, such as `linux/arm` or `linux/arm/v7`, means this platform."""
        return wanted in (str(self), f"{self.os}/{self.architecture}")

    def __str__(self) -> str:
        if not (self.os or self.architecture):
            return ""
        variant = f"/{self.variant}" if self.variant else ""
        return f"{self.os}/{self.architecture}{variant}"


def _part(value: object) -> str:
    return value[:_MAX_PART] if isinstance(value, str) else ""
