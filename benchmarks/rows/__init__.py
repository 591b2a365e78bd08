"""All rows, in the order in which they run. One file for each group of them."""

from __future__ import annotations

from benchmarks.content import Scale
from benchmarks.rows import blobs, lists, many, memory, reads, writes
from benchmarks.rows.base import Bench, Row, Sample

__all__ = ["Bench", "Row", "Sample", "all_rows", "choose"]


def all_rows(scale: Scale) -> tuple[Row, ...]:
    """Memory first, while servers are fresh; writes after the lists that they change; very many
    names last."""
    return (
        *memory.rows(scale),
        *reads.ROWS,
        *blobs.rows(scale),
        *lists.rows(scale),
        *writes.rows(scale),
        *memory.final_rows(scale),
        *many.rows(scale),
    )


def choose(rows: tuple[Row, ...], wanted: list[str]) -> tuple[Row, ...]:
    """The rows whose key or group is wanted; all of them if nothing is named."""
    return tuple(row for row in rows if not wanted or {row.key, row.group} & set(wanted))
