"""The command `registry` of Berth's image: what the one of Docker's registry does, and the rest.

`python -m registry_site.registry serve [FILE]`, `garbage-collect [-d] [-m] [-q] [FILE]`,
`--version`; every other word is a command of `manage.py`. A configuration file that is mounted
where Docker's images have theirs is read by all of them.
"""

import argparse
import os
import sys

from registry_site import command_line, config_file, healthcheck
from registry_site.env import CONFIGURATION_PATH

_HELP = """\
Usage: registry COMMAND [--data DIR] [--config FILE]

  serve [FILE]                                 run the registry
  garbage-collect [-d] [-m] [-q] [FILE]        remove what nothing needs any more
  show_config [--json]                         every setting, its value, and where it comes from
  healthcheck                                  ask the registry of this container how it is
  help                                         every other command, such as backup and create_user
  --version

FILE is a configuration file as Docker's registry has it. Without it
{mounted} is read, where it exists.
"""
# As pflag, which Docker's registry parses its options with, takes them.
_TRUE = ("1", "t", "T", "true", "TRUE", "True")


def main(argv: list[str] | None = None) -> None:
    """Run a command; ends by SystemExit where it does not succeed."""
    run(take_settings(sys.argv[1:] if argv is None else argv))


def take_settings(argv: list[str]) -> list[str]:
    """Note what the settings are read from; what is left, in words that `run` and this take."""
    words = command_line.take_data_folder(argv)
    words = command_line.take_configuration(["registry", *words])[1:]
    if not words or words[0] in ("-h", "--help"):
        return []
    if words[0] in ("-v", "--version", "version"):
        words = ["version"]
    elif words[0] in ("garbage-collect", "collect-garbage"):
        words = _garbage(words[1:])
    else:
        words[0] = words[0].replace("-", "_")
    _use_mounted_file()
    return words


def run(words: list[str]) -> None:
    """Run what `take_settings` left; ends by SystemExit where it does not succeed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry_site.settings")
    if not words:
        print(_HELP.format(mounted=" or ".join(config_file.MOUNTED)), end="")
        return
    if words == ["healthcheck"]:
        sys.exit(healthcheck.problem() or None)
    command_line.run(["registry", *words])


def _use_mounted_file() -> None:
    for path in config_file.MOUNTED:
        if CONFIGURATION_PATH not in os.environ and os.path.exists(path):
            os.environ[CONFIGURATION_PATH] = path


def _garbage(words: list[str]) -> list[str]:
    """`garbage-collect` of Docker's registry, in words of `collect_garbage`."""
    parser = argparse.ArgumentParser("registry garbage-collect")
    parser.add_argument("file", nargs="?", metavar="FILE", help="a configuration file")
    parser.add_argument("-d", "--dry-run", action="store_true", help="only say what would go")
    parser.add_argument(
        "-m",
        "--delete-untagged",
        action="store_true",
        help="also manifests that no tag leads to, by an index or a subject either",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing")
    parser.add_argument("--grace", metavar="24h", help="see collect_garbage")
    options = parser.parse_args([word for given in words for word in _plain(given)])
    if options.file:
        command_line.use_configuration(options.file)
    chosen = [
        *(["--dry-run"] if options.dry_run else []),
        *(["--delete-untagged"] if options.delete_untagged else []),
        *(["--quiet"] if options.quiet else []),
        *(["--grace", options.grace] if options.grace else []),
    ]
    return ["collect_garbage", *chosen]


def _plain(word: str) -> list[str]:
    """`--dry-run=true` as `--dry-run`, and nothing for `=false`."""
    name, equals, value = word.partition("=")
    if not equals or name == "--grace" or not name.startswith("-"):
        return [word]
    return [name] if value in _TRUE else []


if __name__ == "__main__":
    main()
