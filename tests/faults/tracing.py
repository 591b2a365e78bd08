"""strace around a server's workers: what they ask of the kernel, in order, and refusals put in."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from tests.live import LiveServer, wait_for


@dataclass(frozen=True, slots=True)
class Call:
    """One system call: `paths` are those that its descriptors and arguments name."""

    name: str
    text: str
    result: str
    thread: str = ""

    def touches(self, path: Path | str) -> bool:
        return str(path) in self.text

    def __str__(self) -> str:
        return f"{self.text[:160]} = {self.result}"


_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (.*)$")
_UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (.*)$")
_DETACHED = re.compile(r"^(\d+) +(\w+)\((.*) <detached \.\.\.>$")


def missing(reason: str) -> NoReturn:
    """The machine cannot do it: skip, or fail where everything is required."""
    if os.environ.get("BERTH_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"BERTH_TEST_REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@functools.cache
def require_strace() -> str:
    """The path of strace, where it is installed and allowed to attach to a process."""
    program = shutil.which("strace")
    if program is None:
        missing("there is no strace on PATH")
    with subprocess.Popen(["sleep", "30"]) as victim:
        try:
            tried = subprocess.run(
                [program, "-o", "/dev/null", "-e", "trace=none", "-p", str(victim.pid)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=1,
            )
            missing(f"strace may not attach to a process here: {tried.stderr.strip()}")
        except subprocess.TimeoutExpired:
            return program  # it was attached until we lost patience
        finally:
            victim.kill()


class Trace:
    """A strace. Once it has ended, `calls` is what it saw, in the order in which calls ended.

    Those that had begun and not ended when strace let go are last, with `UNKNOWN` for a result: a
    client may read an answer before strace has seen that the call which sent it came back.
    """

    UNKNOWN = "?"

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def read(self, log: Path) -> None:
        begun: dict[tuple[str, str], str] = {}
        for line in log.read_text(errors="replace").splitlines():
            if match := _UNFINISHED.match(line):
                begun[match[1], match[2]] = match[3]
            elif match := _RESUMED.match(line):
                text = begun.pop((match[1], match[2]), "") + match[3]
                self.calls.append(Call(match[2], f"{match[2]}({text})", match[4], match[1]))
            elif match := _CALL.match(line):
                self.calls.append(Call(match[2], f"{match[2]}({match[3]})", match[4], match[1]))
            elif match := _DETACHED.match(line):
                begun[match[1], match[2]] = match[3]
        for (thread, name), text in begun.items():
            self.calls.append(Call(name, f"{name}({text})", self.UNKNOWN, thread))


@contextmanager
def traced(server: LiveServer, *options: str, system_calls: Sequence[str]) -> Iterator[Trace]:
    """strace attached to all workers of the server, with all their threads."""
    program = require_strace()
    pids = [argument for pid in server.workers() for argument in ("-p", str(pid))]
    with tempfile.TemporaryDirectory(prefix="berth-strace-") as folder:
        log, errors = Path(folder) / "calls", Path(folder) / "errors"
        command = [program, "-f", "-y", "-s", "4096", "-o", str(log)]
        command += ["-e", f"trace={','.join(system_calls)}", *options, *pids]
        with (
            errors.open("w") as stderr,
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
            ) as process,
        ):
            wait_for(
                lambda: all(_tracer(pid) == process.pid for pid in server.workers()),
                seconds=10,
                what=f"strace attached: {errors.read_text()}",
            )
            trace = Trace()
            try:
                yield trace
            finally:
                _end(process)
                trace.read(log)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have strace let go of what it is attached to.

    A signal that arrives just before it waits for the next event is seen at that event only, which
    in an idle server may never come: so it is sent again.
    """
    for _ in range(100):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
            return
    process.kill()


def _tracer(pid: int) -> int:
    """Who traces the process; the last of its threads is attached last."""
    tracers = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("TracerPid:"):
                tracers.add(int(line.split()[1]))
    return tracers.pop() if len(tracers) == 1 else 0
