#!/usr/bin/env python
"""Berth's command line: every Django command, each of which also takes `--data DIR`."""

import os
import sys


def take_data_folder(argv: list[str]) -> list[str]:
    """Move `--data DIR` out of `argv` into REGISTRY_DATA, which the settings read.

    The data folder decides where the database is, so it has to be known before Django loads its
    settings and long before a command parses its own options.
    """
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--data":
            os.environ["REGISTRY_DATA"] = next(words, "")
        elif word.startswith("--data="):
            os.environ["REGISTRY_DATA"] = word.removeprefix("--data=")
        else:
            rest.append(word)
    return rest


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry_site.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    execute_from_command_line(take_data_folder(sys.argv))


if __name__ == "__main__":
    main()
