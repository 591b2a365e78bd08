"""How lines of the log look: `REGISTRY_LOG_FORMATTER` is `text`, `json` or `logstash`, and
`REGISTRY_LOG_FIELDS_…` are in each of them."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from registry_site import env

_LINE = "{asctime} {levelname} {name}: {message}"
_LEVELS = {"WARNING": "warning", "CRITICAL": "fatal"}


class TextFormatter(logging.Formatter):
    """A line for people, and the fields at its end."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(_LINE, style="{")
        self._end = "".join(f" {name}={value}" for name, value in fields.items())

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return super().formatMessage(record) + self._end


class JSONFormatter(logging.Formatter):
    """An object a line, with the names that Docker's registry uses, or those of Logstash."""

    def __init__(self, fields: Mapping[str, str], *, for_logstash: bool = False) -> None:
        super().__init__()
        self._fields = dict(fields)
        self._for_logstash = for_logstash

    def format(self, record: logging.LogRecord) -> str:
        """`fields` of the record, given as `extra`, are in it as well."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        time = time.replace("+00:00", "Z")
        level = _LEVELS.get(record.levelname, record.levelname.lower())
        message = record.getMessage()
        entry: dict[str, Any] = {**self._fields, **getattr(record, "fields", {})}
        if self._for_logstash:
            entry |= {"@timestamp": time, "@version": "1", "level": level, "message": message}
        else:
            entry |= {"time": time, "level": level, "msg": message}
        entry["logger"] = record.name
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def is_structured() -> bool:
    """Whether lines are JSON. Raises ImproperlyConfigured."""
    return _kind() != "text"


def _kind() -> str:
    return env.choice("REGISTRY_LOG_FORMATTER", "text", ("text", "json", "logstash"))


def formatter() -> logging.Formatter:
    """As the settings say. Raises ImproperlyConfigured."""
    kind = _kind()
    given = env.collection("REGISTRY_LOG_FIELDS")
    fields = {name.lower(): ", ".join(values) for name, values in given.items()}
    if kind == "text":
        return TextFormatter(fields)
    return JSONFormatter(fields, for_logstash=kind == "logstash")
