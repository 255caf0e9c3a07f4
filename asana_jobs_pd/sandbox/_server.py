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

from ._answers import Answer, error, reason

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
"""Seconds after which a delayed response looks whether its client is still there."""
_RESET_DELAY = 0.05
"""Seconds until what was sent has been read: a reset may discard it."""
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
    """The input is not a valid request; the connection is closed."""


async def _read_request(reader: StreamReader) -> Request | None:
    """Return the next request; None when the client sends no more, or not all of it."""
    try:
        first = await reader.readexactly(1)
        if not first.isalpha():  # TLS, for example, which would wait forever
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
        if not 0 <= port < 2**16:  # create_server would raise too, and leak its socket
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
        with suppress(RuntimeError):  # the loop has ended before
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))  # and then cancels what serves connections

    async def _serve(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._connected, sock=listener, limit=_MAX_HEAD)
        await self._stopping.wait()
        self._loop.remove_reader(listener)
        for _ in range(5):  # connections just accepted get a task, which closes them
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
        """Respond to a request; tell whether the connection stays open for another one."""
        request = await _read_request(reader)
        if request is None:
            return False
        answer = self._site.handle(request)
        try:
            await _delay(reader, answer.delay)
        finally:
            if answer.in_flight:
                self._site.leave(answer.in_flight)
        keep_alive = request.keep_alive and answer.ending == "keep"
        if not answer.never_starts:
            bodiless = request.method == "HEAD" or answer.status in _NO_BODY
            body = memoryview(b"" if bodiless else answer.body)[: answer.cut]
            await self._send(writer, answer, self._head(answer, keep_alive=keep_alive), body)
        if answer.ending == "reset":
            await asyncio.sleep(0 if answer.never_starts else _RESET_DELAY)
            _reset_on_close(writer)
        return keep_alive

    def _head(self, answer: Answer, *, keep_alive: bool) -> bytes:
        now = self._site.instant().replace(microsecond=0)
        lines = [
            f"HTTP/1.1 {answer.status} {reason(answer.status)}",
            f"Date: {_http_date(now, usegmt=True)}",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
            f"Content-Length: {len(answer.body)}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def _send(
        self, writer: StreamWriter, answer: Answer, head: bytes, body: memoryview
    ) -> None:
        """Write a response as fast as the client reads it, or spread over a time."""
        size = max(1, ceil(len(body) / _PIECES)) if answer.spread else _CHUNK
        for place in range(0, len(body) or 1, size):
            piece = body[place : place + size]
            writer.write(head + piece)
            head = b""
            if answer.export:
                self._site.count("export_bytes", len(piece))
            await writer.drain()
            if answer.spread:
                await asyncio.sleep(answer.spread / _PIECES)


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
