"""Settings from the environment and from a configuration file. A malformed value stops the start
and says how to write it.

Names and values are those of Docker's registry: `REGISTRY_` and the path in the YAML, in capitals,
with `_` between its levels; lists by index, or whole. The environment comes before the file, and
the longer name before the shorter. An empty value is none.

Every name also has a `NAME_FILE` form that names a file holding the value, as Docker and Kubernetes
secrets are mounted.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

from registry_site import config_file
from repositories.pace import rate_of

# Names the configuration file; `serve FILE` and `--config FILE` set it.
CONFIGURATION_PATH = "REGISTRY_CONFIGURATION_PATH"
# Where a word chooses which of the sections below counts.
CHOICES = {
    "REGISTRY_STORAGE": ("FILESYSTEM", "INMEMORY", "S3", "AZURE", "GCS", "SWIFT", "OSS", "COS"),
    "REGISTRY_AUTH": ("HTPASSWD", "TOKEN", "SILLY"),
}

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
# Go's time.ParseDuration, which registry:2 users write: 168h, 1h30m, 90s, 500ms.
_DURATION = re.compile(r"(?:([0-9]+(?:\.[0-9]+)?)(ms|h|m|s))", re.ASCII)
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
# The sections of Docker's registry: only there is a value in the environment YAML.
_SECTIONS = re.compile(
    r"REGISTRY_(?:LOG|STORAGE|AUTH|MIDDLEWARE|REPORTING|HTTP|NOTIFICATIONS|REDIS|HEALTH|PROXY"
    r"|COMPATIBILITY|VALIDATION|POLICY|CATALOG|TAGS)(?:_.*)?",
    re.DOTALL,
)
# What Kubernetes puts into the environment of every pod for a Service called registry…
_KUBERNETES = re.compile(
    r"REGISTRY(?:_[A-Z0-9_]+)?_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    r"|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
# … and where podman, skopeo and buildah look for passwords.
_OTHERS = ("REGISTRY_AUTH_FILE",)


class Given(NamedTuple):
    """A value that was set, and where."""

    text: str
    origin: str


# Every name that was asked for, with its default: what `show_config` shows.
asked: dict[str, str] = {}
# Those of them that stand for all names below.
collections: set[str] = set()


def given() -> dict[str, Given]:
    """Everything that is set under `REGISTRY_…`, by name. Raises ImproperlyConfigured."""
    values: dict[str, Given] = {}
    path = os.environ.get(CONFIGURATION_PATH)
    if path:
        for leaf in config_file.read(Path(path)):
            values[leaf.name] = Given(leaf.text, f"{path}:{leaf.path}")
    for spelling in sorted(os.environ):  # so that the shorter names come first
        name = spelling.upper()
        if not name.startswith("REGISTRY_") or name in _OTHERS or _KUBERNETES.fullmatch(name):
            continue
        value = os.environ[spelling]
        if value or name not in values:
            _put(values, name, value, spelling)
    return values


def _put(values: dict[str, Given], name: str, text: str, origin: str) -> None:
    """Set what the environment has under `name`, over what was there."""
    value = _yaml_of(name, text)
    if text and not isinstance(value, Mapping):
        replaced = _replaced_by(name, text)
        for key in [key for key in values if replaced.fullmatch(key)]:
            del values[key]
    values.update({leaf.name: Given(leaf.text, origin) for leaf in config_file.leaves(value, name)})


def _yaml_of(name: str, text: str) -> object:
    """What YAML makes of a value that can be more than plain text."""
    if not _SECTIONS.fullmatch(name) or not (text.startswith(("[", "{", '"', "'")) or "\n" in text):
        return text
    try:
        return config_file.parse(text)
    except ValueError:
        return text  # such as [::]:5000


def _replaced_by(name: str, text: str) -> re.Pattern[str]:
    """The names that count no more: elements of a list, or the sections that were not chosen."""
    others = [word for word in CHOICES.get(name, ()) if word != text.strip().upper()]
    return re.compile(rf"{re.escape(name)}_(?:{'|'.join(others) or '[0-9]+'})(?:_.*)?", re.DOTALL)


def find(name: str) -> Given | None:
    """What was set under this very name."""
    if name.startswith("REGISTRY_"):
        return given().get(name)
    return Given(os.environ[name], name) if name in os.environ else None


def found(name: str) -> Given | None:
    """The value of `name`, or the content of the file that `name_FILE` names.

    Raises ImproperlyConfigured when both are set or the file cannot be read.
    """
    value, file = find(name), find(f"{name}_FILE")
    if file is None:
        return value if value and value.text.strip() else None
    if value is not None:
        raise ImproperlyConfigured(f"Both {name} and {name}_FILE are set; keep one of them.")
    try:
        content = Path(file.text).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names {file.text}, which cannot be read: {error}."
        ) from error
    return Given(content, f"{name}_FILE={file.text}") if content.strip() else None


def text(name: str, default: str = "") -> str:
    """The value of `name`, or `default`. Raises ImproperlyConfigured; see `found`."""
    asked.setdefault(name, default)
    value = found(name)
    return value.text if value else default


def flag(name: str, default: bool) -> bool:
    """A yes-or-no setting. Raises ImproperlyConfigured for any other word."""
    value = text(name, str(default).lower()).strip().lower()
    if not value:
        return default
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither true nor false; write true or false.")


def integer(name: str, default: int, *, least: int, most: int) -> int:
    """A whole number within [least, most]. Raises ImproperlyConfigured otherwise."""
    value = text(name, str(default)).strip()
    if not re.fullmatch(r"-?[0-9]{1,18}", value, re.ASCII) or not least <= int(value) <= most:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not a whole number from {least} to {most}; correct it."
        )
    return int(value)


def duration(name: str, default: str) -> float:
    """Seconds, from a duration such as `168h` or `1h30m`. Raises ImproperlyConfigured."""
    value = text(name, default).strip()
    if value == "0":
        return 0.0
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not a duration; write one such as 168h, 90m or 1h30m."
        )
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


def rate(name: str, default: str) -> int:
    """Bytes in a second, from a rate such as `20MB/s`. Raises ImproperlyConfigured."""
    try:
        return rate_of(text(name, default).strip())
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from error


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    """One word out of `allowed`. Raises ImproperlyConfigured for any other."""
    value = text(name, default).strip()
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} must be one of: {', '.join(allowed)}.")
    return value


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """A list, by index or with commas; blanks around and between words are dropped."""
    value = text(name, ",".join(default))
    if elements := below(name).get(""):
        return elements
    return [word.strip() for word in value.split(",") if word.strip()] or list(default)


def collection(name: str) -> dict[str, list[str]]:
    """What is set below `name`, where every name may stand; see `below`."""
    asked[name] = ""
    collections.add(name)
    return below(name)


def below(name: str) -> dict[str, list[str]]:
    """What is set below `name`, by the rest of its name: the elements of lists, and single values.

    `HTTP_HEADERS_X-FRAME-OPTIONS_0` is an element of `X-FRAME-OPTIONS` below `HTTP_HEADERS`; a list
    that stands at `name` itself is under the empty rest.
    """
    parts: dict[str, list[tuple[int, str]]] = {}
    for key, value in given().items():
        if not key.startswith(f"{name}_") or not value.text:
            continue
        rest = key.removeprefix(f"{name}_")
        match = re.fullmatch(r"(?:(.*)_)?([0-9]{1,6})", rest, re.DOTALL)
        rest, number = (match[1] or "", int(match[2])) if match else (rest, 0)
        parts.setdefault(rest, []).append((number, value.text))
    return {rest: [text for _, text in sorted(part)] for rest, part in parts.items()}
