"""`python -m benchmarks.fleet`: many nodes pull one image at once, many builds push theirs."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.bearer import push
from benchmarks.client import WrongAnswer
from benchmarks.command import Room, add_options, contenders, end_in_order, note_others, tell
from benchmarks.content import Scale, make_content
from benchmarks.fleet import clients, rows
from benchmarks.fleet.crowd import Client, Crowd, together
from benchmarks.fleet.images import Image, Images
from benchmarks.processes import Watch, settled
from benchmarks.results import Cell, Line, Result, describe_machine, load_average, now
from benchmarks.runner import FAULTS, start
from benchmarks.servers import Server
from benchmarks.steps import push_blob, put_manifest

USUAL = "berth-postgres-token,berth-sqlite-token,distribution-3"
NODES, BUILDS, ROUNDS, SHORT_ROUNDS = 50, 20, 7, 3
DISK = 6 << 30
OFTEN = 0.02  # seconds between looks at memory


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    add_options(parser, contenders(USUAL))
    add = parser.add_argument
    add("--nodes", type=int, default=NODES, help="that pull at once")
    add("--builds", type=int, default=BUILDS, help="that push at once")
    add("--short", action="store_true", help=f"{SHORT_ROUNDS} rounds instead of {ROUNDS}")
    add("--scratch", type=Room(DISK), default=tempfile.gettempdir(), help="a folder on a disk")
    return parser.parse_args(given)


class Fleet:
    """One run: rounds of pulls and of pushes, the contenders in turns."""

    def __init__(self, result: Result, nodes: int, builds: int) -> None:
        self._result, self._nodes, self._builds = result, nodes, builds
        self._images = Images()
        self._lines = {
            line.key: line
            for line in (*rows.lines(rows.PULL, nodes), *rows.lines(rows.PUSH, builds))
        }
        self.others: list[float] = []  # of the machine, for each sample
        self.cost: list[float] = []  # seconds of CPU of all clients of a sample

    def run(self, servers: Sequence[Server]) -> None:
        """Fill the result."""
        able = [server for server in servers if self._loaded(server)]
        for server in able:
            for line in self._lines.values():
                if server.account or not line.key.endswith(("token-p50", "token-p99")):
                    line.cells[server.key] = Cell()
        for number in range(self._result.rounds):
            for server in able:
                print(f"round {number + 1}: {server.key}", file=sys.stderr)
                self._sample(rows.PULL, server, self._nodes_of(server))
                self._check(rows.PULL, server, clients.BASE, self._images.base)
            for server in able:
                images = self._images.builds(self._builds)
                names = [f"fleet/r{number}-app-{n:02}" for n in range(len(images))]
                self._sample(rows.PUSH, server, self._builds_of(server, names, images))
                self._check(rows.PUSH, server, names[-1], images[-1])
        self._result.lines = [line for line in self._lines.values() if line.cells]

    def _loaded(self, server: Server) -> bool:
        base = self._images.base
        try:
            with server.connect(push(clients.BASE)) as connection:
                for blob in base.blobs:
                    push_blob(connection, clients.BASE, blob)
                put_manifest(connection, clients.BASE, clients.TAG, base.manifest)
            clients.verify(server, clients.BASE, base)
        except FAULTS as error:
            self._result.participant(server.key).fail(error)
            return False
        server.idle = settled(server.roots)
        return True

    def _nodes_of(self, server: Server) -> list[Client]:
        return [partial(clients.node, server, self._images.base) for _ in range(self._nodes)]

    def _builds_of(
        self, server: Server, names: Sequence[str], images: Sequence[Image]
    ) -> list[Client]:
        base = self._images.base
        return [
            partial(clients.build, server, name, image, base)
            for name, image in zip(names, images, strict=True)
        ]

    def _sample(self, scenario: rows.Scenario, server: Server, crowd: list[Client]) -> None:
        if self._failed(scenario, server):
            return
        os.sync()  # or the disk is still busy with what the last contender was given
        watch = server.watch(OFTEN)
        found = together(crowd, watch)
        wrong = rows.errors(found)
        self._lines[f"{scenario.key}-errors"].cells[server.key].values.append(len(wrong))
        if wrong:
            said = WrongAnswer(f"{len(wrong)} of {len(crowd)} clients, one with {wrong[0]}")
            self._fail(scenario, server, said)
            return
        self.others.append(rows.others(found, watch))
        self.cost.append(found.cpu)
        self._keep(server, rows.figures(scenario, found, watch, server.idle), watch, found)

    def _keep(self, server: Server, figures: rows.Figures, watch: Watch, crowd: Crowd) -> None:
        for key, value in figures.items():
            cell = self._lines[key].cells[server.key]
            cell.values.append(value)
            if key.endswith("-all"):
                cell.cpu_ms.append(watch.cpu * 1000 / len(crowd.times))

    def _check(self, scenario: rows.Scenario, server: Server, name: str, image: Image) -> None:
        """Whether the bytes of the last round are right, outside of its figures."""
        if self._failed(scenario, server):
            return
        try:
            clients.verify(server, name, image)
        except FAULTS as error:
            self._fail(scenario, server, error)

    def _of(self, scenario: rows.Scenario) -> list[Line]:
        return [line for key, line in self._lines.items() if key.startswith(f"{scenario.key}-")]

    def _failed(self, scenario: rows.Scenario, server: Server) -> bool:
        return any(
            line.cells[server.key].failed for line in self._of(scenario) if server.key in line.cells
        )

    def _fail(self, scenario: rows.Scenario, server: Server, error: Exception) -> None:
        for line in self._of(scenario):
            if server.key in line.cells and not line.key.endswith("-errors"):
                line.cells[server.key].failed = f"{type(error).__name__}: {error}"


def run(options: argparse.Namespace, command: str) -> Result:
    """Measure what was asked for, in a folder that is removed afterwards."""
    scratch = Path(tempfile.mkdtemp(prefix="berth-fleet-", dir=options.scratch))
    try:
        rounds = options.rounds or (SHORT_ROUNDS if options.short else ROUNDS)
        result = Result(now(), command, rounds, describe_machine(scratch))
        content = make_content(Scale(blob=1 << 20, stream=1 << 20))  # nginx would start with it
        fleet = Fleet(result, options.nodes, options.builds)
        with ExitStack() as stack:
            started = [start(each, content, result, scratch, stack) for each in options.contenders]
            fleet.run([server for server in started if server and "manifest" in server.offers])
        note_others(result, fleet.others)
        if fleet.cost:
            result.machine["CPU of the clients"] = f"{statistics.median(fleet.cost):.2f} s a sample"
        result.machine["load after"] = load_average()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return result


def main(given: Sequence[str] | None = None) -> int:
    """Entry point; returns 1 if a single client failed."""
    words = sys.argv[1:] if given is None else given
    options = arguments(words)
    end_in_order()
    result = run(options, shlex.join(["python", "-m", "benchmarks.fleet", *words]))
    tell(result, options, "fleet-")
    return int(result.failed)


if __name__ == "__main__":
    sys.exit(main())
