"""How the widget appears: our script where a front end has it, else plain tables.

A front end gets the script from our extension of JupyterLab and Notebook, or from anywidget. In
saved notebooks and terminals a static table stands for it.
"""

from __future__ import annotations

import contextvars
import html
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ipywidgets as w
import pandas as pd
import traitlets as t
from IPython import get_ipython
from IPython.display import display

from asana_jobs_pd._formatting import format_count, format_duration, format_epoch
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.threads import start_thread
from asana_jobs_pd._jobs.views import render
from asana_jobs_pd._vocabulary import ordered_states, state_label, state_style
from asana_jobs_pd._widget.rows import JobRow
from asana_jobs_pd._widget.status import Snapshot, notice_of

FRONT_END_VERSION = "1.0.0"
"""The version of the traits and messages; the same number is in ``static/``."""
STATIC = Path(__file__).parent / "static"
STATIC_ROWS = 25
HELLO_TIMEOUT = 6.0
"""Seconds of an idle kernel after which a front end that says nothing lacks our script."""
DEAF_TIMEOUT = 2.5
"""Seconds after an answer in which a page that heard it does not repeat its hello."""
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

_DASH = "–"  # noqa: RUF001  an empty cell
_CELL = 'style="text-align:left;padding:2px 12px 2px 0"'
_HEADS = ("State", "Kind", "Created object", "Job", "Since", "Took")


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


def static_html(rows: Sequence[JobRow], now: Snapshot, at: int, hint: str = "") -> str:
    """Return the first rows as HTML, with counts as of a time in microseconds since 1970.

    For saved notebooks, nbconvert and front ends without widgets, which style plain tables.
    """
    heads = "".join(f'<th scope="col" {_CELL}>{head}</th>' for head in _HEADS)
    lines = "".join(map(_static_row, rows[:STATIC_ROWS]))
    more = f"<p>… and {len(rows) - STATIC_ROWS:,} more</p>" if len(rows) > STATIC_ROWS else ""
    return (
        f"<div><p><b>{format_count(now.total, 'job')}</b>: {_escape(_summary(now), 300)}, as of "
        f"{format_epoch(at)}.{f' {html.escape(hint)}' if hint else ''}</p>"
        f'<table class="dataframe"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'
        f"{more}</div>"
    )


def static_text(rows: Sequence[JobRow], now: Snapshot, at: int, hint: str = "") -> str:
    """Return the first rows as text; parameters as in `static_html`."""
    cells = [_cells(row) for row in rows[:STATIC_ROWS]]
    table = pd.DataFrame(cells, columns=list(_HEADS), dtype="string")
    lines = [
        f"{format_count(now.total, 'job')}: {_summary(now)}, as of {format_epoch(at)}.",
        render(table, width=110),
    ]
    if len(rows) > STATIC_ROWS:
        lines.append(f"… and {len(rows) - STATIC_ROWS:,} more")
    return "\n".join([*lines, hint] if hint else lines)


def _summary(now: Snapshot) -> str:
    counts = [f"{now.counts[state]:,} {state_label(state)}" for state in ordered_states(now.counts)]
    title = "" if now.state == "done" else notice_of(now).title
    return ", ".join(filter(None, (*counts, title))) or "none"


def _cells(row: JobRow) -> list[str]:
    return [
        f"{state_style(row.state).mark} {row.label}",
        row.kind or _DASH,
        row.name or row.note or _DASH,
        row.gid,
        _DASH if row.since is None else format_epoch(row.since),
        _DASH if row.took is None else format_duration(row.took),
    ]


def _static_row(row: JobRow) -> str:
    shown = [_escape(cell) for cell in _cells(row)]
    if row.name and row.link:
        shown[2] = f'<a href="{html.escape(row.link)}" rel="noopener noreferrer">{shown[2]}</a>'
    cells = "".join(f"<td {_CELL}>{cell}</td>" for cell in shown)
    return f"<tr>{cells}</tr>"


def _escape(text: str, limit: int = 120) -> str:
    return html.escape(clean(text, limit=limit))


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
    `static_face` the table as HTML and text; `reopen` gives the page a new model.
    """

    _cells: _Cells | None = None

    def __init__(
        self,
        bundle: Callable[[], tuple[dict[str, Any], dict[str, Any]]],
        static_face: Callable[[], dict[str, str]],
        reopen: Callable[[], None],
    ) -> None:
        self._bundle, self._static_face, self._reopen = bundle, static_face, reopen
        self._lock = threading.Lock()
        self._handles: list[Any] = []
        self._heard = threading.Event()
        self._waiting = False
        self._plain: Any = None
        self._last_hello: tuple[object, float] = (None, 0.0)

    def show(self) -> None:
        """Show the widget in the current output."""
        data, metadata = self._bundle()
        handle = display(data, metadata=metadata, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        with self._lock:
            self._handles.append(handle)
            start, self._waiting = not (self._waiting or self._heard.is_set()), True
        if start:
            Display._cells = Display._cells or _Cells()
            context = contextvars.copy_context()  # ipykernel 7.0 publishes only from the cell's own
            start_thread(context.run, "asana-jobs-hello", self._await_hello)

    def hello(self, series: object) -> None:
        """Note that a page has our script; it repeats a series of hellos until it is answered.

        anywidget gives up a model that takes 2 s to load, which then hears nothing: a page that
        says hello although it was answered gets a new one.
        """
        now, (last, answered_at) = time.monotonic(), self._last_hello
        deaf = series is not None and series == last and now - answered_at > DEAF_TIMEOUT
        self._last_hello = series, now
        self._heard.set()
        if deaf:
            self._replace(self._static_face(), {})  # JupyterLab hides an output without view
            self._reopen()
        if deaf or self._plain is not None:
            plain, self._plain = self._plain, None
            self._replace(*self._bundle())
            if plain is not None:
                plain.close()

    def update(self) -> None:
        """Bring the plain table up to date, where it is shown."""
        if self._plain is not None:
            self._plain.value = self._plain_html()

    def close(self) -> None:
        """Wait for no hello, and take the plain table off the page."""
        self._heard.set()
        plain, self._plain = self._plain, None
        if plain is not None:
            plain.close()

    def _await_hello(self) -> None:
        assert Display._cells is not None
        idle_since = time.monotonic()
        while not self._heard.wait(0.25):
            if Display._cells.busy:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > HELLO_TIMEOUT:
                self._plain = w.HTML(self._plain_html())
                view = {"version_major": 2, "version_minor": 0, "model_id": self._plain.model_id}
                self._replace({WIDGET_VIEW: view, **self._static_face()}, {})
                return

    def _replace(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        for handle in self._handles:
            handle.update(data, metadata=metadata, raw=True)

    def _plain_html(self) -> str:
        if "google.colab" in sys.modules:
            remedy = "run <code>%pip install anywidget</code> and restart the session"
        else:
            remedy = (
                "run <code>pip install asana_jobs_pd</code> in the environment that runs Jupyter, "
                "restart that server and reload this page"
            )
        return (
            "<p>This page does not have the script of asana_jobs_pd, so it shows a table without "
            f"buttons. To get them, {remedy}. The table stays live, and <code>widget.jobs</code>, "
            "<code>widget.monitor</code> and <code>aj.download_asana_exports</code> work as usual."
            f"</p>{self._static_face()['text/html']}"
        )
