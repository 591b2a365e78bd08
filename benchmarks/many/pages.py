"""Ask for pages as a browser does, without the network: queries, milliseconds, bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from django.db import connection
from django.test import Client

from accounts.models import User
from benchmarks.many.fill import MANY, digest_of
from benchmarks.processes import cpu_seconds

WHO = ("admin", "member")
USUAL = (
    "/",
    "/?sort=name",
    "/?text=app-0009",
    "/?text=nothing-has-this",
    "/?team=team-001",
    "/search?q=app-0009",
    "/search?q=t0005",
    f"/search?q={digest_of('tag 500')[:15]}",
    "/search?q=nothing-has-this",
    "/activity",
    "/storage",
    "/storage?team=many",
    f"/repositories/{MANY}/-/",
    f"/repositories/{MANY}/-/?after=t000500",
    f"/repositories/{MANY}/-/activity",
    f"/repositories/{MANY}/-/storage",
    f"/repositories/{MANY}/-/images/amd64",
    f"/repositories/{MANY}/-/images/index",
    f"/repositories/{MANY}/-/images/amd64/referrers",
    f"/repositories/{MANY}/-/images/amd64/history",
    f"/repositories/{MANY}/-/images/amd64/manifest",
    f"/compare?before={MANY}:amd64&after={MANY}:arm64",
    f"/compare?before={MANY}:index&after={MANY}:arm64",
)


class Sample(NamedTuple):
    """A page: its status, its queries, what it takes, and its size in bytes.

    `milliseconds` are the least of all rounds: whatever else a machine does only adds to them.
    `cpu` is the mean of the milliseconds of processor time, the database's among them.
    """

    status: int
    queries: int
    milliseconds: float
    cpu: float
    size: int


Execute = Callable[..., object]
Samples = Mapping[tuple[str, str], Sample]


def measure(addresses: Sequence[str], rounds: int) -> Samples:
    """A sample for each of the addresses and each of WHO."""
    found = {}
    for who in WHO:
        client = Client(headers={"host": "localhost"})
        client.force_login(User.objects.get(username=who))
        for address in addresses:
            found[address, who] = _sample(client, address, rounds)
    return found


def _sample(client: Client, address: str, rounds: int) -> Sample:
    client.get(address)  # the first one compiles templates
    queries: list[str] = []

    def note(execute: Execute, sql: str, params: object, many: bool, context: object) -> object:
        queries.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        answer = client.get(address)
    times = []
    cpu = _cpu_seconds()
    for _ in range(rounds):
        began = time.perf_counter()
        client.get(address)
        times.append(1000 * (time.perf_counter() - began))
    cpu = 1000 * (_cpu_seconds() - cpu) / rounds
    return Sample(answer.status_code, len(queries), min(times), cpu, len(answer.content))


def _cpu_seconds() -> float:
    """Of this process, and of the one that PostgreSQL has for it, if that is on this machine."""
    own = time.process_time()
    if connection.vendor != "postgresql":
        return own
    connection.ensure_connection()
    return own + cpu_seconds([connection.connection.info.backend_pid])


def table(sizes: Sequence[int], samples: Sequence[Samples]) -> str:
    """The samples of each size as a Markdown table; the ratio is the last CPU time to the first."""
    columns = [f"{size:,} rows: queries | ms | CPU ms" for size in sizes]
    lines = [
        f"{connection.vendor}:",
        "",
        " | ".join(["| page", "as", *columns, "ratio | KiB |"]),
        "|---|---" + "|---:|---:|---:" * len(sizes) + "|---:|---:|",
    ]
    for (address, who), last in samples[-1].items():
        cells = [f"`{address}`", who]
        for of_size in samples:
            sample = of_size[address, who]
            cells += [str(sample.queries), f"{sample.milliseconds:.1f}", f"{sample.cpu:.1f}"]
        growth = last.cpu / samples[0][address, who].cpu
        note = "" if last.status == 200 else f" (status {last.status})"
        lines.append(
            "| " + " | ".join([*cells, f"{growth:.1f}", f"{last.size / 1024:.0f}{note}"]) + " |"
        )
    return "\n".join(lines)
