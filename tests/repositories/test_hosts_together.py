"""The rules of `repositories/hosts.py`, tried in many histories of several hosts.

Each host is the module itself, loaded once more; the table and the clock are plain values. Hosts
read, change, are silent for a while, and lose their rows as the rules allow. At any moment a host
that reads must find what the last acknowledged change has left.
"""

from __future__ import annotations

import importlib.util
import itertools
import random
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from repositories import hosts

LENGTH = 1000


class World:
    """A clock, the table of hosts, and one value that everybody can read and change."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.value = 0
        self.acknowledged = 0
        self.reads = self.remembered = self.changes = self.waits = 0
        self.rows: dict[str, list[Any]] = {}  # by key: id, is_settled, seen_at
        self._ids = itertools.count(1)
        self.hosts = [Machine(self, name) for name in "ABC"]
        self.active = self.hosts[:1]

    def fetch(self, statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
        assert statement == hosts._ROWS
        rows = self.rows.items()
        return [(id, key, settled, self.now - seen) for key, (id, settled, seen) in rows]

    def execute(self, statement: str, values: list[Any]) -> None:
        by_id = {row[0]: row for row in self.rows.values()}
        if statement == hosts._REGISTER:
            self.rows.setdefault(values[0], [next(self._ids), False, self.now])
        elif statement == hosts._RENEW and values[0] in by_id:
            by_id[values[0]][2] = self.now
        elif statement == hosts._SETTLE and values[0] in by_id:
            by_id[values[0]][1] = True
        elif statement == hosts._REMOVE:
            for key, row in list(self.rows.items()):
                if key != values[0] and self.now - row[2] > values[1]:
                    del self.rows[key]

    def sleep(self, seconds: float) -> None:
        """While one host waits, the others go on, and may be slow or quick."""
        self.waits += 1
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + self.random.expovariate(3))
            self.random.choice(self.active).read()

    def step(self) -> None:
        if self.random.random() < 0.08:
            self._come_and_go()
        host = self.random.choice(self.active)
        if self.random.random() < 0.9:
            host.read()
        else:
            host.change()
        self.now += self.random.expovariate(self.random.choice([50, 5, 5, 1, 0.3]))

    def _come_and_go(self) -> None:
        self.active = self.random.sample(self.hosts, self.random.choice([1, 1, 2]))
        if self.random.random() < 0.3:
            self.now += self.random.expovariate(0.01)
        for host in self.hosts:
            if host.is_silent() and self.random.random() < 0.5:
                self.rows.pop(host.name, None)  # somebody has tidied up


class Machine:
    """A host with a memory, which holds to the rules or not at all."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self._world = world
        self._kept: tuple[int, int] | None = None
        self._asked_at = 0.0
        self.hosts = load(world, name)

    def is_silent(self) -> bool:
        return self._world.now - self._asked_at > hosts.RENEW_SECONDS

    def read(self) -> None:
        world = self._world
        self._asked_at = world.now
        expected = world.acknowledged
        if world.random.random() < 0.4:  # another thread of its has begun to look
            with self.hosts._looking:
                period = self.hosts.alone()
        else:
            period = self.hosts.alone()
        if self._kept and period is not None and self._kept[0] == period:
            found = self._kept[1]
            world.remembered += 1
        else:
            found = world.value
            self._kept = None if period is None else (period, found)
        assert found >= expected, (
            f"{self.name} at {world.now}: {found}, {expected} was acknowledged"
        )
        world.reads += 1

    def change(self) -> None:
        world = self._world
        self._asked_at = world.now
        world.value = value = world.value + 1
        self._kept = None  # its own processes know by the generation
        # The first look comes with the commit, or after it.
        comes_with = world.random.random() < 0.5
        self.hosts.announce(world.fetch(hosts._ROWS, []) if comes_with else None)
        world.acknowledged = max(world.acknowledged, value)
        world.changes += 1


def load(world: World, name: str) -> ModuleType:
    spec = importlib.util.find_spec("repositories.hosts")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    replaced = {
        "is_sqlite": lambda: False,
        "fetch": world.fetch,
        "execute": world.execute,
        "time": SimpleNamespace(sleep=world.sleep),
        "now": lambda: world.now,
        "_identity": lambda: hosts._Identity(name, may_remember=True),
    }
    module.__dict__.update(replaced)
    return module


def history(seed: int) -> World:
    world = World(seed)
    for _ in range(LENGTH):
        world.step()
    return world


def test_nobody_reads_what_is_older_than_what_was_acknowledged() -> None:
    worlds = [history(seed) for seed in range(100)]

    # And the histories had all of it.
    assert sum(world.reads for world in worlds) > 10_000
    assert sum(world.remembered for world in worlds) > 3_000
    assert sum(world.changes for world in worlds) > 1_000
    assert sum(world.waits for world in worlds) > 50


@pytest.mark.parametrize(
    ("name", "value"),
    [("NOTICED_SECONDS", 0.5), ("GOOD_SECONDS", 10.0), ("GOOD_SECONDS", 300.0)],
)
def test_histories_tell_a_rule_that_is_broken(
    name: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(world: World, host: str) -> ModuleType:
        module = load_whole(world, host)
        setattr(module, name, value)
        return module

    load_whole = load
    monkeypatch.setattr(f"{__name__}.load", broken)
    with pytest.raises(AssertionError, match="was acknowledged"):
        any(history(seed) is None for seed in range(300))
