#!/usr/bin/env python
"""Berth's command line: every Django command, each of which also takes `--data DIR` and
`--config FILE`."""

import os
import sys

from registry_site import command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry_site.settings")
    argv = command_line.take_configuration(command_line.take_data_folder(sys.argv))
    command_line.run(argv)


if __name__ == "__main__":
    main()
