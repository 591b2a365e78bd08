"""`manage.py show_config`: every setting in force, and where it comes from."""

import argparse
import json
import re
import runpy
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from django.core.management import BaseCommand

from registry_site import distribution, env
from registry_site.serving import CONFIGURATION

_SECRET = re.compile(r"(?:PASSWORD|SECRET|SECRET_KEY)$")
_MASKED = "********"
_DEFAULT = "default"


class Setting(NamedTuple):
    """`source` is a name of the environment, a file and the place in it, or `default`."""

    name: str
    value: str
    source: str


class Command(BaseCommand):
    help = "Show every setting that is in force, its value, and where it comes from."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="as JSON")

    def handle(self, *args: Any, json: bool, **options: Any) -> None:
        runpy.run_path(str(CONFIGURATION))  # the server's settings are asked for there
        notes = distribution.notes()
        if json:
            self.stdout.write(_as_json(settings_in_force(), notes))
        else:
            self.stdout.write("\n".join(_lines(settings_in_force(), notes)))


def settings_in_force() -> list[Setting]:
    """Every setting that Berth asks for, by name; secrets are masked."""
    found = []
    for name, default in sorted(env.asked.items()):
        if name in env.collections:
            found += [
                Setting(key, value.text, value.origin)
                for key, value in sorted(env.given().items())
                if key.startswith(f"{name}_")
            ]
            continue
        value = env.found(name)
        elements = env.below(name).get("") if value is None else None
        if elements:
            origin = env.given()[f"{name}_0"].origin if f"{name}_0" in env.given() else name
            value = env.Given(",".join(elements), origin)
        text, source = value or (default, _DEFAULT)
        found.append(Setting(name, _masked(name, text), source))
    return found


def _masked(name: str, value: str) -> str:
    if value and _SECRET.search(name):
        return _MASKED
    if name == "DATABASE_URL" and "@" in value:
        parts = urlsplit(value)
        user = parts.netloc.rpartition("@")[0].partition(":")[0]
        host = parts.netloc.rpartition("@")[2]
        # What is behind the question mark can hold a password as well.
        query = _MASKED if parts.query else ""
        return urlunsplit(parts._replace(netloc=f"{user}:{_MASKED}@{host}", query=query))
    return value


def _as_json(settings: list[Setting], notes: list[distribution.Note]) -> str:
    content = {
        "settings": [setting._asdict() for setting in settings],
        "without_effect": [
            {"name": note.name, "source": note.origin, "note": note.text} for note in notes
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _lines(settings: list[Setting], notes: list[distribution.Note]) -> Iterator[str]:
    width = max(len(setting.name) for setting in settings)
    for name, value, source in settings:
        yield f"{name:{width}}  {value or '-'}  ({source})"
    if notes:
        yield "\nWithout effect:\n"
    for note in notes:
        yield f"{note.name} ({note.origin}): {note.text}"
