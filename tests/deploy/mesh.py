"""What IPVS does in Docker's routing mesh, for kernels that lack it.

In the mesh a published port of each node leads into a network namespace that Docker makes on every
node, its ingress sandbox, which is on the overlay network `ingress`; there IPVS spreads connections
over the tasks of the service, on whichever node they are. Without IPVS Docker makes all of this but
the rules: those that lead into the sandbox, and those of IPVS. This writes both, as packet filter
rules that do the same: by turns, to tasks that run and are wanted, from the sandbox's address.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, ip_interface
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

IPVS = Path("/proc/net/ip_vs")
# Docker waits two seconds between taking a task out of the mesh and stopping it.
LOOK_SECONDS = 0.3

Routes = Mapping[int, Sequence[str]]  # of a published port: ADDRESS:PORT of each task


class SwarmIsAwayError(Exception):
    """The managers elect a leader; until then everything stays as it is."""


@dataclass(frozen=True)
class Gate:
    """A node's way into the mesh: commands that enter its namespace and that of its sandbox, and
    the sandbox's addresses, towards the node and in the ingress network."""

    node: Sequence[str]
    sandbox: Sequence[str]
    outside: IPv4Interface
    inside: IPv4Interface

    def open(self) -> None:
        """Lead what comes for a published port through the chain MESH, here and in the sandbox."""
        _set(self.node, "net/ipv4/conf/docker_gwbridge/route_localnet")
        here = ("-m addrtype --dst-type LOCAL", "-o docker_gwbridge -m addrtype --src-type LOCAL")
        _restore(self.node, [*_hooks(*here), f"-A OUTPUT {here[0]} -j MESH"])
        _set(self.sandbox, "net/ipv4/ip_forward")
        _restore(self.sandbox, _hooks(f"-d {self.outside.ip}", f"-d {self.inside.network}"))

    def lead(self, routes: Routes) -> None:
        """Let the published ports lead to these tasks, and no others."""
        ports = [
            f"-A MESH -p tcp --dport {port} -j DNAT --to-destination {self.outside.ip}:{port}"
            for port in routes
        ]
        tasks = [
            f"-A MESH -p tcp --dport {port} -m statistic --mode nth --every {every} --packet 0 "
            f"-j DNAT --to-destination {task}"
            for port, found in routes.items()
            for every, task in zip(range(len(found), 0, -1), found, strict=True)
        ]
        _restore(self.sandbox, tasks)
        _restore(self.node, ports)


class Mesh:
    """Keeps every gate up to date with what the Swarm says, for the length of a `with` block."""

    def __init__(self, manager: str, gates: Sequence[Gate]) -> None:
        self._manager = manager.removeprefix("unix://")
        self._gates = gates
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mesh")

    def __enter__(self) -> Self:
        for gate in self._gates:
            gate.open()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    def _follow(self) -> None:
        known: Routes = {}
        while not self._end.wait(LOOK_SECONDS):
            try:
                routes = self._routes()
            except SwarmIsAwayError:
                continue
            if routes != known:
                for gate in self._gates:
                    gate.lead(routes)
                known = routes

    def _routes(self) -> Routes:
        wanted = quote(json.dumps({"desired-state": ["running"]}))
        tasks = [task for task in self._get(f"/tasks?filters={wanted}") if _runs(task)]
        return {
            port["PublishedPort"]: [
                f"{address}:{port['TargetPort']}"
                for task in tasks
                if task["ServiceID"] == service["ID"]
                for address in _ingress_addresses(task)
            ]
            for service in self._get("/services")
            for port in service["Endpoint"].get("Ports", ())
            if port["PublishMode"] == "ingress"
        }

    def _get(self, path: str) -> Any:
        connection = http.client.HTTPConnection("docker")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(self._manager)
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise SwarmIsAwayError(answer.read().decode())
            return json.load(answer)
        finally:
            connection.close()


def _runs(task: Mapping[str, Any]) -> bool:
    """A task with a health check runs when that has been passed once."""
    return bool(task["Status"]["State"] == "running")


def _ingress_addresses(task: Mapping[str, Any]) -> Iterable[str]:
    for attached in task.get("NetworksAttachments") or ():
        if attached["Network"]["Spec"].get("Ingress"):
            yield str(ip_interface(attached["Addresses"][0]).ip)


def _hooks(coming: str, going: str) -> list[str]:
    return [f"-A PREROUTING {coming} -j MESH", f"-A POSTROUTING {going} -j MASQUERADE"]


def _set(within: Sequence[str], name: str) -> None:
    """Switch on what the kernel has below /proc/sys for each network namespace."""
    _run([*within, "sh", "-c", 'echo 1 > "/proc/sys/$0"', name])


def _restore(within: Sequence[str], rules: Iterable[str]) -> None:
    """Replace the chain MESH, and add what else the rules say, in one step."""
    lines = ["*nat", ":MESH - [0:0]", *rules, "COMMIT", ""]
    _run([*within, "iptables-restore", "--noflush", "--wait"], stdin="\n".join(lines))


def _run(command: Sequence[str], *, stdin: str = "") -> None:
    subprocess.run(command, input=stdin, text=True, check=True)
