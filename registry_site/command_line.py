"""What stands in the command line and has to be known before Django loads its settings."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from registry_site import __version__, config_file
from registry_site.env import CONFIGURATION_PATH

# Options of `serve`, and of Django's for every command, that another word follows.
_WITH_VALUE = frozenset({"--bind", "--verbosity", "-v", "--settings", "--pythonpath"})


def take_data_folder(argv: list[str]) -> list[str]:
    """Move `--data DIR` out of `argv` into REGISTRY_DATA, which the settings read, and `--shadow
    ROOT` into REGISTRY_SHADOW.

    The data folder decides where the database is, so it has to be known before Django loads its
    settings and long before a command parses its own options. So does the configuration file.
    """
    argv = _take(argv, "--data", "REGISTRY_DATA", "--data needs a folder, such as --data ./var")
    return _take(
        argv,
        "--shadow",
        "REGISTRY_SHADOW",
        "--shadow needs the rootdirectory of another registry, such as --shadow /var/lib/registry",
    )


def take_configuration(argv: list[str]) -> list[str]:
    """Move `--config FILE`, and FILE of `serve FILE`, into REGISTRY_CONFIGURATION_PATH."""
    argv = _take(
        argv, "--config", CONFIGURATION_PATH, "--config needs a file, such as --config config.yml"
    )
    if argv[1:2] != ["serve"]:
        return argv
    for place in range(2, len(argv)):
        if not argv[place].startswith("-") and argv[place - 1] not in _WITH_VALUE:
            use_configuration(argv[place])
            return argv[:place] + argv[place + 1 :]
    return argv


def use_configuration(path: str) -> None:
    """Read settings from that file, too.

    The images of Docker's registry bring one, which people name without ever having written it:
    where it would be, it may be missing.
    """
    if path in config_file.MOUNTED and not os.path.exists(path):
        print(f"There is no {path}: the defaults count, and the environment.", file=sys.stderr)
    else:
        os.environ[CONFIGURATION_PATH] = path


def _take(argv: list[str], option: str, variable: str, advice: str) -> list[str]:
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if name != option:
            rest.append(word)
            continue
        value = value if equals else next(words, "")
        if not value or (value.startswith("-") and not equals):
            sys.exit(advice)
        os.environ[variable] = value
    return rest


def run(argv: list[str]) -> None:
    """A command of Django's. What is wrong with a setting is told in one line, exit status 1."""
    if argv[1:] in (["version"], ["--version"]):  # Django would tell its own
        print(f"Berth {__version__}")
        return
    try:
        execute_from_command_line(argv)
    except ImproperlyConfigured as error:
        sys.exit(f"ImproperlyConfigured: {error}")
