#!/usr/bin/env python
"""Berth's command line: every Django command, each of which also takes `--data DIR`."""

import os
import sys

from registry_site import __version__


def take_data_folder(argv: list[str]) -> list[str]:
    """Move `--data DIR` out of `argv` into REGISTRY_DATA, which the settings read.

    The data folder decides where the database is, so it has to be known before Django loads its
    settings and long before a command parses its own options.
    """
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        name, equals, folder = word.partition("=")
        if name != "--data":
            rest.append(word)
            continue
        folder = folder if equals else next(words, "")
        if not folder or (folder.startswith("-") and not equals):
            sys.exit("--data needs the name of a folder, such as --data ./var")
        os.environ["REGISTRY_DATA"] = folder
    return rest


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry_site.settings")
    argv = take_data_folder(sys.argv)
    if argv[1:] in (["version"], ["--version"]):  # Django would tell its own
        print(f"Berth {__version__}")
        return
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    execute_from_command_line(argv)


if __name__ == "__main__":
    main()
