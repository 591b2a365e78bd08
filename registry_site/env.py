"""Settings from the environment. A malformed value stops the start and says how to write it.

Every name also has a `NAME_FILE` form that names a file holding the value, as Docker and Kubernetes
secrets are mounted.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from repositories.pace import rate_of

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
# Go's time.ParseDuration, which registry:2 users write: 168h, 1h30m, 90s, 500ms.
_DURATION = re.compile(r"(?:([0-9]+(?:\.[0-9]+)?)(ms|h|m|s))", re.ASCII)
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def text(name: str, default: str = "") -> str:
    """The value of `name`, or the content of the file that `name_FILE` names, or `default`.

    Raises ImproperlyConfigured when both are set or the file cannot be read.
    """
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return os.environ.get(name, default)
    if name in os.environ:
        raise ImproperlyConfigured(f"Both {name} and {name}_FILE are set; keep one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names {path}, which cannot be read: {error}."
        ) from error


def flag(name: str, default: bool) -> bool:
    """A yes-or-no setting. Raises ImproperlyConfigured for any other word."""
    value = text(name).strip().lower()
    if not value:
        return default
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither true nor false; write true or false.")


def integer(name: str, default: int, *, least: int, most: int) -> int:
    """A whole number within [least, most]. Raises ImproperlyConfigured otherwise."""
    value = text(name).strip()
    if not value:
        return default
    if not re.fullmatch(r"-?[0-9]{1,18}", value, re.ASCII) or not least <= int(value) <= most:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not a whole number from {least} to {most}; correct it."
        )
    return int(value)


def duration(name: str, default: str) -> float:
    """Seconds, from a duration such as `168h` or `1h30m`. Raises ImproperlyConfigured."""
    value = text(name).strip() or default
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
        return rate_of(text(name).strip() or default)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from error


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    """One word out of `allowed`. Raises ImproperlyConfigured for any other."""
    value = text(name).strip() or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} must be one of: {', '.join(allowed)}.")
    return value


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma-separated list; blanks around and between words are dropped."""
    value = text(name)
    return [word.strip() for word in value.split(",") if word.strip()] or list(default)
