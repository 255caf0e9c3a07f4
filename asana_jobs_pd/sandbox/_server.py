"""The server: a port of 127.0.0.1 and the thread in which its event loop runs."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from ._connection import Connection

if TYPE_CHECKING:
    from ._site import Site


class Server:
    """A site on a port of 127.0.0.1, with its event loop in a thread of its own."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._connections: set[Connection] = set()
        self._thread: Thread | None = None

    def start(self, port: int) -> int:
        """Listen, and return the port; 0 chooses a free one.

        Raises
        ------
        OSError, OverflowError
            If the port is taken, or is none.
        """
        listening: Future[int] = Future()
        self._thread = Thread(
            target=self._run, args=(port, listening), name="asana-sandbox", daemon=True
        )
        self._thread.start()
        if listening.exception() is not None:
            self._thread.join()
        return listening.result()

    def stop(self) -> None:
        """Close all sockets and wait for the thread; once is enough, more does no harm."""
        if self._thread is None:
            return
        with suppress(RuntimeError):  # the loop has ended before
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self, port: int, listening: Future[int]) -> None:
        # The same kind of loop on all platforms: the others' accept and reset differently.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve(port, listening))

    async def _serve(self, port: int, listening: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            server = await self._loop.create_server(
                lambda: Connection(self._site, self._connections), "127.0.0.1", port, backlog=1024
            )
        except (OSError, OverflowError) as problem:
            listening.set_exception(problem)
            return
        listening.set_result(server.sockets[0].getsockname()[1])
        await self._stopping.wait()
        await self._accept_no_more(server)
        server.close()
        for connection in tuple(self._connections):
            connection.abort()
        while self._connections:  # noqa: ASYNC110 (a turn of the loop or two)
            await asyncio.sleep(0)

    async def _accept_no_more(self, server: asyncio.Server) -> None:
        """Wait for the tasks of connections just accepted: after `close` they would leak these."""
        for sock in server.sockets:
            self._loop.remove_reader(sock.fileno())
        accepting = asyncio.all_tasks() - {asyncio.current_task()}
        if accepting:
            await asyncio.wait(accepting)
