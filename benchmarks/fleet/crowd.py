"""Runs many clients at once, in a few processes of our own: one could not keep up with a server."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from benchmarks.fleet.clients import Times
from benchmarks.processes import Watch
from benchmarks.runner import FAULTS

PROCESSES = 4
READY_SECONDS, END_SECONDS = 30.0, 300.0
# Forked, so that a client has its blobs without a copy. Nothing here may have threads by then.
_fork = multiprocessing.get_context("fork")

Client = Callable[[Times], None]


class Crowd(NamedTuple):
    """What clients did, and the seconds of CPU that they took themselves."""

    times: list[Times]
    cpu: float


class CrowdFailed(Exception):
    """A process of clients died, or took for ever: our own mistake, not a server's."""


def together(clients: Sequence[Client], watch: Watch) -> Crowd:
    """Run all clients at once while `watch` watches. Raises CrowdFailed."""
    parts = [part for n in range(PROCESSES) if (part := clients[n::PROCESSES])]
    running = [_start(part) for part in parts]
    try:
        for _, pipe in running:
            _receive(pipe, READY_SECONDS)  # its word that it is ready
        with watch:
            for _, pipe in running:
                pipe.send("go")
            found = [_receive(pipe, END_SECONDS) for _, pipe in running]
    finally:
        for process, pipe in running:
            pipe.close()
            process.join(1)
            process.kill()
            process.join()
            process.close()
    return Crowd([times for part in found for times in part.times], sum(part.cpu for part in found))


def _start(clients: Sequence[Client]) -> tuple[BaseProcess, Pipe]:
    ours, theirs = _fork.Pipe()
    process = _fork.Process(target=_run, args=(clients, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _receive(pipe: Pipe, seconds: float) -> Crowd:
    try:
        if pipe.poll(seconds):
            found: Crowd = pipe.recv()
            return found
    except EOFError as error:
        raise CrowdFailed("a process of clients has died") from error
    raise CrowdFailed(f"a process of clients has said nothing for {seconds:.0f} s")


def _run(clients: Sequence[Client], pipe: Pipe) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with ThreadPoolExecutor(len(clients)) as pool:
        pool.map(time.sleep, [0.01] * len(clients))  # so that its threads are there
        pipe.send(Crowd([], 0.0))
        pipe.recv()
        before = time.process_time()
        times = list(pool.map(_timed, clients))
        pipe.send(Crowd(times, time.process_time() - before))
    os._exit(0)  # what else was inherited is our parent's


def _timed(client: Client) -> Times:
    times = Times(began=time.perf_counter())
    try:
        client(times)
    except FAULTS as error:
        times.error = f"{type(error).__name__}: {error}"
    times.ended = time.perf_counter()
    return times
