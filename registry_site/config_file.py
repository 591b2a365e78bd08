"""YAML as Docker's registry reads it: a configuration file, and values of the environment.

Scalars stay as they are written: `0755`, `1:30` and `no` are what the setting makes of them.
"""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml
from django.core.exceptions import ImproperlyConfigured

# Where the images `registry:3` and `registry:2` have it.
MOUNTED = ("/etc/distribution/config.yml", "/etc/docker/registry/config.yml")

_KEPT_TAGS = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


class _Loader(yaml.SafeLoader):
    """Safe, and without guesses at what a scalar means."""

    yaml_implicit_resolvers = {
        first: [resolver for resolver in resolvers if resolver[0] in _KEPT_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Leaf(NamedTuple):
    """A value, by the name that it has in the environment, and where it stands in the YAML."""

    name: str
    path: str
    text: str


def parse(text: str) -> object:
    """Mappings, lists, text and None. Raises ValueError."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (derived of SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error) or "it is nested too deeply") from error


def leaves(value: object, name: str, path: str = "") -> Iterator[Leaf]:
    """Every value at or below `value`; empty mappings and lists are values as well."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            inner = f"{path}.{key}" if path else str(key)
            yield from leaves(below, f"{name}_{str(key).upper()}", inner)
    elif isinstance(value, list) and value:
        for number, below in enumerate(value):
            yield from leaves(below, f"{name}_{number}", f"{path}[{number}]")
    else:
        yield Leaf(name, path, "" if value is None or value in ({}, []) else str(value))


def read(path: Path) -> tuple[Leaf, ...]:
    """What the file sets. Raises ImproperlyConfigured."""
    try:
        status = path.stat()
        return _read(path, (status.st_mtime_ns, status.st_size))
    except OSError as error:
        raise ImproperlyConfigured(
            f"The configuration file {path} cannot be read: {error.strerror}."
        ) from error
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ImproperlyConfigured(f"The configuration file {path} is no YAML: {error}") from error


@functools.lru_cache(maxsize=4)
def _read(path: Path, version: tuple[int, int]) -> tuple[Leaf, ...]:
    content = parse(path.read_text(encoding="utf-8"))
    if not isinstance(content, Mapping):
        raise ValueError("write sections, such as http: with addr: below it")  # noqa: TRY004
    return tuple(leaves(content, "REGISTRY"))
