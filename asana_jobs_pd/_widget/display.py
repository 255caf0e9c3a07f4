"""How the widget appears: drawn by our script if the front end has it, else as a plain live table.

Front ends get the script from our extension for JupyterLab and Notebook, or from anywidget.
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
"""Seconds in which a front end with our script says hello to an idle kernel."""
DEAF_TIMEOUT = 2.5
"""A page that repeats its hello this many seconds after the answer has not heard the answer."""
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class _OwnWidget(w.DOMWidget):  # type: ignore[misc]  # ipywidgets has no types
    """A widget whose script comes from our extension."""

    _model_name = t.Unicode("JobsModel").tag(sync=True)
    _view_name = t.Unicode("JobsView").tag(sync=True)
    _model_module = t.Unicode("asana_jobs_pd").tag(sync=True)
    _view_module = t.Unicode("asana_jobs_pd").tag(sync=True)
    _model_module_version = t.Unicode(f"^{FRONT_END_VERSION}").tag(sync=True)
    _view_module_version = t.Unicode(f"^{FRONT_END_VERSION}").tag(sync=True)


def base_widget() -> Any:
    """Return the base class that delivers the script to this front end.

    Colab and marimo do not load our extension: there, anywidget sends the script if installed.
    """
    if not {"google.colab", "marimo"} & sys.modules.keys() or find_spec("anywidget") is None:
        return _OwnWidget
    import anywidget  # noqa: PLC0415  an extra

    traits = {"_esm": STATIC / "jobs.js", "_css": STATIC / "jobs.css"}
    return type("_AnyWidget", (anywidget.AnyWidget,), traits)


def in_kernel() -> bool:
    """Return whether this process has a front end that can show output and update it."""
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
    """Shows the widget in cells, or a plain live table if our script does not say hello.

    Outputs are replaced by display id. A widget inside another one has none, so it stays as the
    front end shows it. `bundle` returns the widget's MIME bundle and metadata; `static_table`
    returns the table as HTML and text, with a hint; `reopen` gives a page that hears nothing a
    new model, and is None where that cannot happen.
    """

    _cells: _Cells | None = None

    def __init__(
        self,
        bundle: Callable[[], tuple[dict[str, Any], dict[str, Any]]],
        static_table: Callable[[str], dict[str, str]],
        reopen: Callable[[], None] | None,
    ) -> None:
        self._bundle, self._static_table, self._reopen = bundle, static_table, reopen
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
        """Note that a page has our script; the page repeats its hello until it hears an answer.

        anywidget gives up on a model that takes 2 s to load, and that model then hears nothing: a
        page that says hello again after the answer gets a new model. Elsewhere it is just slow.
        """
        now, (last, answered_at) = time.monotonic(), self._last_hello
        repeated = series is not None and series == last and now - answered_at > DEAF_TIMEOUT
        self._last_hello = series, now
        self._heard.set()
        if is_deaf := repeated and self._reopen is not None:
            self._replace(self._static_table(""), {})  # JupyterLab hides outputs without a view
            self._reopen()
        if is_deaf or self._is_plain:
            self._is_plain = False
            self._replace(*self._bundle())

    def update(self) -> None:
        """Bring the plain table up to date, if it is shown.

        It is an output and not a widget, since Jupyter may lack ipywidgets as well.
        """
        if self._is_plain:
            self._replace(self._static_table(_plain_hint()), {})

    def close(self) -> None:
        """Stop waiting for a hello, and remove the plain table from the page."""
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
    """Return a hint that says what to install, and where."""
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
