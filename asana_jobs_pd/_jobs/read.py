"""Gids in, a typed DataFrame out; and again, for what is not finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import pandas as pd

from asana_jobs_pd._http.client import Client, check_client, default_client, forget_default
from asana_jobs_pd._jobs.as_jobs import as_jobs, is_ours, join_columns, with_index_of
from asana_jobs_pd._jobs.fetch import NOT_ASKED, FetchResult, fetch_jobs
from asana_jobs_pd._jobs.frame import frame_of_results
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.ledger import warn_of_ledger_failures
from asana_jobs_pd._jobs.schema import BOOKKEEPING, COLUMNS, Plan, plan_fields, plan_for_columns
from asana_jobs_pd._jobs.states import is_finished
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaChangeWarning,
    AsanaValueWarning,
    InvalidOptionError,
    PartialReadError,
    ReadInterrupted,
    RequestError,
    warn_user,
)
from asana_jobs_pd.typing import Errors, Fields, Gids

__all__ = ["read_asana_jobs", "refresh_asana_jobs", "update_rows"]

_ALWAYS_UPDATED = frozenset(row.column for row in BOOKKEEPING)


def update_rows(frame: pd.DataFrame, rows: np.ndarray, fresh: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with fresh values in some rows; a row with an error keeps its old values.

    `fresh` has a row for each position in `rows`; its new columns come last.
    """
    asked = (fresh["fetched_at"].notna() | fresh["error.kind"].notna()).to_numpy(bool)
    read = asked & fresh["error.kind"].isna().to_numpy(bool)
    new = [name for name in fresh.columns if name not in frame.columns]
    updated = join_columns(frame, fresh.iloc[:0][new].reindex(range(len(frame))))
    for name in fresh.columns.drop("gid"):
        changed = asked if name in _ALWAYS_UPDATED else read
        if name not in COLUMNS:  # missing perhaps because Asana refused the field
            changed = read & fresh[name].notna().to_numpy(bool)
        if not is_ours(name) and updated[name].dtype != fresh[name].dtype:
            continue  # a column of the user's that has the name of an undocumented field
        column = updated[name].astype(fresh[name].dtype).array.copy()
        column[rows[changed]] = fresh[name].array[changed]
        updated[name] = column
    return updated


MAX_SHOWN = 3


@public
def read_asana_jobs(
    gids: Gids,
    fields: Fields | None = None,
    *,
    errors: Errors = "raise",
    strict: bool = True,
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Read Asana jobs by their gids into a typed DataFrame.

    Sends one ``GET /jobs/{gid}`` for each different gid, up to 50 at the same time, within the
    token's budget of requests a minute.

    Parameters
    ----------
    gids
        A string of digits or a positive int, an iterable of these, a Series, an Index, an
        array, or a frame with a ``gid`` column. Repeated gids are asked for once.
    fields
        Which fields to read, by their ``opt_fields`` path (``"status"``, ``"new_task.name"``);
        ``"new_task"`` means its compact form. None reads all that is documented, and keeps
        whatever else arrives.
    errors
        What becomes of jobs that cannot be read. ``"raise"``: everything is read first, then a
        `PartialReadError` carries the frame. ``"coerce"``: their rows say why in ``error.*``.
        ``"drop"``: their rows are left out.
    strict
        False lets fields through that are not documented.
    client
        What to ask with; None takes the one of the last `connect`, else the environment's.
    progress
        Whether to show a bar. None shows it after a second, unless ``ASANA_JOBS_PROGRESS=0``.

    Returns
    -------
    pandas.DataFrame
        One row a gid, in their order, repeats kept, with a RangeIndex. Columns: ``gid``, the
        fields as asked, what else arrived, ``fetched_at``, ``error.status``, ``error.kind``,
        ``error.message``, ``error.help``, ``error.phrase``. Texts and gids are ``string``, times
        ``datetime64[us, UTC]``, ``error.status`` is ``Int16``; an empty frame has them too.

    Raises
    ------
    InvalidGidError, InvalidFieldError
        Before anything is sent.
    PartialReadError
        With ``errors="raise"``, when jobs could not be read.
    AuthenticationError
        When the token is not accepted: at once, with what was read in ``.frame``.
    ReadInterrupted
        A KeyboardInterrupt with ``.frame``; gids that were not read yet have empty rows, which
        ``refresh()`` fills.

    See Also
    --------
    refresh_asana_jobs : Ask again for what is not finished.

    Notes
    -----
    Asana's description: https://developers.asana.com/reference/getjob

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> from asana_jobs_pd.sandbox import Sandbox
    >>> with Sandbox() as asana:
    ...     client = aj.connect(asana.token, base_url=asana.base_url)
    ...     jobs = aj.read_asana_jobs(asana.gids(3), fields=["status", "new_task.name"])
    >>> list(jobs.columns[:3])
    ['gid', 'status', 'new_task.name']
    """
    check_errors(errors)
    plan = plan_fields(fields, strict=strict)
    wanted = parse_gids(gids)
    fetched = _fetch(wanted, plan, client, progress)
    frame = fetched.build(lambda fresh: fresh)
    return fetched.finish(frame, frame["gid"], errors).reset_index(drop=True)


@public
def refresh_asana_jobs(
    jobs: pd.DataFrame,
    *,
    finished: bool = False,
    errors: Errors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Ask Asana again for the jobs of a frame that are not finished.

    Sends one request for each different gid that is not finished: whose status is neither
    ``succeeded`` nor ``failed``, and which did not answer 403 or 404. It asks for the fields
    that the frame has, or for all of them when it has none but ``gid``.

    Parameters
    ----------
    jobs
        A frame with ``gid`` as a column or in its index, wherever it has been since it was
        read: merge, query, Parquet, CSV, pickle. It is not changed.
    finished
        True asks for finished jobs too.
    errors
        As in `read_asana_jobs`, but a row that could not be read keeps what it had before,
        and says in ``error.*`` what went wrong.
    client, progress
        As in `read_asana_jobs`.

    Returns
    -------
    pandas.DataFrame
        A new frame with the same index, order and columns of yours; our columns are cast to
        their dtypes, and those that are new come last. Rows without a gid stay as they are.

    Raises
    ------
    InvalidFrameError
        When the frame has no ``gid``, its gids went through floats, or it holds other things
        than jobs.
    """
    check_errors(errors)
    frame = as_jobs(jobs, verified=True)
    gids = frame["gid"]
    due = gids.notna().to_numpy(bool) & (finished | ~is_finished(frame))
    fetched = _fetch(gids[due].tolist(), plan_for_columns(frame.columns), client, progress)
    refreshed = fetched.build(lambda fresh: update_rows(frame, np.flatnonzero(due), fresh))
    return fetched.finish(with_index_of(refreshed, jobs), gids, errors)


@dataclass
class _Fetched:
    """What was fetched for a read or a refresh."""

    wanted: list[str]
    plan: Plan
    result: FetchResult
    client: Client | None
    warnings: list[tuple[str, type[Warning]]] = field(default_factory=list)

    def build(self, complete: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
        """Return the frame that `complete` makes of the fetched rows; Ctrl-C does not lose it."""
        try:
            return complete(self._frame())
        except KeyboardInterrupt:
            self.result.interrupted = True
            return complete(self._frame())

    def _frame(self) -> pd.DataFrame:
        problems: list[str] = []
        unique = self.result.gids
        frame = frame_of_results(unique, self.result.results, self.plan, problems)
        self.warnings = [(problem, AsanaValueWarning) for problem in problems]
        if len(unique) == len(self.wanted):
            return frame
        position = {gid: row for row, gid in enumerate(unique)}
        return frame.take([position[gid] for gid in self.wanted]).reset_index(drop=True)

    def finish(self, frame: pd.DataFrame, gids: pd.Series, errors: Errors) -> pd.DataFrame:
        """Return the frame, or raise how the read ended; every exception carries the frame."""
        ending = self._ending(frame, errors)
        try:
            self._warn(frame)
        except Warning:
            if ending is None:
                raise
        if ending is not None:
            raise ending
        if errors == "drop" and self.result.errors:
            return frame[~gids.isin(list(self.result.errors)).to_numpy(bool)]
        return frame

    def _ending(self, frame: pd.DataFrame, errors: Errors) -> BaseException | None:
        result, asked = self.result, len(self.result.gids)
        if result.interrupted:
            return ReadInterrupted(
                f"Interrupted: {result.read} of {asked} jobs were read. Partial results are in "
                ".frame (in a notebook: sys.last_value.frame); .frame.asana.refresh() reads the "
                "others.",
                frame=frame,
            )
        if result.refused is not None:
            result.refused.frame = frame
            return result.refused
        if result.errors and errors == "raise":
            message = summary_of(result.errors, asked)
            return PartialReadError(message, frame=frame, errors=result.errors)
        return None

    def _warn(self, frame: pd.DataFrame) -> None:
        warnings = self.warnings
        if self.client is not None:
            changes = self.client.changes.take()
            warnings = [*warnings, *((change, AsanaChangeWarning) for change in changes)]
        try:
            _warn_each(warnings, frame)
        finally:
            warn_of_ledger_failures(frame)


def _fetch(wanted: list[str], plan: Plan, client: Client | None, progress: bool | None) -> _Fetched:
    unique = list(dict.fromkeys(wanted))
    check_client(client)
    if not unique:
        return _Fetched(wanted, plan, FetchResult([], []), None)
    try:
        client = client or default_client()
        result = fetch_jobs(unique, plan, client, progress=progress)
    except KeyboardInterrupt:
        result = FetchResult(unique, [NOT_ASKED] * len(unique), interrupted=True)
    if result.refused and client:
        forget_default(client)
    return _Fetched(wanted, plan, result, client)


def warn_of_changes(client: Client, frame: pd.DataFrame | None = None) -> None:
    """Warn of what Asana announced in its headers, once; as an error it carries the frame."""
    _warn_each([(change, AsanaChangeWarning) for change in client.changes.take()], frame)


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
    """Say which jobs could not be read, and why."""
    lines = [f"{len(failed)} of {asked} jobs could not be read:"]
    lines += [f"  {error}" for error in list(failed.values())[:MAX_SHOWN]]
    if len(failed) > MAX_SHOWN:
        lines.append(f"  … and {len(failed) - MAX_SHOWN} more: .errors has them by gid.")
    lines.append('What was read is in .frame; errors="coerce" returns it.')
    return "\n".join(lines)


def check_errors(errors: str) -> None:
    """Refuse what the option cannot be."""
    if errors not in get_args(Errors):
        raise InvalidOptionError(f"errors={errors!r}: give 'raise', 'coerce' or 'drop'.")
