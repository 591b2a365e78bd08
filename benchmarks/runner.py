"""Starts the contenders, loads them alike, and measures them in turns: A B C, A B C, …"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks.client import WrongAnswer
from benchmarks.contenders import Contender
from benchmarks.content import Content
from benchmarks.loading import load
from benchmarks.processes import settled
from benchmarks.results import Cell, Line, Participant, Result
from benchmarks.rows import Bench, Row
from benchmarks.servers import DidNotStart, Server

# What a contender can do wrong. Anything else is our own mistake and ends the run.
FAULTS = (WrongAnswer, OSError, ValueError, KeyError)
_NUMBER = re.compile(r"\d+\.\d+\.\d+")
LOADING = 3  # contenders at once: each waits for the disk most of the time
Say = Callable[[str], None]


def start(
    contender: Contender, content: Content, result: Result, scratch: Path, stack: ExitStack
) -> Server | None:
    """Start a contender, which the stack will stop; None if it cannot take part.

    The result names it, and says why it does not.
    """
    participant = Participant(contender.key, contender.key, skipped=contender.missing())
    result.participants.append(participant)
    if participant.skipped:
        return None
    participant.version = contender.version()
    number = _NUMBER.search(participant.version)
    participant.label = contender.label.format(number.group() if number else "")
    place = scratch / contender.key
    place.mkdir()
    try:
        server = contender.start(place, content)
        stack.callback(server.stop)
        server.started = server.peak = settled(server.roots)
    except (DidNotStart, *FAULTS) as error:
        participant.fail(error)
        return None
    return server


class Runner:
    """One run. `say` hears what is being done, `step` is called after each sample."""

    def __init__(
        self, content: Content, result: Result, say: Say, step: Callable[[], None]
    ) -> None:
        self._bench = Bench(content)
        self._result, self._say, self._step = result, say, step
        self.others: list[float] = []  # of the machine, for each sample

    def run(self, contenders: Sequence[Contender], rows: Sequence[Row], scratch: Path) -> None:
        """Fill the result."""
        with ExitStack() as stack:
            started = [self._start(each, scratch, stack) for each in contenders]
            self._say("loading")
            with ThreadPoolExecutor(LOADING) as pool:
                loaded = list(pool.map(self._load, filter(None, started)))
            servers = [server for server in loaded if server]
            for row in rows:
                self._measure(row, servers)

    def _start(self, contender: Contender, scratch: Path, stack: ExitStack) -> Server | None:
        self._say(f"starting {contender.key}")
        return start(contender, self._bench.content, self._result, scratch, stack)

    def _load(self, server: Server) -> Server | None:
        try:
            load(server, self._bench.content)
        except FAULTS as error:
            self._result.participant(server.key).fail(error)
            return None
        return server

    def _measure(self, row: Row, servers: Sequence[Server]) -> None:
        line = Line(row.key, row.title, row.unit, row.higher_is_better)
        self._result.lines.append(line)
        able = [server for server in servers if row.needs in server.offers]
        line.cells = {server.key: Cell() for server in able}
        for number in range(1 if row.once else self._result.rounds):
            for server in able:
                self._say(f"{row.title}, round {number + 1}: {server.key}")
                self._sample(row, server, line.cells[server.key])
                self._step()

    def _sample(self, row: Row, server: Server, cell: Cell) -> None:
        if cell.failed:
            return
        try:
            sample = row.measure(self._bench, server)
        except FAULTS as error:
            cell.failed = f"{type(error).__name__}: {error}"
            return
        server.peak = max(server.peak, sample.peak)
        if sample.others is not None:
            self.others.append(sample.others)
        cell.values.append(sample.value)
        if server.process and sample.cpu:
            cell.cpu_ms.append(sample.cpu * 1000 / sample.operations)


def samples(rows: Sequence[Row], contenders: Sequence[Contender], rounds: int) -> int:
    """How many samples a run takes, for the progress bar."""
    return sum(
        1 if row.once else rounds
        for row in rows
        for contender in contenders
        if row.needs in contender.offers and not contender.missing()
    )
