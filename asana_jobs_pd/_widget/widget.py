"""`JobsWidget`: a live table of jobs that also downloads and loads exports."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import traitlets as t

from asana_jobs_pd._files import local_path
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.default_client import default_client
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._monitor.notebook_cells import Cells, current_cell
from asana_jobs_pd._public import public
from asana_jobs_pd._widget.display import (
    WIDGET_VIEW,
    Display,
    base_widget,
    in_kernel,
)
from asana_jobs_pd._widget.rows import RowTable
from asana_jobs_pd._widget.static_table import static_table
from asana_jobs_pd._widget.status import is_news, status_message
from asana_jobs_pd._widget.ticker import Ticker
from asana_jobs_pd._widget.transfers import Transfers
from asana_jobs_pd.errors import TokenError
from asana_jobs_pd.typing import Gids

log = logging.getLogger("asana_jobs_pd")

HEARTBEAT = 10.0
"""The most seconds between two messages while jobs are watched: they show that we are alive."""
FIRST_ANSWERS_TIMEOUT = 1.0
"""The most seconds that the static table waits for jobs that have not been read yet."""
_MAX_PATH = 4096
_MAX_ID = 64

_TERMINAL_HINT = (
    "Widgets are live in notebooks only. In a terminal, run: asana-jobs watch GID…, "
    "or use jobs.asana.wait()."
)
_NOTEBOOK_HINT = "For a live table, run this cell in Jupyter."


class _FrameTrait(t.TraitType[pd.DataFrame, pd.DataFrame]):
    """A frame of jobs in their state at the time of access."""

    info_text = "a frame of jobs"

    def __init__(self, make: Callable[[Any], pd.DataFrame]) -> None:
        super().__init__(read_only=True)
        self._make = make

    def get(self, obj: Any, cls: Any = None) -> pd.DataFrame:  # noqa: ARG002
        return self._make(obj)


@public
class JobsWidget(base_widget()):  # type: ignore[misc]  # ipywidgets has no types
    """A live table of jobs that can download and load the exports among them.

    A script in the browser draws, sorts, filters and selects. This package installs it for
    JupyterLab and Notebook; marimo and Colab need the extra ``anywidget``. Without the script,
    the widget is a plain live table that says what to install. In a terminal, it says how to
    watch the jobs there.

    Like `JobsMonitor`, it polls each unfinished job. Polling continues while other cells run
    and after a kernel interrupt; it stops when all jobs are finished, when the widget is closed,
    and when its cell is run again.

    Parameters
    ----------
    jobs
        A frame of jobs, gids in any form that `read_asana_jobs` takes, or a `JobsMonitor`, which
        the widget starts but does not stop.
    client
        The client to use; by default the one of the last `connect`, or one configured by the
        environment. If there is no token, the widget says so.
    dest
        The initial folder for downloads.
    now
        Returns the time in seconds since 1970, for tests.

    Attributes
    ----------
    jobs : pandas.DataFrame
        All rows in their current state, as `refresh_asana_jobs` would return them. Like the
        other traits, it can be observed but not set.
    selected : pandas.DataFrame
        The rows selected for download, also in their current state.
    files : pandas.DataFrame or None
        The result of the last download; see `download_asana_exports`.
    data : AsanaExport or None
        The result of *Load*; see `read_asana_export`.
    monitor : JobsMonitor
        The monitor that is shown.

    Raises
    ------
    InvalidFrameError, InvalidGidError, InvalidOptionError
        If `jobs` is not a frame of jobs or valid gids, or an option is invalid.

    See Also
    --------
    AsanaAccessor.watch : Create a widget from a frame.
    JobsMonitor : The same without a display.

    Notes
    -----
    Observers are called in the thread in which the change happened, usually not the main one.

    Examples
    --------
    >>> widget = aj.JobsWidget(gids, dest="exports/")
    >>> list(widget.jobs.columns[:3])
    ['gid', 'status', 'resource_subtype']
    >>> widget.close()
    """

    jobs = _FrameTrait(lambda widget: widget.monitor.frame)
    selected = _FrameTrait(lambda widget: widget._rows_of(widget._selected))  # noqa: SLF001
    files = t.Instance(pd.DataFrame, allow_none=True, read_only=True)
    data = t.Any(read_only=True)

    # Sent to the browser. The rows are stored only once, in Python, and serialized on demand.
    _rows = t.Any().tag(sync=True, to_json=lambda _, widget: widget._all_rows())  # noqa: SLF001
    _status = t.Dict().tag(sync=True)
    _transfer = t.Dict().tag(sync=True)
    # Sent to the browser and set by it.
    _selected = t.List(t.Unicode()).tag(sync=True)
    _dest = t.Unicode().tag(sync=True)

    _closed = True
    _observed: frozenset[Any] = frozenset()

    def __init__(
        self,
        jobs: Gids | JobsMonitor,
        *,
        client: Client | None = None,
        dest: str | os.PathLike[str] = "exports/",
        now: Callable[[], float] = time.time,
    ) -> None:
        local_path(dest, "dest")
        self.monitor = jobs if isinstance(jobs, JobsMonitor) else JobsMonitor(jobs, client=client)
        self._owner, self._client = self.monitor is not jobs, client
        self._now = now
        self._lock = threading.RLock()
        self._closed = False
        self._sent_at = 0.0
        self._table = RowTable(self.monitor, client, now)
        self._transfers = Transfers(lambda message: setattr(self, "_transfer", message))
        super().__init__(
            _dest=os.fspath(dest),
            _status=self._new_status(),
            _transfer=self._transfers.message,
        )
        reopen = self._reopen if self.has_trait("_esm") else None  # with anywidget
        self._display = Display(self._bundle, self._static_table, reopen)
        self._ticker = Ticker(self._tick)
        self.on_msg(self._handle_command)
        self._unsubscribe = (
            self.monitor.on_change(self._update),
            self.monitor.on_state(self._ticker.wake),
        )
        self._start()
        _cells.enter(self, current_cell())

    def __repr__(self) -> str:
        if not hasattr(self, "monitor"):
            return "<JobsWidget, not set up>"
        text = repr(self.monitor).replace("JobsMonitor", "JobsWidget", 1)
        return text if in_kernel() or not self.monitor.unfinished else f"{text} {_TERMINAL_HINT}"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        self._await_first_answers()
        data, metadata = self._bundle()
        return (data, metadata) if metadata else data

    def _ipython_display_(self, **_: Any) -> None:
        if not in_kernel():
            raise NotImplementedError  # IPython then asks for the bundle
        self._await_first_answers()
        self._display.show()

    def _bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the MIME bundle that shows the widget, static table included, and its metadata."""
        inherited: Any = getattr(super(), "_repr_mimebundle_", dict)()
        metadata = inherited[1] if isinstance(inherited, tuple) else {}  # for Colab
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {WIDGET_VIEW: view, **self._static_table()}, metadata

    def _static_table(self, hint: str = "") -> dict[str, str]:
        """Return the current table as HTML and text, with a hint on how to get a live one."""
        with self._lock:
            rows = list(self._table.rows.values())
        text_hint = hint
        if self.monitor.unfinished and not hint:
            hint, text_hint = _NOTEBOOK_HINT, _NOTEBOOK_HINT if in_kernel() else _TERMINAL_HINT
        return static_table(rows, self.monitor, int(self._now() * 1e6), hint, text_hint)

    def _reopen(self) -> None:
        """Give the page a new model of this widget."""
        comm: Any = self.comm  # a trait of ipywidgets
        self.comm: Any = None
        comm.close()
        self.open()

    def observe(self, handler: Any, names: Any = t.All, type: str = "change") -> None:  # noqa: A002
        """Call `handler` when a trait changes; see traitlets.

        Parameters
        ----------
        handler
            Called with a change: ``change["new"]`` is the new value.
        names
            The traits, such as ``"jobs"`` or ``["files", "data"]``.
        type
            The kind of notification; see traitlets.

        See Also
        --------
        JobsMonitor.on_change : Only the rows that changed.

        Examples
        --------
        >>> widget = aj.JobsWidget(gids)
        >>> widget.observe(lambda change: print(len(change["new"])), "selected")
        >>> widget.close()
        """
        self._observed |= {names} if isinstance(names, str) or names is t.All else {*names}
        super().observe(handler, names, type)

    def close(self) -> None:
        """Stop polling and downloading, and remove the widget from the page.

        See Also
        --------
        JobsMonitor.stop : Stop polling only.

        Examples
        --------
        >>> aj.JobsWidget(gids).close()
        """
        if self._closed:
            return
        self._closed = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._ticker.stop()
        self._transfers.close()
        self._display.close()
        if self._owner:
            self.monitor.stop()
        layout = self.layout
        super().close()
        layout.close()

    # To the browser

    def _all_rows(self) -> dict[str, Any]:
        with self._lock:
            return self._table.message()

    def _new_status(self) -> dict[str, Any]:
        return status_message(self.monitor, self._now())

    def _update(self, changed: pd.DataFrame) -> None:
        """Update the rows that have changed; called by the monitor."""
        with self._lock:
            self._table.update(changed)
        self._ticker.wake()
        self._notify("jobs")

    def _notify(self, name: str) -> None:
        """Call the observers of a frame; the frame is made only if there are any."""
        if {name, t.All} & self._observed:
            new = getattr(self, name)
            self.notify_change(t.Bunch(name=name, old=None, new=new, owner=self, type="change"))

    def _tick(self) -> bool:
        """Send what has changed; return whether more may change without a call."""
        with self._lock:
            if self._closed:
                return False
            at = self._now()
            rows = self._table.changes()
            if changed := rows is not None:
                self.send({"kind": "rows", **rows})
            if self._table.has_changes:
                self._ticker.wake()
            status = self._new_status()
            if is_news(status, self._status, self.monitor.requests_allowed, at):
                self._status = status
                changed = True
            elif not changed and self.monitor.running and at - self._sent_at >= HEARTBEAT:
                self.send({"kind": "alive"})
                changed = True
            if changed:
                self._sent_at = at
        if changed:
            self._display.update()
        return self.monitor.running

    def _await_first_answers(self) -> None:
        """Wait briefly for jobs that were never read, so that the static table shows them."""
        deadline = time.monotonic() + FIRST_ANSWERS_TIMEOUT
        while self.monitor.state == "watching" and time.monotonic() < deadline:
            with self._lock:
                if self._table.all_read:
                    return
            time.sleep(0.02)

    # From the browser, in any thread: whatever a page sends is checked here

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """Set what a page may set: the selection and the folder.

        Parameters
        ----------
        sync_data
            What the page sent.

        See Also
        --------
        JobsWidget.observe : Be notified of changes.

        Examples
        --------
        >>> aj.JobsWidget(gids).set_state({})
        """
        state: dict[str, Any] = {}
        gids, dest = sync_data.get("_selected"), sync_data.get("_dest")
        if isinstance(gids, list):
            state["_selected"] = self._downloadable(gids)
        if isinstance(dest, str) and len(dest) <= _MAX_PATH:
            state["_dest"] = dest
        super().set_state(state)

    def _handle_command(self, _: Any, message: Any, __: Any) -> None:
        commands: dict[Any, Callable[[Mapping[str, Any]], object]] = {
            "hello": lambda message: self._display.hello(message.get("series")),
            "all_rows": lambda _: self.send_state("_rows"),
            "refresh": lambda _: self._refresh(),
            "pause": lambda _: self.monitor.pause(),
            "resume": lambda _: self.monitor.resume(),
            "download": self._download,
            "cancel": lambda _: self._transfers.cancel(),
            "load": lambda _: self._load(),
        }
        kind = message.get("kind") if isinstance(message, dict) else None
        command = commands.get(kind) if isinstance(kind, str) else None
        if command is None:
            return
        identifier = message.get("id")
        if isinstance(identifier, str) and len(identifier) <= _MAX_ID:
            with self._lock:
                answer = {"id": identifier, "now": self._now(), "version": self._table.version}
                self.send({"kind": "answer", **answer})
        command(message)
        self._ticker.wake()

    @t.observe("_selected")
    def _select(self, _: Any) -> None:
        self._notify("selected")

    def _rows_of(self, gids: list[str]) -> pd.DataFrame:
        frame = self.jobs
        return frame[as_jobs(frame)["gid"].isin(gids).to_numpy(bool)]

    def _downloadable(self, gids: Any) -> list[str]:
        """Return the gids that have an export to download."""
        if not isinstance(gids, list):
            return []
        texts = [gid for gid in gids if isinstance(gid, str)]
        with self._lock:
            table = self._table.rows
            return [gid for gid in dict.fromkeys(texts) if gid in table and table[gid].ready]

    def _start(self) -> None:
        try:
            self.monitor.start(ask=False)  # a prompt would block the cell, and so the widget
        except TokenError:  # the monitor's state shows it
            log.debug("No token; the widget says so")
        self._ticker.wake()

    def _refresh(self) -> None:
        if self.monitor.running:
            self.monitor.refresh_now()
        else:
            self._start()

    def _download(self, message: Mapping[str, Any]) -> None:
        gids, dest = self._downloadable(message.get("gids")), message.get("dest")
        if not gids or not isinstance(dest, str) or len(dest) > _MAX_PATH:
            return

        def request() -> tuple[pd.DataFrame, Client]:
            client = self._client or self.monitor.client or default_client(ask=False)
            return self._rows_of(gids), client

        self._transfers.download(request, dest, lambda files: self.set_trait("files", files))

    def _load(self) -> None:
        if self.files is not None:
            self._transfers.load(self.files, lambda data: self.set_trait("data", data))


_cells = Cells(JobsWidget.close)
"""The widgets that cells of this kernel have created."""
