"""What one case takes: queries, milliseconds, processor time, and what the database looks at.

No network is in it: a case calls what a worker would call. Whatever else a machine does only adds
to a time, so of several rounds the least counts.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from benchmarks.many import plans
from benchmarks.many.plans import Plan

_STEPS = 10  # of SQLite's machine that are counted at once


def _nothing(number: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Case:
    """Something that a server does, for `who`.

    `run` does it for the so manieth time, `prepare` comes before that and is not timed. Both have
    the number of the round, so that they can take another name each time.
    """

    group: str
    title: str
    who: str
    run: Callable[[int], object]
    prepare: Callable[[int], object] = _nothing


class Sample(NamedTuple):
    """What a case takes, the least of several rounds.

    `cpu` is milliseconds of the processor, the database's among them. `work` is what the database
    looks at: steps of SQLite's virtual machine; on PostgreSQL pages of 8 KiB, of what only reads.
    """

    queries: int
    milliseconds: float
    cpu: float
    work: int
    plans: tuple[Plan, ...]


Statement = tuple[str, Any]
Samples = Mapping[tuple[str, str, str], Sample]


def measure(cases: Sequence[Case], rounds: int) -> Samples:
    """A sample of each of the cases, by group, title and who."""
    return {(case.group, case.title, case.who): _sample(case, rounds) for case in cases}


def _sample(case: Case, rounds: int) -> Sample:
    case.prepare(0)
    case.run(0)  # the first one compiles templates
    case.prepare(1)
    with _noting() as statements, _counting() as steps:
        case.run(1)
    found = plans.of(statements)
    work = steps[0] if connection.vendor == "sqlite" else sum(plan.pages for plan in found)
    times, cpus = [], []
    for number in range(2, rounds + 2):
        case.prepare(number)
        cpu, began = _cpu_seconds(), time.perf_counter()
        case.run(number)
        times.append(1000 * (time.perf_counter() - began))
        cpus.append(1000 * (_cpu_seconds() - cpu))
    return Sample(len(statements), min(times), min(cpus), work, tuple(found))


@contextmanager
def _noting() -> Iterator[list[Statement]]:
    """The statements that run meanwhile, also those that go past Django's cursor otherwise."""
    found: list[Statement] = []

    def note(execute: Callable[..., object], sql: str, params: object, *others: Any) -> object:
        found.append((sql, params))
        return execute(sql, params, *others)

    connection.force_debug_cursor = True
    try:
        with connection.execute_wrapper(note):
            yield found
    finally:
        connection.force_debug_cursor = False
        connection.queries_log.clear()


@contextmanager
def _counting() -> Iterator[list[int]]:
    """How many steps SQLite's virtual machine takes meanwhile."""
    steps = [0]

    def count() -> None:
        steps[0] += _STEPS

    connection.ensure_connection()
    raw = connection.connection
    if not isinstance(raw, sqlite3.Connection):
        yield steps
        return
    raw.set_progress_handler(count, _STEPS)
    try:
        yield steps
    finally:
        raw.set_progress_handler(None, 0)


def _cpu_seconds() -> float:
    """Of this process, and of the one that PostgreSQL has for it, if that is on this machine."""
    own = time.process_time()
    if connection.vendor != "postgresql":
        return own
    connection.ensure_connection()
    return own + _clock_of(connection.connection.info.backend_pid)


def _clock_of(pid: int) -> float:
    """Seconds of the processor that another process has had: clock_getcpuclockid(3).

    /proc has them in hundredths of a second only.
    """
    return time.clock_gettime((~pid << 3) | 2)
