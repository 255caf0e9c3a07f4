"""`read_asana_jobs` and `refresh_asana_jobs`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar, get_args

import numpy as np
import pandas as pd

from asana_jobs_pd._http.client import Client, check_client
from asana_jobs_pd._http.default_client import default_client
from asana_jobs_pd._http.threads import Batch
from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._jobs.frame import ReadResult, frame_of_results
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.ledger import Recorder, warn_of_ledger_failures
from asana_jobs_pd._jobs.schema import (
    BOOKKEEPING,
    COLUMNS,
    Plan,
    is_ours,
    plan_fields,
    plan_for_columns,
    with_backend,
)
from asana_jobs_pd._jobs.states import is_finished
from asana_jobs_pd._options import check_flag, check_one_of
from asana_jobs_pd._progress import Progress, check_progress
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaChangeWarning,
    AsanaValueWarning,
    AuthenticationError,
    NetworkError,
    PartialReadError,
    ReadInterrupted,
    RequestError,
    warn_user,
)
from asana_jobs_pd.typing import DtypeBackend, Errors, Fields, Gids, ProgressCallback

T = TypeVar("T")

MAX_SHOWN = 3


@public
def read_asana_jobs(
    gids: Gids,
    fields: Fields | None = None,
    *,
    errors: Errors = "raise",
    strict: bool = True,
    dtype_backend: DtypeBackend = "numpy_nullable",
    client: Client | None = None,
    progress: bool | ProgressCallback | None = None,
) -> pd.DataFrame:
    """Read Asana jobs by their gids into a typed DataFrame.

    Sends one ``GET /jobs/{gid}`` for each distinct gid, up to 50 concurrently, within the token's
    rate limit.

    Parameters
    ----------
    gids
        A gid (a string of digits or a positive int), an iterable of gids, a Series, an Index, an
        array, or a frame with a ``gid`` column. Gids may be URLs of jobs, and may have the spaces,
        quotes and apostrophes that spreadsheets add. Repeated gids are requested once. A blank (an
        empty text, whitespace, None, NaN) is an error: there is no job to read.
        Only the gids of a frame are used; ``frame.asana.refresh()`` keeps its other columns, and
        rows without a gid.
    fields
        The fields to read, by their ``opt_fields`` path (``"status"``, ``"new_task.name"``);
        ``"new_task"`` means its compact form. None reads all documented fields and keeps all
        others that arrive.
    errors
        What to do with jobs that cannot be read. ``"raise"``: read everything, then raise a
        `PartialReadError` with the frame. ``"coerce"``: explain it in the ``error.*`` columns of
        their rows. ``"drop"``: leave their rows out.
    strict
        False allows undocumented fields.
    dtype_backend
        ``"numpy_nullable"`` or ``"pyarrow"``, as in pandas. Later verbs keep it: the `attrs` of the
        frame note it.
    client
        The client to use; None uses that of the last `connect`, else one made from the
        environment.
    progress
        Whether to show a progress bar. None shows it after a second, unless
        ``ASANA_JOBS_PROGRESS=0``. A callable is called instead with ``(done, total, what)``, such
        as ``(3, 50, "Asana jobs")``, in the calling thread, whenever these change; its exceptions
        become warnings.

    Returns
    -------
    pandas.DataFrame
        One row per gid, in their order, with repeats and a RangeIndex. Columns: ``gid``, the
        fields, any others that arrived, ``fetched_at``, ``error.status``, ``error.kind``,
        ``error.message``, ``error.help``, ``error.phrase``. Texts and gids are ``string``, times
        are ``datetime64[us, UTC]``, and ``error.status`` is ``Int16``, even in an empty frame;
        with ``dtype_backend="pyarrow"``, they are the Arrow equivalents.

    Raises
    ------
    InvalidGidError, InvalidFieldError
        Before any request is made.
    PartialReadError
        With ``errors="raise"``, if jobs could not be read.
    AuthenticationError
        At once, if Asana rejects the token; ``.frame`` has the results so far.
    ReadInterrupted
        A KeyboardInterrupt with ``.frame``: gids that were not read have empty rows, which
        ``.frame.asana.refresh()`` fills in.

    See Also
    --------
    refresh_asana_jobs : Read unfinished jobs again.
    read_jobs_file : Read a frame of jobs from a file.

    Notes
    -----
    Asana's documentation: https://developers.asana.com/reference/getjob

    Examples
    --------
    >>> jobs = aj.read_asana_jobs(gids, fields=["status", "new_task.name"])
    >>> list(jobs.columns[:3])
    ['gid', 'status', 'new_task.name']
    >>> jobs.dtypes.astype(str).tolist()[:3]
    ['string', 'string', 'string']

    A job that cannot be read keeps its row with ``errors="coerce"``:

    >>> aj.read_asana_jobs([*gids, "404"], errors="coerce")["error.status"].tolist()[-1]
    404
    """
    _check_options(errors, client, progress)
    check_one_of("dtype_backend", dtype_backend, get_args(DtypeBackend))
    plan = plan_fields(fields, strict=strict)
    read = Read(parse_gids(gids), plan, client)

    def finish(interrupted: bool) -> pd.DataFrame:
        frame = with_backend(read.frame(), dtype_backend)
        return read.finish(frame, frame["gid"], errors, interrupted).reset_index(drop=True)

    return run_to_end(lambda: read.run(progress), finish)


@public
def refresh_asana_jobs(
    jobs: pd.DataFrame,
    *,
    finished: bool = False,
    errors: Errors = "coerce",
    client: Client | None = None,
    progress: bool | ProgressCallback | None = None,
) -> pd.DataFrame:
    """Read the unfinished jobs of a frame again.

    Sends one request for each distinct gid whose job is not finished: its status is neither
    ``succeeded`` nor ``failed``, and its last response was not 403 or 404. Requests the fields
    that the frame has, and the status, or all fields if it has none.

    A ``status`` is only trusted if the frame also has ``fetched_at``, ``error.*`` or ``seen.*``
    columns, which show that it comes from Asana; otherwise all jobs are read.

    Parameters
    ----------
    jobs
        A frame with ``gid`` as a column or index level, from `read_asana_jobs` or from a merge,
        query, Parquet, CSV or pickle of it. It is not changed.
    finished
        Whether to read finished jobs, too.
    errors
        As in `read_asana_jobs`, but a row that cannot be read keeps its values, and ``error.*``
        explains what went wrong.
    client, progress
        As in `read_asana_jobs`.

    Returns
    -------
    pandas.DataFrame
        A new frame with the index, row order and columns of `jobs`. Columns of `read_asana_jobs`
        are cast to its dtypes, and new ones come last. Rows without a gid, such as those of jobs
        that were not started, stay as they are, without a request.

    Raises
    ------
    InvalidFrameError
        If the frame has no ``gid``, its gids have become floats, a column cannot be cast, or it is
        not a frame of jobs.
    InvalidGidError
        If values of ``gid`` are not gids.
    PartialReadError, AuthenticationError, ReadInterrupted
        As in `read_asana_jobs`.

    See Also
    --------
    wait_asana_jobs : Refresh until all jobs are finished.
    AsanaAccessor.changes : The differences from the frame before.

    Examples
    --------
    >>> jobs = aj.read_asana_jobs(asana.gids(3, start=100))
    >>> asana.finish(*jobs["gid"])
    >>> jobs.asana.refresh()["status"].tolist()
    ['succeeded', 'succeeded', 'succeeded']
    """
    check_flag("finished", finished)
    _check_options(errors, client, progress)
    frame = as_jobs(jobs, verified=True)
    gids = frame["gid"]
    due = gids.notna().to_numpy(bool) & (finished | ~is_finished(frame))
    read = Read(gids[due].tolist(), plan_for_columns(frame.columns), client)

    def finish(interrupted: bool) -> pd.DataFrame:
        refreshed = update_rows(frame, np.flatnonzero(due), read.frame())
        return read.finish(with_index_of(refreshed, jobs), gids, errors, interrupted)

    return run_to_end(lambda: read.run(progress), finish)


class Read:
    """Reads every gid once, in several threads, and can return the results at any moment.

    A 401, an interrupt or a lost network ends it; the remaining gids are not requested. `failure`
    is the error that ended it early.
    """

    def __init__(self, wanted: Sequence[str], plan: Plan, client: Client | None = None) -> None:
        self._wanted = wanted
        self._plan = plan
        self._gids = list(dict.fromkeys(wanted))
        self._answers: Sequence[ReadResult | None] = [None] * len(self._gids)
        self._stop = threading.Event()
        self._outage: NetworkError | None = None
        self._warnings: list[tuple[str, type[Warning]]] = []
        self.client = client
        self._results: dict[str, ReadResult] = {}
        self.failure: BaseException | None = None

    def run(self, progress: bool | ProgressCallback | None) -> None:
        """Read all gids, at most ``client.max_in_flight`` at a time, or until something ends it."""
        if not self._gids:
            return  # no client is needed
        client = self.client = self.client or default_client()
        batch = Batch(partial(self._read, client), self._gids, client.max_in_flight, self._stop)
        self._answers = batch.results
        try:
            with Progress(len(self._gids), "Asana jobs", progress) as bar:
                batch.run(bar.tick)
        finally:
            self._give_up(client)
        self.failure = self.failure or batch.failure
        recorder = Recorder(client)
        for gid, answer in zip(self._gids, self._answers, strict=True):
            if answer and answer.record:
                recorder.add(gid, answer.record, answer.asked_at)
        recorder.write()

    def end(self) -> dict[str, ReadResult]:
        """Stop requests in flight, and return the results so far, by gid."""
        if self.client is not None:
            self._give_up(self.client)
        rest = ReadResult(error=self._outage)
        answers = zip(self._gids, self._answers, strict=True)
        self._results = {gid: answer or rest for gid, answer in answers}
        return self._results

    def frame(self) -> pd.DataFrame:
        """Return the frame of the results so far, with one row per gid."""
        results = list(self.end().values())
        problems: list[str] = []
        frame = frame_of_results(self._gids, results, self._plan, problems)
        self._warnings = [(problem, AsanaValueWarning) for problem in problems]
        if len(self._gids) == len(self._wanted):
            return frame
        position = {gid: row for row, gid in enumerate(self._gids)}
        return frame.take([position[gid] for gid in self._wanted]).reset_index(drop=True)

    def finish(
        self, frame: pd.DataFrame, gids: pd.Series, errors: Errors, interrupted: bool
    ) -> pd.DataFrame:
        """Return the frame, or raise the error that ended the read; it carries the frame."""
        failed = {gid: each.error for gid, each in self._results.items() if each.error}
        ending = self.failure
        if interrupted:
            read = sum(bool(each.record) for each in self._results.values())
            ending = ReadInterrupted(
                f"Interrupted: {read} of {len(self._gids)} jobs were read. Partial results are in "
                ".frame (in a notebook: sys.last_value.frame); .frame.asana.refresh() reads the "
                "others."
            )
        elif ending is None and failed and errors == "raise":
            ending = PartialReadError(summary_of(failed, len(self._gids)), errors=failed)
        frame_or_raise(frame, ending, self.client, self._warnings)
        if errors == "drop" and failed:
            return frame[~gids.isin(list(failed)).to_numpy(bool)]
        return frame

    def _read(self, client: Client, gid: str) -> ReadResult:
        began = time.monotonic()
        result = read_one(gid, self._plan, client, stop=self._stop)
        if isinstance(result.error, NetworkError) and (outage := client.outage_since(began)):
            reason = f"not asked: {outage}"
            self._outage = NetworkError(reason, reason=reason)
            self._give_up(client)
        if isinstance(result.error, AuthenticationError):
            self.failure = result.error
            self._give_up(client)
        return result

    def _give_up(self, client: Client) -> None:
        self._stop.set()
        client.limiter.wake()


def read_one(
    gid: str, plan: Plan, client: Client, *, stop: threading.Event, background: bool = False
) -> ReadResult:
    """Read one job, in the background for a poller; ``Cancelled`` once `stop` is set."""
    asked_at = time.time_ns() // 1000
    answer = client.ask_job(
        gid, plan.opt_fields, optional=plan.optional, stop=stop, background=background
    )
    if isinstance(answer, RequestError):
        return ReadResult(asked_at, error=answer)
    return ReadResult(asked_at, answer)


_ALWAYS_UPDATED = frozenset(column.name for column in BOOKKEEPING)


def update_rows(frame: pd.DataFrame, rows: np.ndarray, fresh: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with fresh values in some rows; a row with an error keeps its old values.

    `fresh` has a row for each position in `rows`; its new columns come last.
    """
    asked = (fresh["fetched_at"].notna() | fresh["error.kind"].notna()).to_numpy(bool)
    read = asked & fresh["error.kind"].isna().to_numpy(bool)
    new = [name for name in fresh.columns if name not in frame.columns]
    empty = fresh.iloc[:0][new].reindex(range(len(frame))).set_axis(frame.index)
    updated: pd.DataFrame = pd.concat([frame, empty], axis=1).__finalize__(frame)  # type: ignore[operator]
    updated.columns.name = frame.columns.name
    for name in fresh.columns.drop("gid"):
        changed = asked if name in _ALWAYS_UPDATED else read
        if name not in COLUMNS:  # missing, perhaps because Asana refused the field
            changed = read & fresh[name].notna().to_numpy(bool)
        if not is_ours(name) and updated[name].dtype != fresh[name].dtype:
            continue  # a user's column with the name of an undocumented field
        column = updated[name].astype(fresh[name].dtype).array.copy()
        column[rows[changed]] = fresh[name].array[changed]
        updated[name] = column
    return updated


def run_to_end(run: Callable[[], object], finish: Callable[[bool], T]) -> T:
    """Call `run`, and return what `finish` returns.

    After Ctrl-C at any moment, even a second one, no results are lost: `finish(True)` then raises
    a `ReadInterrupted` with the frame of the results so far.
    """
    interrupted = False
    while True:
        try:
            if not interrupted:
                run()
            return finish(interrupted)
        except ReadInterrupted:
            raise
        except KeyboardInterrupt:
            interrupted = True


def frame_or_raise(
    frame: pd.DataFrame,
    ending: BaseException | None,
    client: Client | None,
    warnings: Iterable[tuple[str, type[Warning]]] = (),
) -> pd.DataFrame:
    """Return the frame of a call, or raise the error that ended it, after its warnings.

    Also warns about API changes that Asana has announced, and if the ledger could not be written.
    Whatever is raised carries the frame.
    """
    changes = client.changes.take() if client is not None and client.changes.news else ()
    try:
        try:
            _warn_each([*warnings, *((change, AsanaChangeWarning) for change in changes)], frame)
        finally:
            warn_of_ledger_failures(frame)
    except Warning:
        if ending is None:
            raise
    if ending is None:
        return frame
    with suppress(AttributeError):
        ending.frame = frame  # type: ignore[attr-defined]
    raise ending


def _warn_each(warnings: Iterable[tuple[str, type[Warning]]], frame: pd.DataFrame | None) -> None:
    first: Warning | None = None
    for message, category in warnings:
        try:
            warn_user(message, category, frame=frame)
        except Warning as warning:
            first = first or warning
    if first is not None:
        raise first


def summary_of(failed: dict[str, RequestError], asked: int) -> str:
    """Return a message about the jobs that could not be read, and why."""
    lines = [f"{len(failed)} of {asked} jobs could not be read:"]
    lines += [f"  {error}" for error in list(failed.values())[:MAX_SHOWN]]
    if len(failed) > MAX_SHOWN:
        lines.append(f"  … and {len(failed) - MAX_SHOWN} more: .errors lists them by gid.")
    lines.append('Partial results are in .frame; errors="coerce" returns them.')
    return "\n".join(lines)


def _check_options(errors: object, client: object, progress: object) -> None:
    check_one_of("errors", errors, get_args(Errors))
    check_client(client)
    check_progress(progress)
