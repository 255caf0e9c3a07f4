"""The server: connections on a port of 127.0.0.1, in an event loop in its own thread."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from concurrent.futures import Future
from contextlib import suppress
from math import ceil
from threading import Thread
from typing import TYPE_CHECKING, cast

from ._http import MAX_BODY, MAX_HEAD, Answer, BadRequestError, Request, error, head, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._site import Site

_CHUNK = 64 * 1024
_PIECES = 20
_RESET_DELAY = 0.05
_NO_BODY = (204, 304)


class Connection(asyncio.Protocol):
    """One client connection; handles one request at a time."""

    _transport: asyncio.Transport

    def __init__(self, site: Site, connections: set[Connection]) -> None:
        self._site = site
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._request: Request | None = None
        self._answer: Answer | None = None
        self._pieces: Iterator[memoryview] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._blocked = False
        self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._site.count("connections")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._leave()
        self._pieces = None

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._buffer += data
        if self._answer is None:
            self._work()
        elif len(self._buffer) > MAX_HEAD + MAX_BODY:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        if self._pieces is not None and self._timer is None:
            self._stream()

    def _work(self) -> None:
        """Handle the next request if it has arrived completely."""
        if self._answer is not None or not self._buffer or self._transport.is_closing():
            return
        try:
            parsed = parse(self._buffer)
        except BadRequestError as bad:
            self._refuse(bad.status)
            return
        if parsed is None:
            return
        self._request, length = parsed
        del self._buffer[:length]
        self._answer = self._site.handle(self._request)
        if self._answer.delay > 0:
            self._timer = self._loop.call_later(self._answer.delay, self._respond)
        else:
            self._respond()

    def _refuse(self, status: int) -> None:
        """Respond and close, but keep reading a while: unread bytes would reset the connection."""
        self._site.count("bad_requests")
        self._refused = True
        self._buffer.clear()
        answer = error(status)
        lead = head(answer, keep_alive=False, now=self._site.instant())
        self._transport.write(lead + answer.body)
        self._transport.write_eof()
        self._timer = self._loop.call_later(1.0, self._transport.close)

    def _respond(self) -> None:
        self._timer = None
        self._leave()
        assert self._request is not None
        assert self._answer is not None
        answer = self._answer
        if answer.never_starts:
            self._reset()
            return
        bodiless = self._request.method == "HEAD" or answer.status in _NO_BODY
        body = memoryview(b"" if bodiless else answer.body)[: answer.cut]
        lead = head(answer, keep_alive=self._lasts(), now=self._site.instant())
        if answer.spread or len(body) > _CHUNK:
            size = max(1, ceil(len(body) / _PIECES)) if answer.spread else _CHUNK
            self._pieces = (body[place : place + size] for place in range(0, len(body), size))
            self._transport.write(lead)
            self._stream()
        else:
            self._transport.write(lead + body)
            self._sent(len(body))
            self._finish()

    def _sent(self, size: int) -> None:
        if self._answer is not None and self._answer.export:
            self._site.count("export_bytes", size)

    def _stream(self) -> None:
        """Write the body until it is complete, the client lags behind, or a pause is due."""
        self._timer = None
        assert self._answer is not None
        assert self._pieces is not None
        for piece in self._pieces:
            self._transport.write(piece)
            self._sent(len(piece))
            if self._answer.spread:
                pause = self._answer.spread / _PIECES
                self._timer = self._loop.call_later(pause, self._stream)
                return
            if self._blocked:
                return
        self._finish()

    def _finish(self) -> None:
        assert self._answer is not None
        if self._answer.ending == "reset":
            self._timer = self._loop.call_later(_RESET_DELAY, self._reset)
        elif not self._lasts():
            self._transport.close()
        else:
            self._answer = self._request = self._pieces = None
            self._transport.resume_reading()
            if self._buffer:
                self._loop.call_soon(self._work)

    def _lasts(self) -> bool:
        """Whether the connection stays open after the response."""
        assert self._request is not None
        assert self._answer is not None
        return self._request.keep_alive and self._answer.ending == "keep"

    def _reset(self) -> None:
        """End the connection with a TCP reset instead of an orderly close."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    def _leave(self) -> None:
        if self._answer is not None and self._answer.in_flight:
            lane, self._answer.in_flight = self._answer.in_flight, None
            self._site.leave(lane)

    def abort(self) -> None:
        """Abort the connection."""
        self._transport.abort()


class Server:
    """Serves a `Site` on a port of 127.0.0.1."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._connections: set[Connection] = set()
        self._thread: Thread | None = None

    def start(self, port: int) -> int:
        """Start listening and return the port; 0 picks a free one."""
        listening: Future[int] = Future()
        self._thread = Thread(
            target=self._run, args=(port, listening), name="asana-sandbox", daemon=True
        )
        self._thread.start()
        if listening.exception() is not None:
            self._thread.join()
        return listening.result()

    def stop(self) -> None:
        """Close all sockets and wait for the thread. May be called again."""
        if self._thread is None:
            return
        with suppress(RuntimeError):  # the loop has ended before
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self, port: int, listening: Future[int]) -> None:
        # The same loop on all platforms: others accept and reset differently.
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
