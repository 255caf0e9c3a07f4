"""How the widget appears: our script where a front end has it, else a plain live table.

A front end gets the script from our extension of JupyterLab and Notebook, or from anywidget.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ipywidgets as w
import traitlets as t
from IPython import get_ipython
from IPython.display import display

from asana_jobs_pd._http.threads import start_thread

FRONT_END_VERSION = "1.0.0"
"""The version of the traits and messages; the same number is in ``static/``."""
STATIC = Path(__file__).parent / "static"
HELLO_TIMEOUT = 6.0
"""Seconds of an idle kernel after which a front end that says nothing lacks our script."""
DEAF_TIMEOUT = 2.5
"""Seconds after an answer in which a page that heard it does not repeat its hello."""
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class _OwnWidget(w.DOMWidget):  # type: ignore[misc]  # ipywidgets has no types
    """A widget whose script a front end has from our extension."""

    _model_name = t.Unicode("JobsModel").tag(sync=True)
    _view_name = t.Unicode("JobsView").tag(sync=True)
    _model_module = t.Unicode("asana_jobs_pd").tag(sync=True)
    _view_module = t.Unicode("asana_jobs_pd").tag(sync=True)
    _model_module_version = t.Unicode(f"^{FRONT_END_VERSION}").tag(sync=True)
    _view_module_version = t.Unicode(f"^{FRONT_END_VERSION}").tag(sync=True)


def base_widget() -> Any:
    """Return the class that brings the script to this front end.

    Colab and marimo have no extensions: there, anywidget sends the script, if it is installed.
    """
    if not {"google.colab", "marimo"} & sys.modules.keys() or find_spec("anywidget") is None:
        return _OwnWidget
    import anywidget  # noqa: PLC0415  an extra

    traits = {"_esm": STATIC / "jobs.js", "_css": STATIC / "jobs.css"}
    return type("_AnyWidget", (anywidget.AnyWidget,), traits)


def in_kernel() -> bool:
    """Tell whether a front end may show this process's output, and changes of it."""
    return getattr(get_ipython(), "kernel", None) is not None


class _Cells:
    """Whether a cell is running: messages from the page wait until it has ended."""

    def __init__(self) -> None:
        self.busy = False
        shell = get_ipython()
        if shell is not None:
            self.busy = True  # a cell creates this
            shell.events.register("pre_run_cell", lambda *_: self._set(busy=True))
            shell.events.register("post_run_cell", lambda *_: self._set(busy=False))

    def _set(self, *, busy: bool) -> None:
        self.busy = busy


class Display:
    """Shows the widget in cells, and a plain live table where our script does not say hello.

    The outputs are replaced through their display ids; a widget inside another one has none, so
    it stays as the front end shows it. `bundle` returns what shows the widget, and metadata;
    `static_face` the table as HTML and text with a hint; `reopen` gives the page a new model,
    where a page may be deaf.
    """

    _cells: _Cells | None = None

    def __init__(
        self,
        bundle: Callable[[], tuple[dict[str, Any], dict[str, Any]]],
        static_face: Callable[[str], dict[str, str]],
        reopen: Callable[[], None] | None,
    ) -> None:
        self._bundle, self._static_face, self._reopen = bundle, static_face, reopen
        self._lock = threading.Lock()
        self._handles: list[tuple[Any, contextvars.Context]] = []
        self._heard = threading.Event()
        self._waiting = self._is_plain = False
        self._last_hello: tuple[object, float] = (None, 0.0)

    def show(self) -> None:
        """Show the widget in the current output."""
        data, metadata = self._bundle()
        handle = display(data, metadata=metadata, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        with self._lock:
            # ipykernel 7.0 publishes only from the context of the cell.
            self._handles.append((handle, contextvars.copy_context()))
            start, self._waiting = not (self._waiting or self._heard.is_set()), True
        if start:
            Display._cells = Display._cells or _Cells()
            start_thread(self._await_hello, "asana-jobs-hello")

    def hello(self, series: object) -> None:
        """Note that a page has our script; it repeats a series of hellos until it is answered.

        anywidget gives up a model that takes 2 s to load, which then hears nothing: a page that
        says hello although it was answered gets a new one. Elsewhere such a page is just slow.
        """
        now, (last, answered_at) = time.monotonic(), self._last_hello
        repeated = series is not None and series == last and now - answered_at > DEAF_TIMEOUT
        self._last_hello = series, now
        self._heard.set()
        if is_deaf := repeated and self._reopen is not None:
            self._replace(self._static_face(""), {})  # JupyterLab hides an output without view
            self._reopen()
        if is_deaf or self._is_plain:
            self._is_plain = False
            self._replace(*self._bundle())

    def update(self) -> None:
        """Bring the plain table up to date, where it is shown.

        As an output: where Jupyter has no ipywidgets either, no widget would show it.
        """
        if self._is_plain:
            self._replace(self._static_face(_plain_hint()), {})

    def close(self) -> None:
        """Wait for no hello, and take the plain table off the page."""
        self._heard.set()
        if self._is_plain:
            self._is_plain = False
            self._replace({"text/plain": ""}, {})

    def _await_hello(self) -> None:
        assert Display._cells is not None
        idle_since = time.monotonic()
        while not self._heard.wait(0.25):
            if Display._cells.busy:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > HELLO_TIMEOUT:
                self._is_plain = True
                self.update()
                return

    def _replace(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        with self._lock:
            handles = list(self._handles)
        for handle, context in handles:
            context.copy().run(handle.update, data, metadata=metadata, raw=True)


def _plain_hint() -> str:
    """Say what to install where."""
    if "google.colab" in sys.modules:
        remedy = "run `%pip install anywidget`, restart the session and run this cell again"
    else:
        remedy = (
            "run `pip install asana_jobs_pd` in the environment that runs Jupyter, restart that "
            "server, reload this page and run this cell again"
        )
    return (
        "This page does not have the script of asana_jobs_pd, so the table has no buttons. It "
        "stays live while the kernel runs; `widget.jobs`, `widget.monitor` and "
        f"`aj.download_asana_exports` work as usual. To get the buttons, {remedy}."
    )
