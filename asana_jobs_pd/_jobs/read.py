"""Gids in, a typed DataFrame out; and again, for what is not finished."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd

from asana_jobs_pd._http.client import Client, check_client, default_client, forget_default
from asana_jobs_pd._jobs.as_jobs import cast_frame, gids_of
from asana_jobs_pd._jobs.fetch import Fetched, fetch_jobs
from asana_jobs_pd._jobs.fields import Plan, plan_fields, plan_for_columns
from asana_jobs_pd._jobs.frame import frame_of_outcomes
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.ledger import warn_of_ledger_failures
from asana_jobs_pd._jobs.schema import BOOKKEEPING, COLUMNS
from asana_jobs_pd._jobs.states import is_finished
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaChangeWarning,
    InvalidOptionError,
    PartialReadError,
    ReadInterrupted,
    RequestError,
    warn_user,
)
from asana_jobs_pd.typing import Errors, Fields, Gids

__all__ = ["merge_news", "read_asana_jobs", "refresh_asana_jobs"]

_TOLD_ALWAYS = frozenset(row.column for row in BOOKKEEPING)


def merge_news(frame: pd.DataFrame, rows: np.ndarray, news: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with news in some of its rows; where an error came, what was stays.

    Parameters
    ----------
    frame
        A frame of jobs in the table's dtypes; it is not changed.
    rows
        The positions of the rows that there is news of.
    news
        What was fetched, one row each; columns that are new come last.
    """
    asked = news["fetched_at"].notna() | news["error.kind"].notna()
    read = (asked & news["error.kind"].isna()).to_numpy(bool)
    more = [name for name in news.columns if name not in frame.columns and name != "gid"]
    empty = news.iloc[:0][more].reindex(range(len(frame))).set_axis(frame.index)
    merged = pd.concat([frame, empty], axis=1)
    for name in news.columns.drop("gid"):
        told = asked.to_numpy(bool) if name in _TOLD_ALWAYS else read
        if name not in COLUMNS:  # it may be missing because Asana would not have it asked for
            told = read & news[name].notna().to_numpy(bool)
        column = merged[name].astype(news[name].dtype).array.copy()
        column[rows[told]] = news[name].array[told]
        merged[name] = column
    return merged


MOST_TOLD = 3


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
    frame, fetched = _fetch_frame(wanted, plan, client, progress)
    return _settle(frame, frame["gid"], fetched, errors).reset_index(drop=True)


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
    gids = gids_of(jobs)
    frame = cast_frame(jobs, gids)
    due = gids.notna().to_numpy(bool) & (finished | ~is_finished(frame))
    news, fetched = _fetch_frame(
        gids[due].tolist(), plan_for_columns(jobs.columns), client, progress
    )
    frame = merge_news(frame, np.flatnonzero(due), news)
    return _settle(frame, gids, fetched, errors)


def _fetch_frame(
    wanted: list[str], plan: Plan, client: Client | None, progress: bool | None
) -> tuple[pd.DataFrame, Fetched]:
    unique = list(dict.fromkeys(wanted))
    check_client(client)
    if not unique:
        return frame_of_outcomes([], [], plan), Fetched([], [])
    client = client or default_client()
    fetched = fetch_jobs(unique, plan, client, progress=progress)
    if fetched.refused:
        forget_default(client)
    frame = frame_of_outcomes(unique, fetched.outcomes, plan)
    warn_of_changes(client)
    if len(unique) < len(wanted):
        position = {gid: row for row, gid in enumerate(unique)}
        frame = frame.take([position[gid] for gid in wanted]).reset_index(drop=True)
    return frame, fetched


def warn_of_changes(client: Client, frame: pd.DataFrame | None = None) -> None:
    """Warn of what Asana announced in its headers, once; as an error it carries the frame."""
    for change in client.changes.take():
        warn_user(change, AsanaChangeWarning, frame=frame)


def _settle(frame: pd.DataFrame, gids: pd.Series, fetched: Fetched, errors: Errors) -> pd.DataFrame:
    """Return the frame, or raise how the reading ended."""
    warn_of_ledger_failures(frame)
    failed = fetched.errors
    if fetched.interrupted:
        raise ReadInterrupted(
            f"Interrupted: {fetched.read} of {len(fetched.gids)} jobs were read. What there is, is "
            "in .frame (in a notebook: sys.last_value.frame); its .asana.refresh() goes on.",
            frame=frame,
        )
    if fetched.refused is not None:
        fetched.refused.frame = frame
        raise fetched.refused
    if failed and errors == "raise":
        raise PartialReadError(summary_of(failed, len(fetched.gids)), frame=frame, errors=failed)
    if failed and errors == "drop":
        return frame[~gids.isin(list(failed)).to_numpy(bool)]
    return frame


def summary_of(failed: dict[str, RequestError], asked: int) -> str:
    """Say which jobs could not be read, and why."""
    lines = [f"{len(failed)} of {asked} jobs could not be read:"]
    lines += [f"  {error}" for error in list(failed.values())[:MOST_TOLD]]
    if len(failed) > MOST_TOLD:
        lines.append(f"  … and {len(failed) - MOST_TOLD} more: .errors has them by gid.")
    lines.append('What was read is in .frame; errors="coerce" returns it.')
    return "\n".join(lines)


def check_errors(errors: str) -> None:
    """Refuse what the option cannot be."""
    if errors not in get_args(Errors):
        raise InvalidOptionError(f"errors={errors!r}: give 'raise', 'coerce' or 'drop'.")
