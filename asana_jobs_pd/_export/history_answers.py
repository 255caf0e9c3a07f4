"""What a loaded export answers about the past; the rooms above do the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from asana_jobs_pd._export.answers import ExportAnswers

if TYPE_CHECKING:
    from asana_jobs_pd._report.export_plot import ExportPlot


class HistoryAnswers(ExportAnswers):
    """The answers of an `AsanaExport` that come from stories and times."""

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
            One row for each interval: `task`; of sections, `project`; `value`, and `value.gid`
            where values are objects; `from`, `to` (missing in the last interval), `by` (who began
            it) and `origin`: ``"story"``; ``"creation"`` for what the task was created with;
            ``"unknown"`` for a first interval where the stories do not reach back to the creation.
            The intervals of a task, or of a task in a project, follow each other without a gap;
            once it is removed from a project, the value is missing. Lists are shown as text.

        Raises
        ------
        InvalidFrameError
            When the tasks have no stories, or lack the field.
        InvalidFieldError
            When there is no such field, or more than one.

        Warns
        -----
        AsanaValueWarning
            When stories are of unknown kinds, or contradict each other or the tasks.

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
            When the time of a task ends: ``"completion"``, at its `completed_at`, which leaves
            out what it was after that; or ``"export"``, for completed tasks, too. That of
            unfinished tasks ends with the export.

        Returns
        -------
        pandas.DataFrame
            A row for each task (of sections, for each task and project) and value: `task`,
            `task.name`; of sections, `project` and `project.name`; `value`; `time`, a timedelta;
            `ended`, False while the task still has the value and is not completed. Sections come
            by project, in the order in which tasks pass through them.

        Raises
        ------
        InvalidFrameError, InvalidFieldError
            As `history`; also without `completed_at`.

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
            The name of the section in which work begins; None for the creation of the task.

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
            The gid or the name of a project; None for all. A task in two projects is in a section
            of each.
        freq
            How far the days are apart, by the offsets of pandas: ``"D"``, ``"W"``, ``"ME"``.
        tz
            The time zone in which a day ends.

        Returns
        -------
        pandas.DataFrame
            Indexed by `day`; a column for each value, in the order in which tasks reach them.

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
            As in `flow`; tasks that are in the project now.

        Returns
        -------
        pandas.DataFrame
            Indexed by `day`; `created` and `completed`.

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
        """Pictures with matplotlib: ``data.plot.flow()``, ``data.plot.burnup()``.

        See Also
        --------
        AsanaExport.flow : The numbers.
        AsanaExport.burnup : The numbers.

        Examples
        --------
        >>> ax = data.plot.flow()
        """
        from asana_jobs_pd._report.export_plot import ExportPlot  # noqa: PLC0415  upwards

        return ExportPlot(self)
