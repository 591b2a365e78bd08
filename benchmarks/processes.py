"""What a server costs: memory and CPU of its process tree, read from /proc."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

MIB = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
# Walking /proc costs milliseconds on a busy machine, which a latency row would feel.
REFRESH_SECONDS = 0.5
STILL_LOOKS, MOST_LOOKS = 6, 40  # a quarter of a second each


def _stat(pid: int) -> list[str]:
    # The name may hold spaces and brackets: fields count from after the last bracket.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(roots: Iterable[int]) -> list[int]:
    """The given processes and all their descendants that live now."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(_stat(int(name))[1]), []).append(int(name))
            except OSError:
                continue  # gone meanwhile
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.append(pid)
            waiting += children.get(pid, [])
    return found


def resident(pids: Iterable[int]) -> int:
    """Bytes in RAM, summed. Pages that processes share count once for each of them."""
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        except OSError:
            continue
    return total


def proportional(pids: Iterable[int]) -> int:
    """Bytes in RAM with shared pages divided among the processes that share them (PSS)."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of the processes and of the children that they have reaped."""
    ticks = 0
    for pid in pids:
        try:
            ticks += sum(int(field) for field in _stat(pid)[11:15])
        except OSError:
            continue
    return ticks / TICKS


def settled(roots: Sequence[int]) -> int:
    """Bytes in RAM once they have stopped growing: workers come up after the first answer."""
    last, still = resident(tree(roots)), 0
    for _ in range(MOST_LOOKS):
        time.sleep(0.25)
        now = resident(tree(roots))
        still = still + 1 if abs(now - last) < MIB else 0
        last = now
        if still >= STILL_LOOKS:
            break
    return last


def machine_busy() -> float:
    """Seconds of CPU that this machine has spent on anything."""
    user, nice, system, _, _, irq, softirq, steal, *_ = (
        int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS


class Watch:
    """Times a block and watches a server's processes meanwhile.

    `with Watch(memory=[pid], cpu=[pid, database]) as watch: …` leaves `seconds`, `cpu` (seconds of
    CPU), `peak` (resident bytes) and `others`, the part of the machine that neither the server nor
    we ourselves used.
    """

    def __init__(self, *, memory: Sequence[int], cpu: Sequence[int], every: float = 0.05) -> None:
        self._memory, self._cpu, self._every = memory, cpu, every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.seconds = self.cpu = self.others = 0.0
        self.peak = 0

    def __enter__(self) -> Self:
        if self._memory:
            self.peak = resident(tree(self._memory))
            self._thread.start()
        self._cpu_before = cpu_seconds(tree(self._cpu)) if self._cpu else 0.0
        self._others_before = machine_busy() - sum(os.times()[:4])
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._began
        others = machine_busy() - sum(os.times()[:4]) - self._others_before
        if self._cpu:
            self.cpu = max(0.0, cpu_seconds(tree(self._cpu)) - self._cpu_before)
        others = (others - self.cpu) / (self.seconds * (os.cpu_count() or 1))
        self.others = min(1.0, max(0.0, others))
        if self._memory:
            self._done.set()
            self._thread.join()

    def _sample(self) -> None:
        pids, listed = tree(self._memory), time.monotonic()
        while not self._done.wait(self._every):
            if time.monotonic() - listed > REFRESH_SECONDS:
                pids, listed = tree(self._memory), time.monotonic()
            self.peak = max(self.peak, resident(pids))
