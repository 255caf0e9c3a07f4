"""The `df.asana` accessor."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import wraps
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    TypeVar,
    Unpack,
    cast,
    overload,
)

import numpy as np
import pandas as pd

import asana_jobs_pd as aj
from asana_jobs_pd._public import public

if TYPE_CHECKING:
    import os

    from asana_jobs_pd._export.dask_export import AsanaDaskExport
    from asana_jobs_pd._export.export import AsanaArrowExport, AsanaExport
    from asana_jobs_pd._export.request import LoadOptions
    from asana_jobs_pd._http.client import Client
    from asana_jobs_pd._widget.widget import JobsWidget
    from asana_jobs_pd.typing import ProgressCallback


P = ParamSpec("P")
R = TypeVar("R")


class _Verb(Generic[P, R]):
    """A method that calls a public function with the frame, with its signature and docstring.

    The function is imported when the method is first looked up, so that importing the package is
    fast.
    """

    def __init__(self, function: Callable[[], Callable[Concatenate[Any, P], R]]) -> None:
        self._function = function

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, accessor: None, owner: type) -> Callable[Concatenate[Any, P], R]: ...
    @overload
    def __get__(self, accessor: object, owner: type) -> Callable[P, R]: ...
    def __get__(self, accessor: object, owner: type) -> Callable[..., R]:
        method = _method(f"{owner.__name__}.{self._name}", self._function())
        setattr(owner, self._name, method)
        bound: Callable[..., R] = method.__get__(accessor, owner)
        return bound


def _method(qualname: str, function: Callable[..., R]) -> Any:
    @wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> R:
        return function(self._frame, *args, **kwargs)

    frame, *options = inspect.signature(function).parameters.values()
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.signature(function).replace(parameters=[own, *options])
    method.__signature__ = signature  # type: ignore[attr-defined]
    method.__name__, method.__qualname__ = qualname.split(".")[1], qualname
    entry = re.compile(rf"^( *){frame.name}\n(?:(?:\1 +.*)?\n)*", re.MULTILINE)
    method.__doc__ = entry.sub("", function.__doc__ or "", count=1)
    del method.__wrapped__  # its signature has the frame
    return method


class AsanaPlot:
    """Charts of a frame of jobs: ``jobs.asana.plot.timeline()``, ``.status()``."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    # mypy: their **kwargs could contain another `jobs`
    timeline = _Verb(lambda: aj.plot_asana_timeline)  # type: ignore[arg-type,return-value]
    status = _Verb(lambda: aj.plot_asana_status)  # type: ignore[arg-type,return-value]


@public
@pd.api.extensions.register_dataframe_accessor("asana")
class AsanaAccessor:
    """Asana jobs in a DataFrame: ``df.asana``.

    Works on any frame with job gids in ``gid``, a column or an index level. Our columns are
    recognized by name; other columns are left alone. No method changes the frame in place. Its
    repr is a short table of the jobs, as on the command line.

    Type checkers see ``df.asana`` as ``Any``; `accessor` returns it typed.

    Parameters
    ----------
    frame
        The frame of jobs; pandas passes it.

    See Also
    --------
    accessor : The same object, typed.

    Examples
    --------
    >>> jobs = aj.asana_jobs_from_records([{"gid": "1", "status": "in_progress"}])
    >>> len(jobs.asana.pending)
    1
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        # pandas caches this object: the frame can change after a check made here.
        self._frame = frame

    def __repr__(self) -> str:
        from asana_jobs_pd._report.table import table_text

        try:
            return table_text(self._frame)
        except aj.AsanaJobsError:  # such as a frame without gids
            return f"<AsanaAccessor: {len(self._frame):,} rows>"

    def _repr_html_(self) -> str | None:
        from asana_jobs_pd._report.table import table_html

        try:
            return table_html(self._frame)
        except aj.AsanaJobsError:
            return None

    refresh = _Verb(lambda: aj.refresh_asana_jobs)
    wait = _Verb(lambda: aj.wait_asana_jobs)
    wait_async = _Verb(lambda: aj.wait_asana_jobs_async)
    eta = _Verb(lambda: aj.estimate_asana_jobs)
    download = _Verb(lambda: aj.download_asana_exports)
    to_parquet = _Verb(lambda: aj.asana_export_to_parquet)
    report = _Verb(lambda: aj.asana_jobs_report)
    to_excel = _Verb(lambda: aj.asana_jobs_to_excel)

    if TYPE_CHECKING:  # type checkers cannot bind the overloads of a function to a method

        @overload
        def load(
            self,
            *,
            engine: Literal["pandas"] = "pandas",
            workers: int | None = None,
            progress: bool | ProgressCallback | None = None,
            **options: Unpack[LoadOptions],
        ) -> AsanaExport: ...
        @overload
        def load(
            self,
            *,
            engine: Literal["arrow", "polars"],
            workers: int | None = None,
            progress: bool | ProgressCallback | None = None,
            **options: Unpack[LoadOptions],
        ) -> AsanaArrowExport[Any]: ...
        @overload
        def load(
            self,
            *,
            engine: Literal["dask"],
            progress: bool | ProgressCallback | None = None,
            **options: Unpack[LoadOptions],
        ) -> AsanaDaskExport: ...
        def load(self, **options: Any) -> Any: ...

    else:
        load = _Verb(lambda: aj.read_asana_export)

    def watch(
        self, *, client: Client | None = None, dest: str | os.PathLike[str] = "exports/"
    ) -> JobsWidget:
        """Show the jobs live in a notebook, with a button that downloads their exports.

        Parameters
        ----------
        client
            The client to use; None takes the one of the last `connect`, else the environment's.
        dest
            The folder for downloads, which the user can change.

        Returns
        -------
        JobsWidget
            The widget: ``widget.jobs``, ``widget.files``, ``widget.data``.

        See Also
        --------
        JobsWidget : The widget and its attributes.
        AsanaAccessor.wait : Wait without a widget.

        Examples
        --------
        >>> widget = jobs.asana.watch(dest="exports/")
        >>> widget.close()
        """
        return aj.JobsWidget(self._frame, client=client, dest=dest)

    def changes(self, previous: pd.DataFrame) -> pd.DataFrame:
        """Return the values that differ from an earlier frame of the same jobs.

        Parameters
        ----------
        previous
            The earlier frame, such as the one before a refresh. Rows are matched by gid; jobs
            that are in only one of the frames are left out.

        Returns
        -------
        pandas.DataFrame
            One row per changed value: ``gid``, ``column``, ``before``, ``after``, all ``string``,
            times in ISO 8601. ``fetched_at`` and the signatures of signed URLs are not compared.

        Raises
        ------
        InvalidFrameError
            If one of them is not a frame of jobs.

        See Also
        --------
        AsanaAccessor.refresh : Fetch the current state.

        Examples
        --------
        >>> before = aj.asana_jobs_from_records([{"gid": "1", "status": "in_progress"}])
        >>> after = aj.asana_jobs_from_records([{"gid": "1", "status": "succeeded"}])
        >>> after.asana.changes(before)[["column", "before", "after"]].values.tolist()
        [['status', 'in_progress', 'succeeded']]
        """
        from asana_jobs_pd._jobs.views import changes

        return changes(self._frame, previous)

    def summary(self) -> pd.DataFrame:
        """Return how many jobs of each kind are in each state.

        Returns
        -------
        pandas.DataFrame
            One row per ``resource_subtype``, sorted by name, then ``total``. One column per
            status, in the order of a job's life, then other statuses by name, ``unknown`` for
            jobs that could not be read, and ``total``. Counts are ``int64``; a repeated gid
            counts once.

        See Also
        --------
        AsanaAccessor.results : What they created.

        Examples
        --------
        >>> jobs.asana.summary().loc["total"].tolist()
        [0, 0, 8, 0, 8]
        """
        from asana_jobs_pd._jobs.views import summary

        return summary(self._frame)

    def results(self) -> pd.DataFrame:
        """Return what the jobs created: one row per object, from whichever ``new_*`` it is in.

        Returns
        -------
        pandas.DataFrame
            ``gid`` (of the job), ``kind`` (``task``, ``graph_export``, …), ``new.gid``,
            ``new.name``, ``new.created_at``, ``new.completed_at``, in the order of the jobs. The
            rows of a repeated gid appear once. Until a job has succeeded, its object may be
            inconsistent.

        See Also
        --------
        AsanaAccessor.summary : Counts.

        Examples
        --------
        >>> jobs.asana.results()["kind"].tolist()[:3]
        ['task', 'project', 'portfolio']
        """
        from asana_jobs_pd._jobs.views import results

        return results(self._frame)

    @property
    def plot(self) -> AsanaPlot:
        """Charts: ``jobs.asana.plot.timeline()`` and ``.status()``. Needs matplotlib.

        See Also
        --------
        plot_asana_timeline : When jobs ran.
        plot_asana_status : How many are in each state.

        Examples
        --------
        >>> ax = jobs.asana.plot.timeline()
        """
        from asana_jobs_pd._jobs.as_jobs import as_jobs

        as_jobs(self._frame)
        return AsanaPlot(self._frame)

    @property
    def pending(self) -> pd.DataFrame:
        """The rows that are not finished: what ``refresh()`` would ask for.

        See Also
        --------
        AsanaAccessor.refresh : Fetch them again.

        Examples
        --------
        >>> jobs.asana.pending.empty
        True
        """
        from asana_jobs_pd._jobs.states import is_finished

        return self._rows(lambda jobs: jobs["gid"].notna().to_numpy(bool) & ~is_finished(jobs))

    @property
    def failed(self) -> pd.DataFrame:
        """The rows whose jobs failed, cannot be read (403 or 404), or were never started.

        See Also
        --------
        AsanaAccessor.report : List them with the next step.

        Examples
        --------
        >>> jobs.asana.failed.empty
        True
        """
        from asana_jobs_pd._jobs.states import is_failed

        return self._rows(is_failed)

    @property
    def exports(self) -> pd.DataFrame:
        """The rows of graph and resource exports, whether ready or not.

        See Also
        --------
        AsanaAccessor.download : Download their files.

        Examples
        --------
        >>> jobs.asana.exports["resource_subtype"].tolist()
        ['graph_export_request', 'export_request']
        """
        from asana_jobs_pd._jobs.states import is_export

        return self._rows(is_export)

    @property
    def cached(self) -> pd.DataFrame:
        """The rows whose graph export Asana had completed before it was requested here.

        Asana keeps a graph export of more than 1,000 tasks for 4 hours, so it may be stale.

        See Also
        --------
        export_graph : Starts graph exports.

        Examples
        --------
        >>> jobs.asana.cached.empty
        True
        """
        from asana_jobs_pd._jobs.states import is_cached

        return self._rows(is_cached)

    def _rows(self, mask: Callable[[pd.DataFrame], np.ndarray]) -> pd.DataFrame:
        from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of

        jobs = as_jobs(self._frame)
        return with_index_of(jobs[mask(jobs)], self._frame)


@public
def accessor(frame: pd.DataFrame) -> AsanaAccessor:
    """Return ``frame.asana``, typed for type checkers and editors.

    Parameters
    ----------
    frame
        A frame of jobs; it is not copied.

    Returns
    -------
    AsanaAccessor
        The same object as ``frame.asana``.

    See Also
    --------
    AsanaAccessor : What it returns.

    Examples
    --------
    >>> aj.accessor(jobs).pending.empty
    True
    """
    return cast(AsanaAccessor, frame.asana)
