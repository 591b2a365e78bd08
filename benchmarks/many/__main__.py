"""`python -m benchmarks.many`: what everything takes with few rows and with many, as tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import django
from django.core.management import call_command

SIZES = "1000,10000,100000"
RESULTS = Path(__file__).parent.parent / "results"


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many", description=__doc__)
    add = parser.add_argument
    add("--database", default="", help="URL of an empty database; without one, SQLite in a file")
    add("--sizes", type=_sizes, default=_sizes(SIZES), help=f"how many rows, rising: {SIZES}")
    add("--rounds", type=int, default=15, help="samples of each")
    add("--only", default="", help="a part of the titles to measure, such as `catalog`")
    add("--explain", action="store_true", help="show the plans of all statements as well")
    add("--keep", default="", help="a folder for the data, to be used again; otherwise a new one")
    add("--json", type=Path, help="where to put everything; otherwise into benchmarks/results/")
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
        os.environ["REGISTRY_DATA"] = options.keep or folder
        os.environ.pop("DATABASE_URL", None)
        if options.database:
            os.environ["DATABASE_URL"] = options.database
        django.setup()
        call_command("migrate", verbosity=0)
        return run(options)


def run(options: argparse.Namespace) -> int:
    """Do it in the database that Django has been set up for."""
    # Models can be imported only now.
    names = ("fill", "people", "others", "pages", "registry", "jobs", "measuring", "report")
    parts = {name: import_module(f"benchmarks.many.{name}") for name in names}
    report = parts["report"]
    vendor = django.db.connection.vendor
    samples = []
    for size in options.sizes:
        began = time.monotonic()
        for name in ("fill", "people", "others"):
            parts[name].fill(size)
        parts["fill"].settle()
        print(f"{size:,}: filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
        if options.addresses:
            cases = list(parts["pages"].asked(options.addresses))
        else:
            cases = [c for name in ("registry", "pages", "jobs") for c in parts[name].cases(size)]
        cases = [case for case in cases if options.only in f"{case.group} {case.title}"]
        samples.append(parts["measuring"].measure(cases, options.rounds))
        print(f"{size:,}: measured after {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(report.table(vendor, options.sizes, samples))
    if options.explain:
        print(f"\n{report.plans(samples[-1])}")
    (options.json or RESULTS / f"many-{vendor}.json").write_text(
        json.dumps(report.as_json(vendor, options.sizes, samples), indent=1) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
