"""What was measured, as Markdown: how it grows, and the plans behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.many.measuring import Sample, Samples
from benchmarks.many.names import GROUPS, NAMES

_WORK = {"sqlite": "steps", "postgresql": "pages"}


def table(vendor: str, sizes: Sequence[int], samples: Sequence[Samples]) -> str:
    """The samples of each size, a table for each group."""
    parts = []
    for group, heading in GROUPS.items():
        rows = [key for key in samples[-1] if key[0] == group]
        if rows:
            head = _head(vendor, sizes)
            lines = [_line(key, samples) for key in rows]
            parts.append("\n".join([f"{heading}, {NAMES[vendor]}:", "", *head, *lines]))
    return "\n\n".join(parts)


def _head(vendor: str, sizes: Sequence[int]) -> list[str]:
    columns = [f"{size:,}: ms | CPU ms" for size in sizes]
    what = _WORK[vendor]
    cells = ["", "as", "queries", *columns, "ratio", what, "ratio"]
    return [
        f"| {' | '.join(cells)} |",
        "|---|---|---:" + "|---:|---:" * len(sizes) + "|---:|---:|---:|",
    ]


def _line(key: tuple[str, str, str], samples: Sequence[Samples]) -> str:
    first, last = samples[0][key], samples[-1][key]
    cells = [key[1], key[2], str(max(of_size[key].queries for of_size in samples))]
    for of_size in samples:
        cells += [f"{of_size[key].milliseconds:.2f}", f"{of_size[key].cpu:.2f}"]
    cells += [f"{last.cpu / first.cpu:.2f}", f"{last.work:,}", _ratio(last.work, first.work)]
    return f"| {' | '.join(cells)} |"


def _ratio(last: float, first: float) -> str:
    return f"{last / first:.2f}" if first else ""


def plans(samples: Samples) -> str:
    """The plans of all statements, those of each case under its title."""
    return "\n\n".join(
        "\n".join([f"### {title} ({who})", *_plans(sample)])
        for (_, title, who), sample in samples.items()
        if sample.plans
    )


def _plans(sample: Sample) -> Iterator[str]:
    for plan in sample.plans:
        yield f"\n    {plan.statement}\n"
        yield from (f"    -> {node}" for node in plan.nodes)


def as_json(vendor: str, sizes: Sequence[int], samples: Sequence[Samples]) -> Mapping[str, Any]:
    """Everything, for a file that `--publish` reads."""
    return {
        "vendor": vendor,
        "sizes": list(sizes),
        "cases": [
            {
                "group": group,
                "title": title,
                "who": who,
                "samples": [
                    of_size[group, title, who]._replace(plans=())._asdict() for of_size in samples
                ],
                "plans": [plan._asdict() for plan in samples[-1][group, title, who].plans],
            }
            for group, title, who in samples[-1]
        ],
    }
