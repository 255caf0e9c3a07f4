"""A terminal for a command: a pty, and what a person would see on it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import struct
import termios
import threading
from unicodedata import combining

_STEPS = re.compile(r"\x1b\[(\?\d+|\d*)([A-Za-z])|[\r\n]|[^\x1b\r\n]+|\x1b")


class Emulator(io.TextIOBase):
    """Understands what our live tables send, and refuses everything else.

    It is the stream to write to, too.
    """

    def __init__(self, columns=80, lines=24):
        self.columns, self.lines = columns, lines
        self.rows, self.row, self.column = [""], 0, 0
        self.cursor = self.wrap = True
        self.text = ""

    def write(self, text):
        self.text += text
        self.show(text.replace("\n", "\r\n"))  # as a tty does
        return len(text)

    def show(self, text):
        for step in _STEPS.finditer(text):
            number, command = step[1], step[2]
            if command == "A":
                assert int(number) < self.lines, "moved above the screen"
                self.row -= int(number)
                assert self.row >= 0
            elif command == "K":
                self._put(self.rows[self.row][: self.column])
            elif command == "J":
                self.rows[self.row + 1 :] = []
                self._put(self.rows[self.row][: self.column])
            elif command in ("h", "l"):
                setattr(self, {"?25": "cursor", "?7": "wrap"}[number], command == "h")
            elif step[0] == "\r":
                self.column = 0
            elif step[0] == "\n":
                self.row += 1
                self.rows += [""] * (self.row + 1 - len(self.rows))
            else:
                assert command is None
                assert "\x1b" not in step[0]
                self._type(step[0])

    def _type(self, text):
        text = "".join(each for each in text if not combining(each))
        assert self.column + len(text) <= self.columns or not self.wrap, "would be wrapped"
        line = self.rows[self.row]
        self._put((line[: self.column] + text + line[self.column + len(text) :])[: self.columns])
        self.column = min(self.column + len(text), self.columns)

    def _put(self, line):
        self.rows[self.row] = line


class Screen(Emulator):
    """The same behind a pty."""

    def __init__(self, columns=80, lines=24):
        super().__init__(columns, lines)
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.stream = os.fdopen(slave, "w", encoding="utf-8", newline="")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def end(self):
        """Read the rest."""
        self.stream.close()
        self._thread.join(10)
        os.close(self.master)

    def _read(self):
        rest = b""
        with contextlib.suppress(OSError):  # what Linux answers when the other end is closed
            while data := os.read(self.master, 65536):
                rest += data
                if rest.endswith((b"\n", b"J", b"l", b"h")):  # our writes end so
                    text, rest = rest.decode(), b""
                    self.write(text)
