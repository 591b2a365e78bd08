"""Lines of the log: for people, for Docker's registry's readers, for Logstash."""

import json
import logging
from types import TracebackType

import pytest

from registry_site import env, log_format

Failure = tuple[type[BaseException], BaseException, TracebackType | None]
FIELDS = {"service": "registry", "environment": "staging"}


def failure() -> Failure:
    error = ZeroDivisionError()
    return type(error), error, error.__traceback__


@pytest.fixture(autouse=True)
def _asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "asked", dict(env.asked))


def record(message: str = "a %s", *args: object, **extra: object) -> logging.LogRecord:
    found = logging.LogRecord("berth", logging.WARNING, "x.py", 1, message, args or ("b",), None)
    found.created = 1_700_000_000.25
    found.__dict__.update(extra)
    return found


def test_text_is_a_line_with_the_fields_at_its_end() -> None:
    line = log_format.TextFormatter(FIELDS).format(record())
    assert line.endswith(" WARNING berth: a b service=registry environment=staging")


def test_text_ends_with_a_traceback_and_not_with_fields() -> None:
    told = record(exc_info=failure())
    first, *_, last = log_format.TextFormatter(FIELDS).format(told).splitlines()
    assert (first.endswith("environment=staging"), last) == (True, "ZeroDivisionError")


def test_json_has_the_names_of_dockers_registry() -> None:
    entry = json.loads(log_format.JSONFormatter(FIELDS).format(record(fields={"n": 1})))
    assert entry == {
        **FIELDS,
        "n": 1,
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "msg": "a b",
        "logger": "berth",
    }


def test_logstash_has_its_own() -> None:
    entry = json.loads(log_format.JSONFormatter({}, for_logstash=True).format(record()))
    assert entry == {
        "@timestamp": "2023-11-14T22:13:20.250Z",
        "@version": "1",
        "level": "warning",
        "message": "a b",
        "logger": "berth",
    }


def test_nobody_can_forge_a_line_or_a_field() -> None:
    forged = 'x"\n{"level": "info"}\x1b[0m'
    told = record("%s", forged, fields={"http.request.uri": forged, "level": "info"})
    (line,) = log_format.JSONFormatter({"msg": "mine"}).format(told).splitlines()
    entry = json.loads(line)
    assert (entry["msg"], entry["level"], entry["http.request.uri"]) == (forged, "warning", forged)


def test_a_traceback_is_a_field() -> None:
    told = record(exc_info=failure())
    (line,) = log_format.JSONFormatter({}).format(told).splitlines()
    assert json.loads(line)["error"].endswith("ZeroDivisionError")


@pytest.mark.parametrize(
    ("kind", "is_structured"), [("", False), ("text", False), ("json", True), ("logstash", True)]
)
def test_the_settings_choose(
    kind: str, is_structured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_LOG_FORMATTER", kind)
    monkeypatch.setenv("REGISTRY_LOG_FIELDS_SERVICE", "registry")
    line = log_format.formatter().format(record())
    assert log_format.is_structured() is is_structured
    assert line.startswith("{") is is_structured
    assert "registry" in line
