"""The server: HTTP/1.1 on a port of 127.0.0.1, in an event loop in its own thread."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import sys
import time
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from dataclasses import dataclass
from email.utils import format_datetime
from functools import lru_cache
from math import ceil
from threading import Thread
from typing import TYPE_CHECKING

from ._responses import Response, error, reason

if TYPE_CHECKING:
    from ._site import Site

_MAX_HEAD = 16 * 1024
_HEAD = re.compile(
    r"([A-Za-z]+) (/[^ ?]*)(?:\?([^ ]*))? HTTP/1\.([01])\r\n((?:[^\s:]+:[^\r\n]*\r\n)*)\r\n"
)
_LENGTH = re.compile(r"[0-9]{1,6}")
_CHUNK = 64 * 1024
_PIECES = 20
_HANG_UP_CHECK = 0.02
"""Seconds between checks whether the client of a delayed response has hung up."""
_RESET_DELAY = 0.05
"""Seconds for the client to read what was sent, since a reset may discard it."""
_NO_BODY = (204, 304)


@dataclass(slots=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    keep_alive: bool
    body: bytes = b""


class BadRequestError(Exception):
    """The input is not a valid request, so the connection is closed."""


async def _read_request(reader: StreamReader) -> Request | None:
    """Return the next request; None if the client hangs up before or during it."""
    try:
        first = await reader.readexactly(1)
        if not first.isalpha():  # such as TLS, whose client would wait forever
            raise BadRequestError
        request = _parse(first + await reader.readuntil(b"\r\n\r\n"))
        length = request.headers.get("content-length", "0")
        if not _LENGTH.fullmatch(length) or "transfer-encoding" in request.headers:
            raise BadRequestError
        request.body = await reader.readexactly(int(length))
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadRequestError from None
    return request


def _parse(head: bytes) -> Request:
    match = _HEAD.fullmatch(head.decode("latin-1"))
    if match is None:
        raise BadRequestError
    method, path, query, minor, lines = match.groups()
    fields = (line.partition(":") for line in lines.split("\r\n")[:-1])
    headers = {name.lower(): value.strip() for name, _, value in fields}
    option = headers.get("connection", "").lower()
    keep_alive = "close" not in option if minor == "1" else "keep-alive" in option
    return Request(method, path, query or "", headers, keep_alive)


_http_date = lru_cache(maxsize=8)(format_datetime)


class Server:
    """Serves a `Site` on a port of 127.0.0.1."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._thread: Thread | None = None

    def start(self, port: int) -> int:
        """Start listening and return the port; 0 picks a free one."""
        if not 0 <= port < 2**16:  # create_server would also raise, but leak its socket
            raise OverflowError(f"port must be 0 to 65535, not {port}")
        listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        # The same loop on all platforms: others accept and reset differently.
        self._loop = asyncio.SelectorEventLoop()
        self._stopping = asyncio.Event()
        self._thread = Thread(target=self._run, args=(listener,), name="asana-sandbox", daemon=True)
        self._thread.start()
        bound: int = listener.getsockname()[1]
        return bound

    def stop(self) -> None:
        """Close all sockets and wait for the thread. May be called again."""
        if self._thread is None:
            return
        with suppress(RuntimeError):  # the loop has already ended
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))  # then the runner cancels the open connections

    async def _serve(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._connected, sock=listener, limit=_MAX_HEAD)
        await self._stopping.wait()
        self._loop.remove_reader(listener)
        for _ in range(5):  # let new connections start the tasks that will close them
            await asyncio.sleep(0)
        server.close()

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one connection, a request at a time."""
        self._site.count("connections")
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.CancelledError):  # the client has gone, or the server
            writer.transport.abort()
        except BadRequestError:
            self._site.count("bad_requests")
            writer.write(self._head(error(400), keep_alive=False) + error(400).body)
        finally:
            writer.close()

    async def _exchange(self, reader: StreamReader, writer: StreamWriter) -> bool:
        """Respond to a request; return whether the connection stays open for another one."""
        request = await _read_request(reader)
        if request is None:
            return False
        response = self._site.handle(request)
        try:
            await _delay(reader, response.delay)
        finally:
            if response.in_flight:
                self._site.leave(response.in_flight)
        keep_alive = request.keep_alive and response.ending == "keep"
        if not response.never_starts:
            bodiless = request.method == "HEAD" or response.status in _NO_BODY
            body = memoryview(b"" if bodiless else response.body)[: response.cut]
            await self._send(writer, response, self._head(response, keep_alive=keep_alive), body)
        if response.ending == "reset":
            await asyncio.sleep(0 if response.never_starts else _RESET_DELAY)
            _reset_on_close(writer)
        return keep_alive

    def _head(self, response: Response, *, keep_alive: bool) -> bytes:
        now = self._site.instant().replace(microsecond=0)
        lines = [
            f"HTTP/1.1 {response.status} {reason(response.status)}",
            f"Date: {_http_date(now, usegmt=True)}",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
            f"Content-Length: {len(response.body)}",
            *(f"{name}: {value}" for name, value in response.headers),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def _send(
        self, writer: StreamWriter, response: Response, head: bytes, body: memoryview
    ) -> None:
        """Write a response as fast as the client reads it, or spread over `spread` seconds."""
        size = max(1, ceil(len(body) / _PIECES)) if response.spread else _CHUNK
        for start in range(0, len(body) or 1, size):
            piece = body[start : start + size]
            writer.write(head + piece)
            head = b""
            if response.export:
                self._site.count("export_bytes", len(piece))
            await writer.drain()
            if response.spread:
                await asyncio.sleep(response.spread / _PIECES)


async def _delay(reader: StreamReader, seconds: float) -> None:
    """Wait, unless the client hangs up."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left, _HANG_UP_CHECK))
        if reader.at_eof():
            raise ConnectionAbortedError


def _reset_on_close(writer: StreamWriter) -> None:
    """End the connection with a TCP reset instead of an orderly close."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
