"""What notebook cells have started: when a cell runs again, it ends what it started before."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

Cell = tuple[str, object]
"""Identifies the cell, and this run of it."""


def current_cell() -> Cell | None:
    """Return the cell in which this code runs; None outside IPython.

    It is identified by the id that the front end sends with the request, or else by its source, so
    that two cells with the same text count as one.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or threading.current_thread() is not threading.main_thread():
        return None
    request = getattr(shell, "parent_header", None)
    if isinstance(request, dict) and request.get("header"):
        return _of_request(request)
    sources = getattr(shell.history_manager, "input_hist_raw", None)
    return (f"source {sources[-1]}", shell.execution_count) if sources else None


def _of_request(request: dict[str, Any]) -> Cell | None:
    header = request["header"]
    if header.get("msg_type") != "execute_request":  # such as a button's handler
        return None
    cell_id = (request.get("metadata") or {}).get("cellId")
    name = f"id {cell_id}" if cell_id else f"source {request.get('content', {}).get('code')}"
    return name, header.get("msg_id")


class Cells:
    """What each cell started, held weakly; a new run closes what the previous one started."""

    def __init__(self, close: Callable[[Any], object]) -> None:
        self._close = close
        self._lock = threading.Lock()
        self._runs: dict[str, tuple[object, weakref.WeakSet[Any]]] = {}

    def enter(self, started: object, cell: Cell | None) -> None:
        """Record what a cell has started."""
        if cell is None:
            return
        name, run = cell
        with self._lock:
            self._runs = {known: entry for known, entry in self._runs.items() if entry[1]}
            last_run, objects = self._runs.get(name, (run, weakref.WeakSet()))
            outdated = []
            if last_run != run:
                outdated, objects = list(objects), weakref.WeakSet()
            objects.add(started)
            self._runs[name] = (run, objects)
        for each in outdated:
            if each is not started:
                self._close(each)
