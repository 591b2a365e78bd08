"""A Swarm on one machine: engines that are managers, each in a network namespace of its own.

    namespace of the switch:   br0 198.18.0.254, where Docker Hub is
                               v1   …   v5
                               │        │            veth pairs
    namespaces of the nodes:   eth0 198.18.0.1 … 198.18.0.5, each with an engine and its networks

The machine's own namespace gets no interface, no address and no rule; nothing leads out of these.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from ipaddress import IPv4Interface, ip_interface
from types import TracebackType
from typing import Self

from tests.deploy.hub import Hub
from tests.deploy.machine import Machine
from tests.deploy.mesh import IPVS, Gate, Mesh
from tests.interop.tools import find_program
from tests.live import wait_for

# For tests of networks, by RFC 2544; a Swarm gives its own networks 10.0.0.0/8 and 172.16.0.0/12.
NETWORK = "198.18.0.{}/24"
HUB = "198.18.0.254:5000"
JOIN_SECONDS = 60.0
SANDBOX = "ingress-sbox"
GATES = ("docker_gwbridge", "ingress")  # the networks that the sandbox is in


class Node(Machine):
    """A manager: a machine with a host name, and an address on the switch."""

    def __init__(self, *, number: int, switch: str) -> None:
        self.name = f"manager{number}"
        self.address = NETWORK.format(number).partition("/")[0]
        self._number, self._switch = number, switch
        named = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name)
        super().__init__(named=named, options=Hub.options(HUB))

    def connect(self) -> None:
        """Plug it into the switch."""
        place, port = self._name, f"v{self._number}"
        pair = ("add", "eth0", "type", "veth", "peer", "name", port, "netns", self._switch)
        self._command("-n", place, "link", *pair)
        self._command("-n", self._switch, "link", "set", port, "master", "br0", "up")
        self._command("-n", place, "address", "add", NETWORK.format(self._number), "dev", "eth0")
        self._command("-n", place, "link", "set", "eth0", "up")

    def switch_off(self) -> None:
        """At once: a Swarm starts what is removed again, and ends nothing quickly."""
        self.engine.kill()

    def gate(self) -> Gate:
        """Where the mesh comes in at this node."""
        outside, inside = map(self._address_in, GATES)
        return Gate(
            node=self._within,
            sandbox=("nsenter", f"--net={self.engine.folder}/exec/netns/ingress_sbox"),
            outside=outside,
            inside=inside,
        )

    def has_gate(self) -> bool:
        """Whether the node has its end of the ingress network."""
        there = self.docker("network", "ls", "--format", "{{.Name}}").split()
        return set(GATES) <= set(there) and all(map(self._sandbox_in, GATES))

    def _address_in(self, network: str) -> IPv4Interface:
        address = ip_interface(self._sandbox_in(network))
        assert isinstance(address, IPv4Interface)
        return address

    def _sandbox_in(self, network: str) -> str:
        wanted = f'{{{{with index .Containers "{SANDBOX}"}}}}{{{{.IPv4Address}}}}{{{{end}}}}'
        return self.docker("network", "inspect", "--format", wanted, network).strip()


class Cluster:
    """`with Cluster(5) as cluster: …`: that many managers; the first one has begun the Swarm."""

    def __init__(self, count: int) -> None:
        self._ip = str(find_program("ip"))
        self._count = count
        self._undo = ExitStack()
        self.nodes: list[Node] = []

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._add_switch(undo)
            self._start(undo)
            self.manager.docker("swarm", "init", "--advertise-addr", self.manager.address)
            self._join(self.nodes[1:])
            if not IPVS.exists():
                gates = [node.gate() for node in self.nodes]
                undo.enter_context(Mesh(self.manager.engine.socket, gates))
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    @property
    def manager(self) -> Node:
        """The one that began the Swarm."""
        return self.nodes[0]

    def _add_switch(self, undo: ExitStack) -> None:
        self._switch = f"berth-{uuid.uuid4().hex[:8]}"
        self._command("netns", "add", self._switch)
        undo.callback(self._command, "netns", "delete", self._switch)
        self._command("-n", self._switch, "link", "add", "br0", "type", "bridge")
        self._command("-n", self._switch, "address", "add", NETWORK.format(254), "dev", "br0")
        self._command("-n", self._switch, "link", "set", "br0", "up")
        self.hub = undo.enter_context(Hub(HUB, ("nsenter", f"--net=/run/netns/{self._switch}")))

    def _start(self, undo: ExitStack) -> None:
        """All nodes at once; those that did start are stopped where another one does not."""
        nodes = [Node(number=n, switch=self._switch) for n in range(1, self._count + 1)]
        with ThreadPoolExecutor() as pool:
            started = [pool.submit(node.__enter__) for node in nodes]
        self.nodes = [one.result() for one in started if not one.exception()]
        undo.callback(
            _all_at_once, [partial(node.__exit__, None, None, None) for node in self.nodes]
        )
        for one in started:
            one.result()

    def _join(self, others: Sequence[Node]) -> None:
        """One after the other: each one that joins needs most of those that are there already."""
        token = self.manager.docker("swarm", "join-token", "--quiet", "manager").strip()
        for node in others:
            node.docker("swarm", "join", "--token", token, f"{self.manager.address}:2377")
        for node in self.nodes:
            wait_for(node.has_gate, seconds=JOIN_SECONDS, what=f"the ingress of {node.name}")

    def _command(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], check=True, stdin=subprocess.DEVNULL)


def _all_at_once(calls: Sequence[Callable[[], None]]) -> None:
    with ThreadPoolExecutor() as pool:
        for one in [pool.submit(call) for call in calls]:
            one.result()
