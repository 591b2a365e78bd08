"""`python -m benchmarks.many`: how long pages take with few rows and with many, as a table."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module

import django
from django.core.management import call_command

SIZES = "1000,100000"


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many", description=__doc__)
    add = parser.add_argument
    add("--database", default="", help="URL of an empty database; without one, SQLite in a file")
    add("--sizes", type=_sizes, default=_sizes(SIZES), help=f"how many rows, rising: {SIZES}")
    add("--rounds", type=int, default=15, help="samples of each page")
    add("addresses", nargs="*", help="pages to ask for instead of the usual ones")
    return parser.parse_args(given)


def _sizes(text: str) -> list[int]:
    sizes = [int(part) for part in text.split(",")]
    if not sizes or min(sizes) < 1 or sizes != sorted(set(sizes)):
        raise argparse.ArgumentTypeError("numbers of rows, from the least to the greatest")
    return sizes


def main(given: Sequence[str] | None = None) -> int:
    """Entry point: fill, measure, fill more, measure again."""
    options = arguments(given)
    with tempfile.TemporaryDirectory(prefix="berth-many-") as folder:
        os.environ["DJANGO_SETTINGS_MODULE"] = "registry_site.settings"
        os.environ["REGISTRY_DATA"] = folder
        os.environ.pop("DATABASE_URL", None)
        if options.database:
            os.environ["DATABASE_URL"] = options.database
        django.setup()
        call_command("migrate", verbosity=0)
        # Models can be imported only now.
        fill, pages = (import_module(f"benchmarks.many.{name}") for name in ("fill", "pages"))
        samples = []
        for size in options.sizes:
            print(f"making {size:,} repositories and {size:,} tags", file=sys.stderr)
            fill.fill(size)
            samples.append(pages.measure(options.addresses or pages.USUAL, options.rounds))
        print(pages.table(options.sizes, samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
