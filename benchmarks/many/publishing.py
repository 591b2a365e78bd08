"""`python -m benchmarks.many.publishing RESULT…`: results of `benchmarks.many` into docs/scale.md.

A result is a JSON file that a run has left: of one database, and of one size or several.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.many.names import GROUPS, NAMES

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
# Of which lists the plans are shown, and a part of the statement that is meant.
HOT = {
    "GET `_catalog`, last 100": '"repositories_repository"."name" AS',
    "GET `tags/list`, last 100": "repositories_tag",
    "GET `referrers`, first 1,000": "repositories_manifest",
    "GET `referrers`, of a rare type": "repositories_manifest",
    "GET a manifest by tag": "repositories_tag",
    "HEAD a blob": "repositories_bloblink",
    "`/`": '"repositories_repository"."name", ',
    "a repository, by name, middle": "repositories_tag",
    "a team, its members": "accounts_user",
    "all users, none": "accounts_user",
    "all tokens": "accounts_accesstoken",
    "the audit log, refusals": "accounts_auditevent",
    "`activity`": "repositories_tagchange",
    "`usage/repositories`": "repositories_repositoryusage",
    "collect 10 blobs": "repositories_review",
    "read 20 blobs": "repositories_blob",
}
Case = dict[str, Any]
Key = tuple[str, str, str]


class Result:
    """What is known of one database: samples by size, of each case."""

    def __init__(self) -> None:
        self.sizes: dict[int, dict[Key, Case]] = {}
        self.plans: dict[Key, Sequence[Case]] = {}

    def add(self, found: Mapping[str, Any]) -> None:
        """Take over what a run has left; the plans are those of the largest size."""
        is_largest = max(found["sizes"]) >= max(self.sizes, default=0)
        for case in found["cases"]:
            key = (case["group"], case["title"], case["who"])
            for size, sample in zip(found["sizes"], case["samples"], strict=True):
                self.sizes.setdefault(size, {})[key] = sample
            if is_largest:
                self.plans[key] = case["plans"]


def load(paths: Sequence[str]) -> dict[str, Result]:
    """The results by database."""
    results: dict[str, Result] = {vendor: Result() for vendor in NAMES}
    for path in paths:
        found = json.loads(Path(path).read_text())
        results[found["vendor"]].add(found)
    return {vendor: result for vendor, result in results.items() if result.sizes}


def tables(results: Mapping[str, Result]) -> Iterator[str]:
    """A table for each group: processor time at each size, and how it grows."""
    keys = {key: None for result in results.values() for key in result.plans}
    for group, heading in GROUPS.items():
        rows = [_row(key, results) for key in keys if key[0] == group]
        head = ["", "as", "queries"]
        for vendor, result in results.items():
            head += [f"{NAMES[vendor]}: {size:,}" for size in sorted(result.sizes)]
            head += ["ms", "grows", "looks at"]
        yield f"### {heading}"
        rule = ["---", "---"] + ["---:"] * (len(head) - 2)
        yield "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def _row(key: Key, results: Mapping[str, Result]) -> list[str]:
    most = max(
        sample[key]["queries"]
        for result in results.values()
        for sample in result.sizes.values()
        if key in sample
    )
    cells = [key[1], key[2], str(most)]
    for result in results.values():
        samples = [result.sizes[size].get(key) for size in sorted(result.sizes)]
        cells += ["" if sample is None else f"{sample['cpu']:.2f}" for sample in samples]
        first, last = samples[0], samples[-1]
        if first is None or last is None:
            cells += ["", "", ""]
            continue
        cells.append(f"{last['milliseconds']:.1f}")
        cells.append(f"{last['cpu'] / first['cpu']:.2f}")
        cells.append(f"{last['work'] / first['work']:.2f}" if first["work"] else "")
    return cells


def plans(results: Mapping[str, Result]) -> Iterator[str]:
    """The plan of each hot list, in each database."""
    for title, part in HOT.items():
        lines = []
        for vendor, result in results.items():
            for key, found in result.plans.items():
                if key[1] == title and key[2] != "member":
                    chosen = [plan for plan in found if part in plan["statement"]][-1:]
                    lines += [f"{NAMES[vendor]}:", *(n for plan in chosen for n in plan["nodes"])]
        if lines:
            yield f"{title}:\n\n" + "\n".join(f"    {line}" for line in lines)


def main(paths: Sequence[str]) -> None:
    """Put the tables and plans between the markers of the page."""
    results = load(paths)
    text = "\n\n".join([*tables(results), "### Plans", *plans(results)])
    report.publish(text + "\n", PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
