"""`AsanaExport`, with the methods about its history, and the exports of other engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import pyarrow as pa

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._export.results import F, InMemoryExport, LoadedExport, to_frame
from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._public import public

if TYPE_CHECKING:
    from asana_jobs_pd._report.export_plot import ExportPlot


@public
class AsanaExport(ExportAnswers):
    """The DataFrames of an export, by `resource_type`; returned by `read_asana_export`.

    Iteration, `len` and `in` only cover types that have rows. If there are no tasks,
    ``data["task"]`` is an empty frame with the documented columns and their dtypes; a type that
    Asana does not document, or that `resource_types` left out, raises a `KeyError`.

    Parameters
    ----------
    frames, custom_fields, issues, issue_count, summary, **shared
        What was read; `read_asana_export` makes it.

    Attributes
    ----------
    custom_fields : pandas.DataFrame
        The catalogue, with one row per custom field of any type of row, in the order in which they
        first appear: `column`, `gid`, `name`, `type`, `representation_type`, `precision`,
        `format`, `currency_code`, `options` (of enums, in Asana's order), `rows` (the number of
        rows with a value), and `from_display` (whether some values are the text that Asana
        displays, because their own key was absent).
    custom_field_values : pandas.DataFrame or None
        With ``custom_fields="long"``, one row per value; otherwise None.
    issues : pandas.DataFrame
        Values that did not fit and became missing, lines that were left out, and custom fields
        that changed: `file`, `line` (from 1), `resource_type`, `gid`, `column`, `value`,
        `reason`. Only the first 10,000; `issue_count` counts all.
    issue_count : int
        The number of issues.
    incomplete_files : list of str
        The files that are damaged or end early; `issues` says where. Empty if all rows of all
        files were read.

    See Also
    --------
    read_asana_export : Load files.
    read_asana_dataset : Load a Parquet dataset.

    Examples
    --------
    >>> data["task"][["gid", "name", "completed", "due_on"]].dtypes.astype(str).tolist()
    ['string', 'string', 'boolean', 'datetime64[us]']
    >>> sorted(data)
    ['message', 'task', 'team']
    """

    def history(self, field: str) -> pd.DataFrame:
        """Return the values of a field of every task, from its creation until the export.

        It comes from the stories of a resource export.

        Parameters
        ----------
        field
            ``"section"``, ``"assignee"``, ``"completed"``, ``"due_on"``, ``"start_on"``,
            ``"name"``, or the name, gid or column of a custom field.

        Returns
        -------
        pandas.DataFrame
            One row for each interval: `task`; for sections, `project`; `value`, and `value.gid`
            if values are objects; `from`, `to` (missing in the last interval), `by` (whose change
            started it) and `origin`: ``"story"``; ``"creation"`` for the value that the task was
            created with; ``"unknown"`` for a first interval if the stories do not reach back to
            the creation. The intervals of a task, or of a task in a project, follow each other
            without gaps; after it was removed from a project, the value is missing. Lists are
            shown as text.

        Raises
        ------
        InvalidFrameError
            If the tasks have no stories, or lack the field.
        InvalidFieldError
            If there is no such field, or more than one.

        Warns
        -----
        AsanaValueWarning
            If stories are of unknown kinds, or contradict each other or the tasks.

        See Also
        --------
        AsanaExport.time_in : How long each value lasted.
        AsanaExport.flow : How many tasks had each value, day by day.

        Examples
        --------
        >>> history = data.history("section")
        >>> list(history.columns[:4])
        ['task', 'project', 'value', 'value.gid']
        """
        from asana_jobs_pd._tables.history import history_of  # noqa: PLC0415  upwards

        return history_of(self, field)

    def time_in(
        self, field: str = "section", *, until: Literal["completion", "export"] = "completion"
    ) -> pd.DataFrame:
        """Return how long each task had each value of a field.

        Parameters
        ----------
        field
            As in `history`.
        until
            When the time of a completed task ends: ``"completion"``, at its `completed_at`, which
            leaves out any later values; or ``"export"``, with the export, as it does for
            unfinished tasks.

        Returns
        -------
        pandas.DataFrame
            A row for each task (for sections, each task and project) and value: `task`,
            `task.name`; for sections, `project` and `project.name`; `value`; `time`, a timedelta;
            `ended`, False while the task still has the value and is not completed. Sections are
            sorted by project, in the order in which tasks pass through them.

        Raises
        ------
        InvalidFrameError, InvalidFieldError
            As for `history`; also if `completed_at` is missing.

        See Also
        --------
        AsanaExport.cycle_time : How long tasks took.

        Examples
        --------
        >>> list(data.time_in("section").columns)
        ['task', 'task.name', 'project', 'project.name', 'value', 'time', 'ended']
        """
        from asana_jobs_pd._tables.flow import time_in_of  # noqa: PLC0415  upwards

        return time_in_of(self, field, until=until)

    def cycle_time(self, start: str | None = None) -> pd.DataFrame:
        """Return how long each completed task took.

        Parameters
        ----------
        start
            The name of the section in which work starts; None to count from the task's creation.

        Returns
        -------
        pandas.DataFrame
            `task`, `started`, `completed` and `time`; tasks that were never in the section before
            they were completed are left out.

        See Also
        --------
        AsanaExport.time_in : How long they were in each section.

        Examples
        --------
        >>> list(data.cycle_time("Doing").columns)
        ['task', 'started', 'completed', 'time']
        """
        from asana_jobs_pd._tables.flow import cycle_time_of  # noqa: PLC0415  upwards

        return cycle_time_of(self, start)

    def flow(
        self,
        field: str = "section",
        *,
        project: str | None = None,
        freq: str = "D",
        tz: str = "UTC",
    ) -> pd.DataFrame:
        """Return how many tasks had each value of a field at the end of each day.

        Parameters
        ----------
        field
            As in `history`.
        project
            The gid or name of a project; None for all. A task in two projects is counted in a
            section of each.
        freq
            The distance between the days, as a pandas offset: ``"D"``, ``"W"``, ``"ME"``.
        tz
            The time zone of the days.

        Returns
        -------
        pandas.DataFrame
            Indexed by `day`, with a column for each value, in the order in which tasks reach them.

        See Also
        --------
        AsanaExport.burnup : Created and completed tasks.

        Examples
        --------
        >>> data.flow("section", freq="W").columns.name
        'section'
        """
        from asana_jobs_pd._tables.flow import flow_of  # noqa: PLC0415  upwards

        return flow_of(self, field, project=project, freq=freq, tz=tz)

    def burnup(
        self, *, project: str | None = None, freq: str = "D", tz: str = "UTC"
    ) -> pd.DataFrame:
        """Return how many tasks there were, and how many were completed, at the end of each day.

        Parameters
        ----------
        project, freq, tz
            As in `flow`; `project` selects the tasks that are in it now.

        Returns
        -------
        pandas.DataFrame
            Indexed by `day`, with the columns `created` and `completed`.

        See Also
        --------
        AsanaExport.flow : Tasks by section, or another field.

        Examples
        --------
        >>> list(data.burnup().columns)
        ['created', 'completed']
        """
        from asana_jobs_pd._tables.flow import burnup_of  # noqa: PLC0415  upwards

        return burnup_of(self, project=project, freq=freq, tz=tz)

    @property
    def plot(self) -> ExportPlot:
        """Charts with matplotlib: ``data.plot.flow()``, ``data.plot.burnup()``.

        See Also
        --------
        AsanaExport.flow : The numbers of the first chart.
        AsanaExport.burnup : The numbers of the second chart.

        Examples
        --------
        >>> ax = data.plot.flow()
        """
        from asana_jobs_pd._report.export_plot import ExportPlot  # noqa: PLC0415  upwards

        return ExportPlot(self)

    _gap_count: int | None = None

    def _converted(self, table: pa.Table) -> pd.DataFrame:
        return to_frame(table, self.backend)

    def _notes(self) -> list[str]:
        """Return how current the export is, and how many issues and gaps it has."""
        if self._gap_count is None:
            try:
                self._gap_count = len(self.gaps())
            except Exception:  # noqa: BLE001  frames that lack columns, or were changed, have a repr
                self._gap_count = 0
        gaps = [f"{format_count(self._gap_count, 'gap')}, see .gaps()"] if self._gap_count else []
        return [*super()._notes(), *gaps]


class OtherEngine(LoadedExport[F]):
    """An export whose frames are not pandas DataFrames; methods that need those say so."""

    _remedy = "load the export without engine="

    def __getattr__(self, name: str) -> F:
        if not name.startswith("_") and hasattr(AsanaExport, name):
            raise AttributeError(f"{name!r} needs the pandas engine: {self._remedy}.")
        return super().__getattr__(name)


@public
class AsanaArrowExport(OtherEngine[F], InMemoryExport[F]):
    """The tables of an export; ``read_asana_export(engine="arrow")`` or ``engine="polars"``.

    A mapping of `resource_type` to ``pyarrow.Table`` or ``polars.DataFrame``, with the same columns
    as with the pandas engine. Dates are dates; enum fields are dictionaries (in polars, ``Enum``).
    `custom_fields`, `issues`, `issue_count` and `incomplete_files` are as in `AsanaExport`;
    `custom_field_values` is a table.

    Parameters
    ----------
    frames, **shared
        What was read; `read_asana_export` makes it.

    See Also
    --------
    AsanaExport : The same for pandas.

    Examples
    --------
    >>> tables = aj.read_asana_export(files, engine="arrow")
    >>> tables["task"].column("due_on").type
    DataType(date32[day])
    """

    def __init__(self, frames: dict[str, F], **shared: Any) -> None:
        self._convert: Callable[[pa.Table], F] = shared.pop("convert")
        super().__init__(frames, **shared)

    def _converted(self, table: pa.Table) -> F:
        return self._convert(table)
