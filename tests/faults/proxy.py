"""A proxy before PostgreSQL that refuses, hangs, or cuts a connection just after its COMMIT."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from tests.live import free_port, wait_for

HOST = "127.0.0.1"
# What the server says when it has committed: a CommandComplete message.
COMMITTED = b"COMMIT\0"


class Proxy:
    """`with Proxy(url).running() as proxy:`, and connect to `proxy.url` instead."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.port = free_port()
        account = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{account}@{HOST}:{self.port}"))
        self._target = (parts.hostname or HOST, parts.port or 5432)
        self._loop = asyncio.new_event_loop()
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self.to_cut = 0
        self.cuts = 0

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        """Pass everything on, from a thread of its own."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        self.resume()
        try:
            yield self
        finally:
            self._call(self._refuse())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def refuse(self) -> None:
        """Cut all connections, and take no new ones."""
        self._call(self._refuse())

    def hang(self) -> None:
        """Take connections and bytes, and pass nothing on."""
        self._call(self._hang())

    def resume(self) -> None:
        """Pass everything on again, also what came meanwhile."""
        self._call(self._resume())

    def cut_a_commit(self) -> None:
        """Wait for the next one, and until its connection is cut."""
        wanted = self.cuts + 1
        self.to_cut = 1
        wait_for(lambda: self.cuts >= wanted, seconds=60, what="a COMMIT")

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _resume(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server((HOST, self.port))
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener, self._accept, self._listener)
        self._flows.set()

    async def _hang(self) -> None:
        await self._resume()
        self._flows.clear()

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        """Take a connection. (An asyncio.Server loses hold of those that come while it closes.)"""
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # it is gone already
        task = self._loop.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: connection.close())

    async def _serve(self, connection: socket.socket) -> None:
        ends: list[asyncio.StreamWriter] = []
        try:
            reader, writer = await asyncio.open_connection(sock=connection)
            ends.append(writer)
            await self._flows.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            ends.append(far_writer)
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass(reader, far_writer, may_cut=False)),
                    asyncio.ensure_future(self._pass(far_reader, writer, may_cut=True)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        except OSError:
            pass  # one of the two went away
        finally:
            for end in ends:
                end.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, may_cut: bool
    ) -> None:
        try:
            while data := await reader.read(1 << 16):
                await self._flows.wait()
                if may_cut and self.to_cut and COMMITTED in data:
                    self.to_cut -= 1
                    self.cuts += 1
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
